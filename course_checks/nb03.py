"""Checks of the exercises of notebook 03, drawing characters."""

import torch

from ._base import check, compare, done, one_number, returned


@check
def frechet(function):
    """Check `function(a, b) -> number`: the Fréchet distance of two Gaussians with independent features.

    a float [N, F], b float [M, F]: sum over features of (mean_a - mean_b)^2 + (std_a - std_b)^2.
    """
    rng = torch.Generator().manual_seed(3)
    for n_a, n_b, f in ((400, 400, 5), (300, 500, 3)):      # equal sizes let mistakes run
        a, b = (torch.randn(n, f, generator=rng) @ torch.randn(f, f, generator=rng)
                + torch.randn(f, generator=rng) for n in (n_a, n_b))
        came = one_number(*returned(function(a.clone(), b.clone()), "the distance"), "the distance")
        compare(came, _differences(lambda means, stds: (means**2 + stds**2).sum())(a, b), MISTAKES["frechet"], (a, b),
                "take each feature by itself. How far apart are its two means, and its two standard deviations?",
                tolerance=0.01)
    done("frechet: how far apart two sets of features are, by the mean and the standard deviation of each feature.")


@check
def coverage(function):
    """Check `function(real, fake, k) -> number`: the share of real points whose ball contains a fake.

    real float [N, F], fake float [M, F]; a ball's radius is the distance to the k-th nearest other real point.
    """
    rng = torch.Generator().manual_seed(369)      # with it all mistakes below give different numbers
    for n, m, k in ((60, 45, 3), (40, 50, 2)):
        # far from 0, where cdist's rounding makes many a point differ from itself
        real, fake = torch.randn(n, 4, generator=rng) + 10, torch.randn(m, 4, generator=rng) * 0.7 + 10.5
        came = one_number(*returned(function(real.clone(), fake.clone(), k), "the coverage"), "the coverage")
        compare(came, _in_ball(real, fake, k).any(1).double().mean(), MISTAKES["coverage"], (real, fake, k),
                "take one real point. How far is it to the neighbour that sets its radius, and to the nearest fake?")
    done("coverage: the share of real points with a fake in their neighbourhood.")


@check
def memorisation(function):
    """Check `function(fake, training, held_out) -> number`: how likely a fake is nearer to training than a held-out.

    Flat images, float [N, P], [M, P], [L, P]; nearer by the Euclidean distance to the nearest training image.
    """
    rng = torch.Generator().manual_seed(33)
    for n, t, h in ((14, 11, 17), (20, 16, 12)):
        fake, training, held_out = (torch.rand(size, 9, generator=rng) for size in (n, t, h))
        fake[::3] = 0.95 * training[:len(fake[::3])] + 0.05 * fake[::3]     # every third is nearly a copy
        came = function(fake.clone(), training.clone(), held_out.clone())
        came = one_number(*returned(came, "the probability"), "the probability")
        right = _nearer(_nearest(fake, training), _nearest(held_out, training))
        compare(came, right, MISTAKES["memorisation"], (fake, training, held_out),
                "you need two lists of distances to the training set. Sample one distance from each. How often is the "
                "fake's the smaller?")
    done("memorisation: how often a fake lies nearer to the training set than a fresh real image does.")


def _differences(combine):
    """`combine` gets the differences of the means and of the standard deviations, each [F]."""
    return lambda a, b: combine(a.mean(0) - b.mean(0), a.std(0) - b.std(0))


def _radii(points, k):
    """The distance of each point to its k-th nearest other point, [N]."""
    return torch.cdist(points, points).sort(1).values[:, k]         # place 0 is the point itself


def _in_ball(points, others, k):
    """Whether other m lies in the ball of point n, [N, M]."""
    return torch.cdist(points, others) <= _radii(points, k)[:, None]


def _with_radii(radii):
    """Coverage with balls of other `radii(real, fake, k)`, [N]."""
    def coverage(real, fake, k):
        return (torch.cdist(real, fake) <= radii(real, fake, k)[:, None]).any(1).double().mean()
    return coverage


def _radii_without_equals(real, fake, k):
    distances = torch.cdist(real, real)
    return distances.where(distances > 0, torch.inf).kthvalue(k, dim=1).values


def _nearest(images, training):
    return torch.cdist(images, training).min(1).values


def _nearer(ours, theirs):
    """How likely one of `ours` is smaller than one of `theirs`."""
    return (ours[:, None] < theirs).double().mean()


def _both(distances):
    """`distances(images, training)` of fakes and of held-out images, compared rightly."""
    return lambda fake, training, held_out: _nearer(distances(fake, training), distances(held_out, training))


def _summed_up(summary):
    """The right distances of fakes and of held-out images, summed up by `summary`."""
    return lambda fake, training, held_out: summary(_nearest(fake, training), _nearest(held_out, training))


