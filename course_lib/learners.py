"""Few-shot learners without an inner loop to learn: nearest neighbour, matching, prototypes, fine-tuning.

A learner is a function of `Episodes` that returns the predicted labels of the queries, int64 [T, N*Q]. It may use
support images, support labels and one query at a time; looking at several queries at once is transductive.
"""

import copy
import itertools
import math

import torch
from torch.nn.functional import conv2d, interpolate, pad

from . import maml, placements
from .episodes import one_of, sample


def nearest_neighbour(tasks):
    """Give each query the label of the support image nearest in pixels (Euclidean). Inductive. [T, N*Q]"""
    distances = torch.cdist(tasks.query_x.flatten(2), tasks.support_x.flatten(2))       # [T, N*Q, N*K]
    nearest = distances.argmin(2)
    return tasks.support_y.gather(1, nearest)


def matching(tasks):
    """Give each query the label of the support image that it fits best when both may be bent. Inductive. [T, N*Q]

    For `normalised` drawings. Source: Keysers et al. 2007, "Deformation models for image recognition", IDM.
    """
    costs = [matching_costs(query, support) for query, support in zip(tasks.query_x, tasks.support_x)]
    return tasks.support_y.gather(1, torch.stack(costs).argmin(2))


def matching_costs(query, support, *, size=20, reach=2):
    """What it costs to bend drawings [Q, 1, H, W] and [S, 1, H, W] into each other: [Q, S].

    At size x size pixels, the slopes at each pixel are explained by the most similar slopes at most `reach` pixels
    away, at a cost of their squared distance; the sum over pixels, of query by support and of support by query.
    """
    a, b = (slopes(interpolate(x, (size, size), mode="bilinear", antialias=True)) for x in (query, support))
    return _one_way(a, b, reach) + _one_way(b, a, reach).T


def slopes(x, n=8):
    """How steep ink rises at each pixel of x [B, 1, H, W], shared out among n directions: [B, n, H, W]."""
    sobel = x.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    right, down = conv2d(pad(x, (1, 1, 1, 1)), torch.stack([sobel, sobel.T])[:, None]).split(1, dim=1)
    direction = torch.atan2(down, right) * n / (2 * math.pi)                                # a unit is one of n
    apart = (direction - torch.arange(n, device=x.device)[:, None, None] + n / 2) % n - n / 2        # [B, n, H, W]
    return torch.hypot(right, down) * (1 - apart.abs()).clamp(min=0)


def _one_way(a, b, reach):
    """What it costs to find every pixel of a [A, C, S, S] in b [B, C, S, S]: [A, B]."""
    padded, size = pad(b, [reach] * 4), a.shape[2]
    costs = torch.tensor(torch.inf, device=a.device)
    for down, right in itertools.product(range(2 * reach + 1), repeat=2):
        moved = padded[:, :, down:down + size, right:right + size]
        costs = torch.minimum(costs, torch.cdist(*(x.flatten(2).permute(2, 0, 1) for x in (a, moved))))  # [S*S, A, B]
    return costs.square().sum(0)


def protonet_logits(features, tasks):
    """Minus the squared distance of each query to each class mean: logits [T, N*Q, N].

    features: a function of images [B, 1, H, W] that returns [B, F].
    Source: Snell et al. 2017, "Prototypical networks for few-shot learning", eq. 1 and 2.
    """
    n_tasks, n_way = len(tasks.support_x), int(tasks.support_y.max()) + 1
    support, query = (features(x.flatten(0, 1)).view(n_tasks, x.shape[1], -1)
                      for x in (tasks.support_x, tasks.query_x))
    one_hot = torch.nn.functional.one_hot(tasks.support_y, n_way).to(support.dtype)         # [T, N*K, N]
    prototypes = one_hot.mT @ support / one_hot.sum(1)[:, :, None]                          # [T, N, F]
    return -torch.cdist(query, prototypes).square()


def protonet_backward(model, tasks):
    """A gradient for `maml.fit`: cross-entropy of `protonet_logits` on the queries. Returns the loss.

    model: a `networks.ConvNet` with nn.BatchNorm2d, put into training mode. Its head is not used.
    """
    logits = protonet_logits(model.train().features, tasks)
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tasks.query_y.flatten())
    loss.backward()
    return loss.detach()


def train_protonet(network, *worlds, n_steps, rng, n_way=40, place=None, outer_lr=3e-3,
                   gradient=protonet_backward, **options):
    """Train `network` in place on n_way 1-shot tasks of `worlds`, or of as many classes as there are; returns it.

    network: as for `protonet_backward`. worlds: one or more `ImageClasses`, each as often. rng: on their device; it
    draws the tasks. place: a function (tasks, rng) that puts something in their place, such as
    `placements.in_training(augmentation)`. options: those of `maml.fit`.
    """
    def draw(rng):
        classes = one_of(worlds, rng)
        tasks = sample(classes, n_way=min(n_way, len(classes.names)), k_shot=1, q_query=3, n_tasks=1, rng=rng)
        return place(tasks, rng) if place else tasks

    trained = maml.fit(network, draw, gradient=gradient, n_steps=n_steps, rng=rng, outer_lr=outer_lr, **options)
    network.load_state_dict(trained.params)
    return network


def protonet(network, versions=1, augmentation=None, rng=None):
    """A learner: the nearest class mean in the features of a trained `networks.ConvNet`. Inductive (eval mode).

    versions: if over 1, features are means over the image and `versions - 1` augmented copies of it.
    """
    features_of = placements.mean_features(network, augmentation, versions, rng)
    return lambda tasks: protonet_logits(lambda features: features, features_of(tasks)).argmax(2)


def fine_tune(network, *, lr, steps, head_only=False):
    """A learner: a trained `networks.ConvNet` with a new head, starting at 0, follows the gradient on the support.

    network: with nn.BatchNorm2d, whose running statistics stay as they are: inductive. lr, steps: of plain gradient
    descent on the whole support. head_only: all else stays. Source: Chen et al. 2019, "A closer look at few-shot ...".
    """
    def labels(tasks):
        model = copy.deepcopy(network).eval()
        model.head = torch.nn.Linear(model.head.in_features, int(tasks.support_y.max()) + 1)
        for p in model.head.to(tasks.support_x.device).parameters():
            torch.nn.init.zeros_(p)
        if head_only:           # the features stay what they are: once is enough
            with torch.no_grad():
                support, query = (torch.stack([model.features(x) for x in part])
                                  for part in (tasks.support_x, tasks.query_x))
            model, tasks = model.head, tasks._replace(support_x=support, query_x=query)
        return maml.learner(model, dict(model.named_parameters()), inner_lr=lr, steps=steps)(tasks)
    return labels
