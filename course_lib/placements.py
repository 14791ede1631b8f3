"""Where augmented copies enter: the support, the queries, the features, training; and what each copy weighs.

An augmenter is a function (support_x [T, N*K, 1, H, W], support_y [T, N*K], rng) that returns (x, y), originals first.
"""

import torch


def adding(augmentation, n_extra):
    """An augmenter that adds `n_extra` augmented copies to each class, of its examples in turn; 0 adds none.

    Classes may have different numbers of examples, but all tasks must have the same labels; else ValueError.
    """
    def augmenter(support_x, support_y, rng):
        labels = support_y[0]
        examples = [(labels == c).nonzero()[:, 0] for c in range(int(labels.max()) + 1)]
        if (support_y != labels).any() or not all(map(len, examples)):
            raise ValueError("all tasks need the same labels, and every class from 0 on an example; got "
                             f"{support_y.tolist()}. Sort the support by class, and number the classes from 0.")
        if not n_extra:
            return support_x, support_y
        turns = torch.arange(n_extra, device=support_x.device)
        rows = torch.cat([places[turns % len(places)] for places in examples])                  # [N * n_extra]
        extra = augmentation(support_x[:, rows], rng, support_x)
        return torch.cat([support_x, extra], dim=1), torch.cat([support_y, support_y[:, rows]], dim=1)
    return augmenter


def with_support(learner, augmenter, rng):
    """The learner, with `augmenter` at work on the support before it adapts."""
    def labels(tasks):
        x, y = augmenter(tasks.support_x, tasks.support_y, rng)
        return learner(tasks._replace(support_x=x, support_y=y))
    return labels


def with_votes(learner, augmentation, versions, rng):
    """The learner with test-time augmentation: each query and `versions - 1` copies of it vote for its label.

    Of labels with as many votes, the query's own wins, then the least. Inductive, if the learner is.
    """
    def labels(tasks):
        x, task = tasks.query_x, tasks.support_x
        copies = [x] + [augmentation(x, rng, task) for _ in range(versions - 1)]
        found = learner(tasks._replace(query_x=torch.cat(copies, dim=1), query_y=tasks.query_y.repeat(1, versions)))
        votes = torch.nn.functional.one_hot(found.view(len(x), versions, -1)).double()          # [T, V, N*Q, N]
        return (votes.sum(1) + 0.5 * votes[:, 0]).argmax(2)
    return labels


def first_shots(learner, k_shot):
    """The learner, given only the first `k_shot` support images of each class: paired with one that gets more."""
    def labels(tasks):
        n_way, x = int(tasks.support_y.max()) + 1, tasks.support_x
        kept = x.view(len(x), n_way, -1, *x.shape[2:])[:, :, :k_shot]               # [T, N, K, 1, H, W]
        y = torch.arange(n_way, device=x.device).repeat_interleave(kept.shape[2]).expand(len(x), -1)
        return learner(tasks._replace(support_x=kept.flatten(1, 2), support_y=y))
    return labels


def mean_features(network, augmentation=None, versions=1, rng=None):
    """A function of `Episodes` that puts mean features [T, M, F] in place of images, of support and query alike.

    The mean is over each image and `versions - 1` augmented copies, in a trained `networks.ConvNet`. Inductive.
    """
    @torch.no_grad()
    def features(x, task):
        copies = [x] + [augmentation(x, rng, task) for _ in range(versions - 1)]
        return sum(network.eval().features(copy.flatten(0, 1)) for copy in copies).view(*x.shape[:2], -1) / versions

    def features_of(tasks):
        task = tasks.support_x
        return tasks._replace(support_x=features(task, task), query_x=features(tasks.query_x, task))
    return features_of


def in_training(augmentation):
    """A function (`Episodes`, rng) that puts an augmented copy in place of every image, for training."""
    def augmented(tasks, rng):
        return tasks._replace(support_x=augmentation(tasks.support_x, rng),
                              query_x=augmentation(tasks.query_x, rng, tasks.support_x))
    return augmented


def importance_weights(logits):
    """D's logits [n, ...] to weights [n, ...], e^logit divided by its sum over n. For the best D, e^logit is p/q."""
    return logits.softmax(0)


def keep_best(logits, keep):
    """Weights [n, ...] again: 1 / keep for the `keep` highest of the logits [n, ...] along n, 0 for the others."""
    return torch.zeros_like(logits).scatter(0, logits.topk(keep, dim=0).indices, 1 / keep)
