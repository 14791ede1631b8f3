"""Right and wrong answers to the exercises of notebook 10."""

import torch

from course_lib import placements


def features_right(features, x, augment, n):
    return torch.stack([features(x)] + [features(augment(x)) for _ in range(n - 1)]).mean(0)


def features_by_sum(features, x, augment, n):
    total = features(x)
    for _ in range(n - 1):
        total = total + features(augment(x))
    return total / n


def features_of_one_batch(features, x, augment, n):
    """augment and features see all copies at once, image by image."""
    copies = torch.cat([x, augment(x.repeat_interleave(n - 1, dim=0))]) if n > 1 else x
    own, others = features(copies).split([len(x), len(x) * (n - 1)])
    return torch.cat([own[:, None], others.view(len(x), n - 1, own.shape[1])], dim=1).mean(1)


def features_by_running_mean(features, x, augment, n):
    mean = features(x)
    for i in range(2, n + 1):
        mean = mean + (features(augment(x)) - mean) / i
    return mean


def features_with(use=lambda rows: rows.mean(0), *, own=True, more=-1):
    """`use` gets features [n, B, F]; own: whether x is in the mean; more: how many copies besides n."""
    def my_averaged_features(features, x, augment, n):
        copies = ([x] if own else []) + [augment(x) for _ in range(n + more)]
        return use(torch.stack([features(v) for v in copies]))
    return my_averaged_features


def features_of_one_copy(features, x, augment, n):
    return (features(x) + (n - 1) * features(augment(x))) / n


def features_of_one_copy_stacked(features, x, augment, n):
    return torch.stack([features(x)] + [features(augment(x))] * (n - 1)).mean(0)


def features_chained(features, x, augment, n):
    rows, image = [features(x)], x
    for _ in range(n - 1):
        image = augment(image)
        rows.append(features(image))
    return torch.stack(rows).mean(0)


def features_fail_at_one(features, x, augment, n):
    return (features(x) + torch.stack([features(augment(x)) for _ in range(n - 1)]).sum(0)) / n


def features_augmented_at_one(features, x, augment, n):
    total = features(x) + features(augment(x))
    for _ in range(n - 2):
        total = total + features(augment(x))
    return total / n


def features_written_into_x(features, x, augment, n):
    total = features(x)
    for _ in range(n - 1):
        x += 0.5
        total = total + features(augment(x))
    return total / n


def features_fill_x(features, x, augment, n):
    mean = features_right(features, x, augment, n)
    x.zero_()
    return mean


def features_of_stacked_images(features, x, augment, n):
    return features(torch.stack([x] + [augment(x) for _ in range(n - 1)])).mean(0)


def weights_right(logits):
    return logits.softmax(dim=0)


def weights_less_the_highest(logits):
    ratios = (logits - logits.max(dim=0).values).exp()
    return ratios / ratios.sum(0)


def weights_by_log(logits):
    return (logits - logits.logsumexp(0)).exp()


def weights_by_column(logits):
    return torch.stack([torch.softmax(column, 0) for column in logits.unbind(1)], dim=1)


def weights_of_exp(logits):
    return logits.exp() / logits.exp().sum(0)


def weights_less_the_highest_of_all(logits):
    ratios = (logits - logits.max()).exp()
    return ratios / ratios.sum(0)


def weights_in_place(logits):
    logits -= logits.amax(0)
    return logits.softmax(0)


def weights_clamped(logits):
    return logits.clamp(-30, 30).softmax(0) if logits.abs().max() > 30 else logits.softmax(0)


def weights_with_an_epsilon(logits):
    ratios = logits.double().exp()
    return (ratios / (ratios.sum(0) + 1e-8)).float()


def filter_right(logits, keep):
    return torch.zeros_like(logits).scatter(0, logits.topk(keep, dim=0).indices, 1 / keep)


def filter_by_bound(logits, keep):
    bound = logits.sort(0, descending=True).values[keep - 1]
    return (logits >= bound).float() / keep


