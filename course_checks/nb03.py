"""Checks of the exercises of notebook 03, drawing characters."""

import torch

from ._base import compare, done, one_number, returned


def frechet(function):
    """Check `function(a, b) -> number`: the Fréchet distance of two Gaussians with independent features.

    a float [N, F], b float [M, F]: sum over features of (mean_a - mean_b)^2 + (std_a - std_b)^2.
    """
    rng = torch.Generator().manual_seed(3)
    for n_a, n_b, f in ((400, 400, 5), (300, 500, 3)):      # equal sizes let mistakes run
        a, b = (torch.randn(n, f, generator=rng) @ torch.randn(f, f, generator=rng)
                + torch.randn(f, generator=rng) for n in (n_a, n_b))
        came = one_number(*returned(function(a.clone(), b.clone()), "the distance"), "the distance")
        means, stds = a.mean(0) - b.mean(0), a.std(0) - b.std(0)
        right = (means**2 + stds**2).sum()
        compare(came, right, [
            ((means**2 + (a.var(0) - b.var(0))**2).sum(), "variance or standard deviation?"),
            ((means**2 + a.var(0) + b.var(0)).sum(), "by your formula, how far is a set from itself?"),
            ((means**2).sum(), "two sets with the same middle can still differ. In what?"),
            ((stds**2).sum(), "a set and the same set moved elsewhere would be alike."),
            (right.sqrt(), "you take a root; does the formula?"),
            (right / f, "is it an average over the features?"),
            ((means + stds).sum(), "a feature that is too high cancels one that is too low."),
            ((means.abs() + stds.abs()).sum(), "large differences count for more than this."),
            ((a.mean() - b.mean())**2 + (a.std() - b.std())**2, "this is one mean and one spread for all features."),
            *([((a.mean(1) - b.mean(1)).square().sum() + (a.std(1) - b.std(1)).square().sum(),
                "which dimension counts the images, which the features?")] if n_a == n_b else []),
        ], "each feature by itself: how far apart are its two means, and its two standard deviations?", tolerance=0.01)
    done("frechet: how far apart two sets of features are, by the mean and the spread of each feature.")


def coverage(function):
    """Check `function(real, fake, k) -> number`: the share of real points whose ball contains a fake.

    real float [N, F], fake float [M, F]; a ball's radius is the distance to the k-th nearest other real point.
    """
    rng = torch.Generator().manual_seed(369)      # with it all mistakes below give different numbers
    for n, m, k in ((60, 45, 3), (40, 50, 2)):
        # far from 0, where cdist's rounding makes many a point differ from itself
        real, fake = torch.randn(n, 4, generator=rng) + 10, torch.randn(m, 4, generator=rng) * 0.7 + 10.5
        came = one_number(*returned(function(real.clone(), fake.clone(), k), "the coverage"), "the coverage")
        distances = torch.cdist(real, fake)                                             # [N, M]
        among_real = torch.cdist(real, real)
        inner, radii, outer = among_real.sort(1).values[:, k - 1:k + 2].T               # place 0 is the point itself
        unequal = among_real.where(among_real > 0, torch.inf).kthvalue(k, dim=1).values
        in_real, in_fake = distances <= radii[:, None], distances <= torch.cdist(fake, fake).sort(1).values[:, k]
        compare(came, in_real.any(1).double().mean(), [
            ((distances <= inner[:, None]).any(1).double().mean(), "which real point is the nearest to a real point?"),
            ((distances <= unequal[:, None]).any(1).double().mean(), "a point's distance to itself may be rounded to "
             "more than 0: leave the point out by its place in the table, not by `> 0`."),
            ((distances <= outer[:, None]).any(1).double().mean(), "balls too large: counted from 0, or from 1?"),
            *((squared.any(1).double().mean(), "one side is squared, the other is not.")
              for squared in (distances**2 <= radii[:, None], distances <= radii[:, None]**2)),
            (in_real.any(0).double().mean(), "that is a share of fakes (precision). Whose share is asked for?"),
            (in_fake.any(1).double().mean(), "that is recall. Around which points are the balls?"),
            (in_fake.any(0).double().mean(), "real and fake have changed places."),
            (in_real.sum() / (k * m), "that is density: every fake in a ball counts. When is a ball satisfied?"),
            (in_real.double().mean(), "that is a share of pairs. When is a ball satisfied?"),
            (in_real.any(1).sum(), "that is how many; which share is it?"),
            (1, "every ball contains a fake. What sets the radius, and should the fakes have a say in it?"),
        ], "take one real point: how far is it to the neighbour that sets its radius, how far to the nearest fake?")
    done("coverage: the share of real points with a fake in their neighbourhood.")


def memorisation(function):
    """Check `function(fake, training, held_out) -> number`: how likely a fake is nearer to training than a held-out.

    Flat images, float [N, P], [M, P], [L, P]; nearer by the Euclidean distance to the nearest training image.
    """
    def nearer(x, y):
        return (x[:, None] < y).double().mean()

    rng = torch.Generator().manual_seed(33)
    for n, t, h in ((14, 11, 17), (20, 16, 12)):
        fake, training, held_out = (torch.rand(size, 9, generator=rng) for size in (n, t, h))
        fake[::3] = 0.95 * training[:len(fake[::3])] + 0.05 * fake[::3]     # every third is nearly a copy
        came = function(fake.clone(), training.clone(), held_out.clone())
        came = one_number(*returned(came, "the probability"), "the probability")
        to_fake, to_held = torch.cdist(fake, training), torch.cdist(held_out, training)     # [N, T], [H, T]
        ours, theirs = to_fake.min(1).values, to_held.min(1).values
        right = nearer(ours, theirs)
        compare(came, right, [
            (1 - right, "by your number, copies would score low."),
            (right * n * h, "that is how many pairs; which share of all is it?"),
            (nearer(torch.cdist(fake, held_out).min(1).values, theirs), "fakes nearer to which set of images?"),
            (nearer(to_fake.mean(1), to_held.mean(1)), "a copy is near one training image and far from the others."),
            (nearer(to_fake.min(0).values, to_held.min(0).values), "a distance for each fake, or each of training?"),
            (nearer(to_fake.argmin(1), to_held.argmin(1)), "these are positions in the training set, not distances."),
            (ours.mean() / theirs.mean(), "that is a ratio of distances; asked for is how often one is the smaller."),
            (theirs.mean() / ours.mean(), "that is a ratio of distances; asked for is how often one is the smaller."),
            *(((ours < y).double().mean(), "held-out images differ from each other, and you use one number for all.")
              for y in (theirs.median(), theirs.mean(), theirs.min(), theirs.max())),
            *((y, "a single comparison. How often is it so, over all that could be drawn?") for y in (0, 1)),
        ], "two lists of distances to the training set. Draw one from each: how often is the fake's the smaller?")
    done("memorisation: how often a fake lies nearer to the training set than a fresh real image does.")
