"""Right and wrong answers to the exercises of notebook 03."""

import torch
from torch import nn

from course_lib import networks, quality


def generator_of(end=(), **changed):
    """A right G, with other layers in the place of some: in, shape, norm1, up1, norm2, up2, out."""
    def my_generator(z_dim):
        layers = {"in": nn.Linear(z_dim, 64 * 49), "shape": nn.Unflatten(1, (64, 7, 7)), "norm1": nn.BatchNorm2d(64),
                  "relu1": nn.ReLU(), "up1": nn.ConvTranspose2d(64, 32, 4, 2, 1), "norm2": nn.BatchNorm2d(32),
                  "relu2": nn.ReLU(), "up2": nn.ConvTranspose2d(32, 1, 4, 2, 1), "out": nn.Sigmoid()}
        layers |= {name: layer() for name, layer in changed.items()}
        G = nn.Sequential(*layers.values(), *(layer() for layer in end))
        G.z_dim = z_dim
        return G
    return my_generator


def generator_by_class(z_dim):
    class G(nn.Module):
        def __init__(self):
            super().__init__()
            self.z_dim, self.first, self.norm = z_dim, nn.Linear(z_dim, 16 * 49), nn.BatchNorm2d(16)
            self.up = nn.ModuleList([nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 1, 5, padding=2)])

        def forward(self, z):
            h = self.norm(self.first(z).reshape(-1, 16, 7, 7)).relu()
            for layer in self.up:
                h = layer(nn.functional.interpolate(h, scale_factor=2))
            return (h.tanh() + 1) / 2
    return G()


class Changed(nn.Module):
    """A network of which `forward(network, x)` makes something else."""

    def __init__(self, network, forward):
        super().__init__()
        self.network, self.change, self.z_dim = network, forward, getattr(network, "z_dim", None)

    def forward(self, x):
        return self.change(self.network, x)


def generator_then(forward):
    return lambda z_dim: Changed(generator_of()(z_dim), forward)


class Loose(nn.Module):
    """Its layers stand in a plain list, where .parameters() does not find them."""

    def __init__(self, z_dim):
        super().__init__()
        self.z_dim, self.layers = z_dim, [*generator_of()(z_dim)]

    def forward(self, z):
        for layer in self.layers:
            z = layer(z)
        return z


def renamed(z_dim):
    G = generator_of()(z_dim)
    del G.z_dim
    return G