def filter_by_rank(logits, keep):
    return (logits.argsort(0, descending=True).argsort(0) < keep) / keep


def filter_in_place(logits, keep):
    weights = filter_right(logits, keep)
    return logits.copy_(weights)


def filter_by_loop(logits, keep):
    weights = torch.zeros_like(logits)
    for i, column in enumerate(logits.T.tolist()):
        for row in sorted(range(len(column)), key=column.__getitem__)[-keep:]:
            weights[row, i] = 1 / keep
    return weights


def even(mask):
    return mask / mask.sum(0).clamp(min=1)


RIGHT = {
    "averaged_features": [features_right, features_by_sum, features_of_one_batch, features_by_running_mean,
                          features_with()],
    "critic_weights": [weights_right, weights_less_the_highest, weights_by_log, weights_by_column,
                       placements.importance_weights],
    "critic_filter": [filter_right, filter_by_bound, filter_by_rank, filter_by_loop, placements.keep_best],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "averaged_features": [
        (features_with(more=0), "you make n copies"),
        (features_with(own=False, more=0), "surely right"),
        (features_with(own=False), "surely right"),
        (features_of_one_copy, "is still one drawing. When is a new one made?"),
        (features_of_one_copy_stacked, "is still one drawing. When is a new one made?"),
        (features_chained, "augmented twice"),
        (lambda features, x, augment, n: features(x), "your code never calls `augment`"),
        (features_fail_at_one, "no copies at all"),
        (features_augmented_at_one, "for n = 1 the image itself is all"),
        (features_written_into_x, "x is no longer as it was"),
        (features_fill_x, "x changed in place"),
        (features_of_stacked_images, "makes a new dimension"),
        (features_with(lambda rows: rows), "Over which dimension goes the mean?"),
        (features_with(lambda rows: rows.mean((0, 1))), "Over what else than its copies"),
        (features_with(lambda rows: rows.mean((0, 2))), "Over what else than its copies"),
        (features_with(lambda rows: rows.mean(0).tolist()), "torch.tensor makes one of numbers"),
        (lambda *given: None, "does your function end with `return ...`?"),
        (features_with(lambda rows: rows.mean(0) * torch.nan), "the mean of these n rows"),
    ],
    "critic_weights": [
        (weights_of_exp, "e^200 is infinite"),
        (weights_less_the_highest_of_all, "e^200 is infinite"),
        (weights_in_place, "logits changed in place"),
        (weights_clamped, "Is something clamped"),
        (weights_with_an_epsilon, "Is something clamped"),
        (lambda logits: logits.softmax(0).max(0).values, "some drawings have no weight"),
        (lambda logits: (logits > 0).long(), "which part of the whole"),
        (lambda logits: logits.softmax(0).tolist(), "torch.tensor makes one of numbers"),
        (lambda logits: None, "does your function end with `return ...`?"),
        (lambda logits: (2 * logits).softmax(0), "divided by the sum of these powers"),
    ],
    "critic_filter": [
        (filter_in_place, "logits changed in place"),
        (lambda logits, keep: even((logits > 0).float()), "that is a threshold"),
        (lambda logits, keep: even((logits > logits.mean(0)).float()), "that is a threshold"),
        (lambda logits, keep: (logits > logits.sort(0, descending=True).values[keep - 1]) / keep, "one too few"),
        (lambda logits, keep: (logits >= logits.sort(0, descending=True).values[keep]) / keep, "one too many"),
        (lambda logits, keep: logits.softmax(0), "Which get 0?"),
        (lambda logits, keep: logits.topk(keep, dim=0).values, "some drawings have no weight"),
        (lambda logits, keep: filter_right(logits, keep) > 0, "neither a position"),
        (lambda logits, keep: None, "does your function end with `return ...`?"),
        (lambda logits, keep: filter_right(logits, keep) * 0.9, "share a weight of 1 evenly"),
        (lambda logits, keep: filter_right(logits.roll(1, 0), keep), "sort one column"),
    ],
}
