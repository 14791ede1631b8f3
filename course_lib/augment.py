"""What to add to a support set: nothing, classical variations, a generator's drawings, both, or real ones.

A variation is a function (x [T, M, 1, H, W], generator, task=None) that returns a new drawing of each image, in the
shape of x. task [T, S, 1, H, W] are the support images of the T tasks; without it, x is taken for them.
An augmenter is a function (support_x [T, N*K, 1, H, W], support_y [T, N*K], generator) that returns (x, y): the
originals followed by what it adds.
"""

import math
from functools import partial
from typing import NamedTuple

import torch

from . import baselines, episodes, gan, losses, networks


class Strength(NamedTuple):
    """Standard deviations of the classical variations; `STRENGTH.times(0.5)` halves them all."""

    rotation: float = 12.0      # degrees
    shear: float = 0.15
    scale: float = 0.12         # of the logarithm, for width and height apart
    shift: float = 1.5          # pixels
    bend: float = 1.0           # pixels, at 4 x 4 points
    pen: float = 0.3            # 1 is a stroke thicker by a pixel on either side, -1 one thinner

    def times(self, factor):
        return Strength(*(factor * value for value in self))


STRENGTH = Strength()


def classical(strength=STRENGTH):
    """The variation that needs no training: a random affine map, a smooth random bend, another pen.

    Source: Simard et al. 2003, "Best practices for convolutional neural networks", for the bends.
    """
    def variation(x, generator, task=None):
        flat = x.flatten(0, 1)

        def normal(*sizes):
            return torch.randn(len(flat), *sizes, device=x.device, generator=generator)

        affine = _affine(normal(6), strength, width=x.shape[-1])
        pen = (strength.pen * normal()).clamp(-1, 1)
        return networks.warp(flat, affine, strength.bend * normal(2, 4, 4), pen).view_as(x)
    return variation


def _affine(normal, strength, *, width):
    """Rotation after shear and scale, and a shift, less the identity: [B, 2, 3] from standard normal [B, 6]."""
    turn, shear, wide, high, right, down = normal.unbind(1)
    angle = turn * math.radians(strength.rotation)
    cos, sin, shear = angle.cos(), angle.sin(), shear * strength.shear
    wide, high = (strength.scale * wide).exp(), (strength.scale * high).exp()
    shift = 2 * strength.shift / width * torch.stack([right, down], dim=1)[:, :, None]
    rows = torch.stack([cos * wide - 1, shear * cos - sin * high, sin * wide, shear * sin + cos * high - 1], dim=1)
    return torch.cat([rows.view(-1, 2, 2), shift], dim=2)


def pairs(classes, *, n_tasks=4, n_way=12):
    """A `draw` for `gan.fit`: pairs of drawings of one character, and their task.

    Returns a function of the generator that returns real [B, 1, H, W], example [B, 1, 1, H, W] and
    task [n_tasks, n_way, 1, H, W], B = n_tasks * n_way: each task is of one alphabet, and its examples are its support.
    n_way: at most, for no alphabet may be smaller.
    """
    n_way = min(n_way, *(classes.alphabets.count(alphabet) for alphabet in classes.alphabets))

    def draw(generator):
        tasks = episodes.sample(classes, n_way=n_way, k_shot=1, q_query=1, n_tasks=n_tasks, generator=generator,
                                within_alphabet=True)
        return tasks.query_x.flatten(0, 1), tasks.support_x.flatten(0, 1)[:, None], tasks.support_x
    return draw


R1 = losses.lazily(partial(losses.r1, gamma=1.0), every=4)
PENALTY = losses.total(losses.mismatch, R1)


def train_generator(G, D, classes, *, n_steps, generator, penalty=PENALTY, **options):
    """`gan.Trained`: G(z, example, task) against D(image, example, task) on `pairs` of classes. Both change in place.

    options: those of `gan.fit`. The rates were chosen on alphabets of Omniglot that are not tested on.
    """
    return gan.fit(G, D, pairs(classes), n_steps=n_steps, loss=losses.NON_SATURATING, penalty=penalty,
                   lr=(2e-4, 4e-4), betas=(0.0, 0.99), ema=0.998, generator=generator, **options)


def generated(G):
    """The variation that a trained generator G(z, example, task) draws, each image being its one example."""
    @torch.no_grad()
    def variation(x, generator, task=None):
        G.eval()
        z = gan.noise(G, x.shape[0] * x.shape[1], generator)
        return G(z, x.flatten(0, 1)[:, None], x if task is None else task).view_as(x)
    return variation


def chain(*variations):
    """One variation after another."""
    def variation(x, generator, task=None):
        task = x if task is None else task
        for each in variations:
            x = each(x, generator, task)
        return x
    return variation