def generator_linear(z_dim):
    G = nn.Sequential(nn.Linear(z_dim, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid(),
                      nn.Unflatten(1, (1, 28, 28)))
    G.z_dim = z_dim
    return G


ONE_G, ONE_D = (generator_of()(64), networks.ImageDiscriminator())


def discriminator_of(width=None, **changed):
    """A right D, with other layers in the place of some: down1, down2, flat, last, drop."""
    def my_discriminator(channels):
        w = width or channels
        layers = {"down1": nn.Conv2d(1, w, 4, 2, 1), "norm1": nn.Identity(), "relu1": nn.LeakyReLU(0.2),
                  "down2": nn.Conv2d(w, 2 * w, 4, 2, 1), "norm2": nn.Identity(), "relu2": nn.LeakyReLU(0.2),
                  "flat": nn.Flatten(), "last": nn.Linear(2 * w * 49, 1), "drop": nn.Flatten(0)}
        return nn.Sequential(*(layers | {name: layer(w) for name, layer in changed.items()}).values())
    return my_discriminator


def discriminator_spectral(width):
    D = discriminator_of()(width)
    for layer in D:
        if hasattr(layer, "weight"):
            nn.utils.parametrizations.spectral_norm(layer)
    return D


def leaky(h):
    return torch.maximum(h, 0.2 * h)


def discriminator_then(forward):
    return lambda width: Changed(discriminator_of()(width), forward)


def frechet_right(a, b):
    return ((a.mean(0) - b.mean(0))**2 + (a.std(0) - b.std(0))**2).sum()


def frechet_by_feature(a, b):
    total = 0.0
    for x, y in zip(a.T, b.T):
        var_x, var_y = x.var(correction=0).item(), y.var(correction=0).item()
        total += (x.mean() - y.mean()).item()**2 + var_x + var_y - 2 * (var_x * var_y)**0.5
    return total


def frechet_of(combine):
    """`combine` gets the differences of means and of standard deviations, each [F]."""
    return lambda a, b: combine(a.mean(0) - b.mean(0), a.std(0) - b.std(0))


def radii(x, k):
    return torch.cdist(x, x).fill_diagonal_(torch.inf).kthvalue(k, dim=1).values


def coverage_right(real, fake, k):
    return (torch.cdist(real, fake) <= radii(real, k)[:, None]).any(1).float().mean()


def coverage_by_loop(real, fake, k):
    covered = 0
    for i, point in enumerate(real):
        others = torch.cat([real[:i], real[i + 1:]])
        radius = (others - point).norm(dim=1).sort().values[k - 1]
        covered += bool((fake - point).norm(dim=1).min() < radius)
    return covered / len(real)


def coverage_by_topk(real, fake, k):
    radius = torch.cdist(real, real).topk(k + 1, largest=False).values[:, -1]
    return (torch.cdist(real, fake) < radius[:, None]).any(1).float().mean()


def is_covered(real, fake, k):
    return (torch.cdist(real, fake) < radii(real, k)[:, None]).any(1).float()


def coverage_one_radius(real, fake, k):
    return (torch.cdist(real, fake) < radii(real, k).mean()).any(1).float().mean()


def nearest(x, training):
    return torch.cdist(x, training).min(1).values


def memorisation_right(fake, training, held_out):
    return (nearest(fake, training)[:, None] < nearest(held_out, training)).float().mean()


def memorisation_by_loop(fake, training, held_out):
    ours, theirs = nearest(fake, training).tolist(), nearest(held_out, training).tolist()
    return sum((a < b) + (a == b) / 2 for a in ours for b in theirs) / len(ours) / len(theirs)


def memorisation_with(distances):
    """The right comparison of wrong distances."""
    return lambda f, t, h: (distances(f, t)[:, None] < distances(h, t)).float().mean()


def memorisation_of(summary):
    """The right distances, summed up by `summary`."""
    return lambda f, t, h: summary(nearest(f, t), nearest(h, t))


RIGHT = {
    "generator": [generator_of(), generator_by_class, networks.ImageGenerator,
                  generator_of(norm2=nn.Identity, up2=lambda: nn.Sequential(nn.Upsample(scale_factor=2),
                                                                            nn.Conv2d(32, 1, 3, padding=1)))],
    "discriminator": [discriminator_of(), discriminator_spectral,
                      lambda width: networks.ImageDiscriminator(width=width),
                      discriminator_of(relu1=lambda w: nn.Sequential(nn.LeakyReLU(0.2), nn.Dropout(0.3))),
                      discriminator_of(flat=lambda w: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
                                       last=lambda w: nn.Linear(2 * w, 1)),
                      discriminator_then(lambda D, x: D(2 * x - 1)),
                      discriminator_then(lambda D, x: D[3:](nn.functional.leaky_relu(D[:2](x), 0.2))),
                      discriminator_then(lambda D, x: D[3:](leaky(D[:2](x))))],
    "frechet": [frechet_right, frechet_by_feature, lambda a, b: frechet_right(a, b).reshape(1),
                lambda a, b: ((a.mean(0) - b.mean(0)).norm()**2
                              + (a.std(0, correction=0) - b.std(0, correction=0)).norm()**2).item()],
    "coverage": [coverage_right, coverage_by_loop, coverage_by_topk,
                 lambda real, fake, k: quality.prdc(real, fake, k).coverage],
    "memorisation": [memorisation_right, memorisation_by_loop,
                     lambda *sets: quality.memorisation(*(x.unflatten(1, (1, 3, 3)) for x in sets))],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "generator": [
        (lambda z_dim: None, "does your function end with `return ...`?"),
        (lambda z_dim: networks.ImageGenerator, "that is the class"),
        (lambda z_dim: [*generator_of()(z_dim)], "a list of layers is no network yet"),
        (lambda z_dim: ONE_G, "inside the function"),
        (renamed, "looks there for its length"),
        (lambda z_dim: generator_of()(64), "looks there for its length"),
        (generator_of(**{"in": lambda: nn.Linear(64, 64 * 49)}), "Does a 64 stand in your code"),
        (generator_of(up1=lambda: nn.ConvTranspose2d(32, 32, 4, 2, 1)), "some layer gets another shape"),
        (generator_of(norm1=lambda: nn.BatchNorm1d(64)), "some layer gets another shape"),
        (generator_of(up2=lambda: nn.ConvTranspose2d(32, 1, 4, 2)), "Follow the side"),
        (generator_of(up1=lambda: nn.ConvTranspose2d(64, 32, 3, 2, 1)), "Follow the side"),
        (generator_of(up2=lambda: nn.Conv2d(32, 1, 3, padding=1)), "Follow the side"),
        (generator_of(up2=lambda: nn.ConvTranspose2d(32, 3, 4, 2, 1)), "how many channels"),
        (generator_of(end=[nn.Flatten]), "Where does a row become an image?"),
        (generator_then(lambda G, z: G(z).squeeze(1)), "Where do yours get lost?"),
        (generator_then(lambda G, z: G(z)[:1]), "Where do yours get lost?"),
        (generator_of(out=nn.Tanh), "ends between -1 and 1"),
        (generator_of(out=nn.Identity), "can return any number"),
        (generator_of(out=nn.ReLU), "can return any number"),
        (generator_of(out=lambda: nn.Hardtanh(0, 1)), "without a cut"),
        (generator_of(out=lambda: nn.Sequential(nn.ReLU(), nn.Sigmoid())), "half of the greys never come"),
        (generator_of(up2=lambda: nn.ConvTranspose2d(32, 1, 3, 2, 1, 1)), "more stamps than their neighbours"),
        (Loose, "plain list of Python"),
        (generator_of(**{"in": lambda: nn.Linear(64, 49), "shape": lambda: nn.Unflatten(1, (1, 7, 7)),
                         "norm1": lambda: nn.BatchNorm2d(1), "norm2": lambda: nn.BatchNorm2d(2),
                         "up1": lambda: nn.ConvTranspose2d(1, 2, 4, 2, 1),
                         "up2": lambda: nn.ConvTranspose2d(2, 1, 4, 2, 1)}), "they have few channels"),
        (generator_linear, "one kernel at all places"),
        (generator_of(**{"in": lambda: nn.Linear(64, 1024 * 49), "shape": lambda: nn.Unflatten(1, (1024, 7, 7)),
                         "norm1": lambda: nn.BatchNorm2d(1024),
                         "up1": lambda: nn.ConvTranspose2d(1024, 32, 4, 2, 1)}), "too slowly for a laptop"),
        (generator_then(lambda G, z: G(z).detach()), "Is something detached"),
        (generator_then(lambda G, z: G[3:](G[:3](z).detach())), "this layer cannot learn"),
        (generator_then(lambda G, z: G(torch.randn_like(z))), "Where does it get lost?"),
        (generator_then(lambda G, z: G(torch.cat([z[:, :-3], 0 * z[:, -3:]], 1))), "Where does it get lost?"),
        (generator_then(lambda G, z: G(z + 0.1 * torch.randn_like(z))), "All chance is to come from z"),
        (generator_then(lambda G, z: G(z.mul_(2))), "Which line writes into an old"),
        (generator_of(norm1=nn.Identity, norm2=nn.Identity), "no batch statistics"),
        (generator_of(norm1=lambda: nn.GroupNorm(8, 64), norm2=lambda: nn.GroupNorm(8, 32)), "no batch statistics"),
        (generator_of(norm1=lambda: nn.BatchNorm2d(64, track_running_stats=False)), "uses its running averages"),
        (generator_then(lambda G, z: G.train()(z)), "uses its running averages"),
    ],
    "discriminator": [
        (lambda width: None, "does your function end with `return ...`?"),
        (lambda width: ONE_D, "inside the function"),
        (discriminator_of(drop=lambda w: nn.Identity()), "How do you drop it?"),
        (discriminator_of(drop=lambda w: nn.Flatten(0), last=lambda w: nn.Linear(2 * w * 49, 2)),
         "one number for each image"),
        (discriminator_then(lambda D, x: D(x).mean()), "one number for each image"),
        (discriminator_then(lambda D, x: D[:-1](x).squeeze()), "Which dimension did you mean?"),
        (discriminator_of(down2=lambda w: nn.Conv2d(1, 2 * w, 4, 2, 1)), "some layer gets another shape"),
        (discriminator_of(last=lambda w: nn.Linear(2 * w * 36, 1)), "some layer gets another shape"),
        (discriminator_of(drop=lambda w: nn.Sequential(nn.Flatten(0), nn.Sigmoid())), "who applies the sigmoid?"),
        (discriminator_of(norm2=lambda w: nn.BatchNorm2d(2 * w)), "some layer looks across the batch"),
        (discriminator_of(norm1=lambda w: nn.BatchNorm2d(w, track_running_stats=False)), "looks across the batch"),
        (discriminator_then(lambda D, x: D(x) - D(x).mean()), "some layer looks across the batch"),
        (discriminator_of(width=16), "does not use its argument"),
        (discriminator_of(relu2=lambda w: nn.ReLU()), "passes no gradient where its input is negative"),
        (discriminator_then(lambda D, x: D[3:](D[:2](x).relu())), "passes no gradient where its input is negative"),
        (discriminator_then(lambda D, x: D[3:](nn.functional.relu(D[:2](x)))), "passes no gradient where its input"),
        (discriminator_of(relu1=lambda w: nn.LeakyReLU()), "Which slope does the text ask for"),
        (discriminator_of(relu2=lambda w: nn.Identity()), "the next layer would be one linear layer"),
        (discriminator_of(down2=lambda w: nn.Conv2d(w, w, 4, 2, 1), last=lambda w: nn.Linear(w * 49, 1)),
         "Which multiple of `width`"),
        (lambda width: nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.LeakyReLU(0.2), nn.Linear(width, 1),
                                     nn.Flatten(0)), "one kernel at all places"),
        (lambda width: discriminator_of()(1 + width // 32), "they have few channels"),
        (lambda width: discriminator_of()(40 * width), "too slowly for a laptop"),
        (discriminator_then(lambda D, x: D(x.detach())), "What stands between the image and D's first layer?"),
        (discriminator_then(lambda D, x: D(x.round())), "What stands between the image and D's first layer?"),
        (discriminator_then(lambda D, x: D(x).detach()), "Is something detached"),
        (discriminator_then(lambda D, x: D[2:](D[:2](x).detach()) + 0 * x.sum()), "this layer cannot learn"),
        (discriminator_then(lambda D, x: D(x.mul_(2).sub_(1))), "Which line writes into an old"),
    ],
    "frechet": [
        (lambda a, b: ((a.mean(0) - b.mean(0))**2).sum() + (a.std() - b.std())**2, "one standard deviation for all"),
        (frechet_of(lambda m, s: m**2 + s**2), "What does the trace do with them?"),
        (lambda a, b: frechet_right(a.sub_(b.mean(0)), b - b.mean(0)), "Which line writes into an old"),
        (lambda a, b: print(end=""), "does your function end with `return ...`?"),
        *((wrong, "each feature by itself") for wrong in (
            quality.frechet_distance, frechet_of(lambda m, s: ((m + s)**2).sum()),
            frechet_of(lambda m, s: m.norm() + s.norm()), lambda a, b: 0.0)),
    ],
    "coverage": [
        (is_covered, "Which fraction of them is it?"),
        (lambda real, fake, k: (torch.cdist(fake, real) < radii(real, k)).any(1), "Whose fraction is asked for?"),
        (lambda real, fake, k: coverage_right(real.sub_(10), fake - 10, k), "Which line writes into an old"),
        *((wrong, "how far is it to the neighbour that sets its radius") for wrong in (
            coverage_one_radius, lambda *sets: 1 - is_covered(*sets).mean(),
            lambda real, fake, k: coverage_right(real, fake, 5), lambda real, fake, k: 0.0)),
    ],
    "memorisation": [
        (memorisation_of(lambda a, b: a[:, None] < b), "In which fraction of the pairs"),
        (memorisation_of(lambda a, b: (a[:, None] < b).float().mean(1)), "compared with every held-out image"),
        (lambda f, t, h: memorisation_right(f.sub_(0.5), t - 0.5, h - 0.5), "Which line writes into an old"),
        *((wrong, "Sample one distance from each") for wrong in (
            memorisation_with(lambda x, t: torch.cdist(x, t, p=1).min(1).values),
            memorisation_with(lambda x, t: torch.cdist(x, t).max(1).values),
            memorisation_of(lambda a, b: (b > a.median()).float().mean()),
            memorisation_of(lambda a, b: sum(p < q for p, q in zip(a, b)) / min(len(a), len(b))))),
    ],
}