MISTAKES = {
    "frechet": [
        (lambda a, b: ((a.mean(0) - b.mean(0))**2 + (a.var(0) - b.var(0))**2).sum(),
         "you compare variances. What does the formula compare once it is simplified, variance or standard deviation?"),
        (lambda a, b: ((a.mean(0) - b.mean(0))**2 + a.var(0) + b.var(0)).sum(),
         "the last term of the trace is missing. By your formula, how far is a set from itself?"),
        (_differences(lambda means, stds: (means**2).sum()),
         "you compare only the means. Two sets with the same middle can still differ. In what?"),
        (_differences(lambda means, stds: (stds**2).sum()),
         "you leave out the means, so a set and the same set moved elsewhere would be alike."),
        (_differences(lambda means, stds: (means**2 + stds**2).sum().sqrt()), "you take a root. Does the formula?"),
        (_differences(lambda means, stds: (means**2 + stds**2).mean()),
         "you average over the features. What does the trace do with them?"),
        (_differences(lambda means, stds: (means + stds).sum()),
         "nothing is squared here, so a feature that is too high cancels one that is too low."),
        (_differences(lambda means, stds: (means.abs() + stds.abs()).sum()),
         "you take absolute values. In the formula, large differences count for more than this."),
        (lambda a, b: (a.mean() - b.mean())**2 + (a.std() - b.std())**2,
         "this is one mean and one standard deviation for all features. The formula has them for each feature."),
        (lambda a, b: (a.mean(1) - b.mean(1)).square().sum() + (a.std(1) - b.std(1)).square().sum(),
         "you average over the wrong dimension. Which dimension counts the images, which the features?"),
    ],
    "coverage": [
        (_with_radii(lambda real, fake, k: _radii(real, k - 1)),
         "the balls are too small. Which real point is the nearest to a real point?"),
        (_with_radii(_radii_without_equals),
         "a point's distance to itself may be rounded to more than 0. Leave the point out by its place in the table, "
         "not by `> 0`."),
        (_with_radii(lambda real, fake, k: _radii(real, k + 1)),
         "the balls are too large. Are neighbours counted from 0, or from 1?"),
        *((_with_radii(wrong), "one side is squared, the other is not.") for wrong in (
            lambda real, fake, k: _radii(real, k).sqrt(), lambda real, fake, k: _radii(real, k).square())),
        (lambda real, fake, k: _in_ball(real, fake, k).any(0).double().mean(),
         "that is a share of fakes (precision). Whose share is asked for?"),
        (lambda real, fake, k: _in_ball(fake, real, k).any(0).double().mean(),
         "that is recall. Around which points are the balls?"),
        (lambda real, fake, k: _in_ball(fake, real, k).any(1).double().mean(), "real and fake have changed places."),
        (lambda real, fake, k: _in_ball(real, fake, k).sum() / (k * len(fake)),
         "that is density, where every fake in a ball counts. How many fakes must a ball contain for coverage?"),
        (lambda real, fake, k: _in_ball(real, fake, k).double().mean(),
         "that is a share of pairs. How many fakes must a ball contain for coverage?"),
        (lambda real, fake, k: _in_ball(real, fake, k).any(1).sum(),
         "that is how many real points have a fake in their ball. Which share of all is it?"),
        (_with_radii(lambda real, fake, k: torch.cdist(real, fake).kthvalue(k, dim=1).values),
         "every ball contains a fake. What sets the radius, and should the fakes have a say in it?"),
    ],
    "memorisation": [
        (lambda fake, training, held_out: _nearer(_nearest(held_out, training), _nearest(fake, training)),
         "the comparison is reversed. By your number, copies would score low."),
        (_summed_up(lambda ours, theirs: (ours[:, None] < theirs).sum()),
         "that is how many pairs. Which share of all pairs is it?"),
        (lambda fake, training, held_out: _nearer(_nearest(fake, held_out), _nearest(held_out, training)),
         "you compare the fakes with the held-out images. Nearer to which set of images is asked for?"),
        (_both(lambda images, training: torch.cdist(images, training).mean(1)),
         "you average over the training images. A copy is near one training image and far from the others."),
        (_both(lambda images, training: torch.cdist(images, training).min(0).values),
         "you have one number for each training image. Is a distance asked for each fake, or each of training?"),
        (_both(lambda images, training: torch.cdist(images, training).argmin(1)),
         "these are positions in the training set, not distances."),
        *((_summed_up(wrong), "that is a ratio of distances. Asked for is how often one is the smaller.") for wrong in (
            lambda ours, theirs: ours.mean() / theirs.mean(), lambda ours, theirs: theirs.mean() / ours.mean())),
        *((_summed_up(lambda ours, theirs, one=one: (ours < one(theirs)).double().mean()),
           "held-out images differ from each other, and you use one number for all.")
          for one in (torch.median, torch.mean, torch.min, torch.max)),
        *((_summed_up(wrong), "that is a single comparison. How often is it so, over all pairs that could be sampled?")
          for wrong in (lambda ours, theirs: (ours.mean() < theirs.mean()).double(),
                        lambda ours, theirs: (ours.mean() > theirs.mean()).double())),
    ],
}