def adding(variation, n_extra):
    """An augmenter that adds `n_extra` variations to each class, of its examples in turn. For n_extra=0, none.

    The support must come class by class with as many examples of each, as `episodes.sample` draws it; else ValueError.
    """
    def augmenter(support_x, support_y, generator):
        n_way = int(support_y.max()) + 1
        k_shot, rest = divmod(support_y.shape[1], n_way)
        if rest or not (support_y == torch.arange(n_way, device=support_y.device).repeat_interleave(k_shot)).all():
            raise ValueError("the labels of a support set must run 0, ..., 0, 1, ..., 1, ... with as many of each; "
                             f"got {support_y[0].tolist()}. Sort the support by class.")
        if not n_extra:
            return support_x, support_y
        first = k_shot * torch.arange(n_way, device=support_x.device)[:, None]
        rows = (first + torch.arange(n_extra, device=support_x.device) % k_shot).flatten()      # [N * n_extra]
        extra = variation(support_x[:, rows], generator, support_x)
        return torch.cat([support_x, extra], dim=1), torch.cat([support_y, support_y[:, rows]], dim=1)
    return augmenter


def augmented(learner, augmenter, generator):
    """The learner, with `augmenter` at work on the support before it adapts."""
    def labels(episodes):
        x, y = augmenter(episodes.support_x, episodes.support_y, generator)
        return learner(episodes._replace(support_x=x, support_y=y))
    return labels


def voted(learner, variation, n_versions, generator):
    """The learner, with each query's label voted for by the query itself and n_versions - 1 variations of it.

    Of labels with as many votes, the query's own wins, then the least. A query's variations see the support as the task
    and no other query: inductive, if the learner is.
    """
    def labels(episodes):
        x, task = episodes.query_x, episodes.support_x
        versions = [x] + [variation(x, generator, task) for _ in range(n_versions - 1)]
        found = learner(episodes._replace(query_x=torch.cat(versions, dim=1),
                                          query_y=episodes.query_y.repeat(1, n_versions)))
        votes = torch.nn.functional.one_hot(found.view(len(x), n_versions, -1)).double()       # [T, V, N*Q, N]
        return (votes.sum(1) + 0.5 * votes[:, 0]).argmax(2)
    return labels


def first_shots(learner, k_shot):
    """The learner, given only the first `k_shot` support images of each class.

    From episodes with more, it makes arms that are paired with the ceiling: the learner that is given all of them.
    """
    def labels(episodes):
        n_way, x = int(episodes.support_y.max()) + 1, episodes.support_x
        kept = x.view(len(x), n_way, -1, *x.shape[2:])[:, :, :k_shot]               # [T, N, K, 1, H, W]
        y = torch.arange(n_way, device=x.device).repeat_interleave(kept.shape[2]).expand(len(x), -1)
        return learner(episodes._replace(support_x=kept.flatten(1, 2), support_y=y))
    return labels


def importance_weights(logits):
    """D's logits [n, ...] of n drawings to weights [n, ...], proportional to e^logit, that sum to 1 over the n.

    For the best discriminator e^logit is p/q, and a mean with these weights is one over real drawings.
    """
    return logits.softmax(0)


def keep_best(logits, keep):
    """Weights [n, ...] again: 1 / keep for the `keep` highest of the logits [n, ...] along n, 0 for the others."""
    return torch.zeros_like(logits).scatter(0, logits.topk(keep, dim=0).indices, 1 / keep)


def averaged(network, variation, n_versions, generator):
    """A function of `Episodes` that puts mean features [T, M, F] in place of images, of support and query alike.

    The mean is over each image and n_versions - 1 variations of it, in the features of a trained `networks.ConvNet`. A
    query's variations see the support as the task and no other query: inductive.
    """
    @torch.no_grad()
    def mean_features(x, task):
        versions = [x] + [variation(x, generator, task) for _ in range(n_versions - 1)]
        return sum(network.eval().features(v.flatten(0, 1)) for v in versions).view(*x.shape[:2], -1) / n_versions

    def features_of(episodes):
        task = episodes.support_x
        return episodes._replace(support_x=mean_features(task, task), query_x=mean_features(episodes.query_x, task))
    return features_of


def protonet(network, variation, n_versions, generator):
    """A learner: the nearest class mean of `averaged` features. Inductive. One version: `baselines.protonet`."""
    features_of = averaged(network, variation, n_versions, generator)
    return lambda episodes: baselines.protonet_logits(lambda features: features, features_of(episodes)).argmax(2)


def varied(variation):
    """A function of `Episodes` and a generator that puts a variation in place of every image, for training."""
    def episodes_of(episodes, generator):
        return episodes._replace(support_x=variation(episodes.support_x, generator),
                                 query_x=variation(episodes.query_x, generator, episodes.support_x))
    return episodes_of
