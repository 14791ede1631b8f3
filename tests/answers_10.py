"""Right and wrong answers to the exercises of notebook 09."""

import torch

from course_lib import placements

# ---------------------------------------------------------------- answers to `averaged_features`


def features_right(features, x, vary, n):
    return torch.stack([features(x)] + [features(vary(x)) for _ in range(n - 1)]).mean(0)


def features_by_sum(features, x, vary, n):
    total = features(x)
    for _ in range(n - 1):
        total = total + features(vary(x))
    return total / n


def features_of_one_batch(features, x, vary, n):
    """vary and features see all versions at once, image by image."""
    versions = torch.cat([x, vary(x.repeat_interleave(n - 1, dim=0))]) if n > 1 else x
    own, others = features(versions).split([len(x), len(x) * (n - 1)])
    return torch.cat([own[:, None], others.view(len(x), n - 1, own.shape[1])], dim=1).mean(1)


def features_by_running_mean(features, x, vary, n):
    mean = features(x)
    for i in range(2, n + 1):
        mean = mean + (features(vary(x)) - mean) / i
    return mean


def features_with(use=lambda rows: rows.mean(0), *, own=True, more=-1):
    """`use` gets features [n, B, F]; own: whether x is among the versions; more: how many variations but for n."""
    def my_averaged_features(features, x, vary, n):
        versions = ([x] if own else []) + [vary(x) for _ in range(n + more)]
        return use(torch.stack([features(v) for v in versions]))
    return my_averaged_features


def features_of_one_variation(features, x, vary, n):
    return (features(x) + (n - 1) * features(vary(x))) / n


def features_of_one_variation_stacked(features, x, vary, n):
    return torch.stack([features(x)] + [features(vary(x))] * (n - 1)).mean(0)


def features_of_mean_image(features, x, vary, n):
    return features(torch.stack([x] + [vary(x) for _ in range(n - 1)]).mean(0))


def features_chained(features, x, vary, n):
    rows, image = [features(x)], x
    for _ in range(n - 1):
        image = vary(image)
        rows.append(features(image))
    return torch.stack(rows).mean(0)


def features_half_and_half(features, x, vary, n):
    others = torch.stack([features(vary(x)) for _ in range(max(n - 1, 1))]).mean(0)
    return (features(x) + others) / 2


def features_fail_at_one(features, x, vary, n):
    return (features(x) + torch.stack([features(vary(x)) for _ in range(n - 1)]).sum(0)) / n


def features_vary_at_one(features, x, vary, n):
    total = features(x) + features(vary(x))
    for _ in range(n - 2):
        total = total + features(vary(x))
    return total / n


def features_written_into_x(features, x, vary, n):
    total = features(x)
    for _ in range(n - 1):
        x += 0.5
        total = total + features(vary(x))
    return total / n


def features_fill_x(features, x, vary, n):
    mean = features_right(features, x, vary, n)
    x.zero_()
    return mean


def features_of_stacked_images(features, x, vary, n):
    return features(torch.stack([x] + [vary(x) for _ in range(n - 1)])).mean(0)


# ---------------------------------------------------------------- answers to `critic_weights`


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


# ---------------------------------------------------------------- answers to `critic_filter`


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


def best_of_all(logits, n_kept):
    return (logits >= logits.flatten().sort(descending=True).values[n_kept - 1]).float()


def of_the_best(logits, keep, values):
    return torch.where(filter_right(logits, keep) > 0, values, 0)


RIGHT = {
    "averaged_features": [features_right, features_by_sum, features_of_one_batch, features_by_running_mean,
                          features_with()],
    "critic_weights": [weights_right, weights_less_the_highest, weights_by_log, weights_by_column,
                       placements.importance_weights],
    "critic_filter": [filter_right, filter_by_bound, filter_by_rank, filter_by_loop, placements.keep_best],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "averaged_features": [
        (features_with(more=0), "n versions in all"),
        (features_with(own=False, more=0), "surely right"),
        (features_with(own=False), "surely right"),
        (features_of_one_variation, "is one drawing. When is a new one made?"),
        (features_of_one_variation_stacked, "is one drawing. When is a new one made?"),
        (features_of_mean_image, "a blur that nobody drew"),
        (features_with(lambda rows: rows.sum(0)), "that is the sum"),
        (features_chained, "wanders off"),
        (features_half_and_half, "every version counts the same"),
        (features_with(lambda rows: rows.sum(0) / max(len(rows) - 1, 1)), "Divide their sum by that"),
        (lambda features, x, vary, n: features(x), "where does `vary` come in?"),
        (features_with(lambda rows: rows[0]), "drawn, but not used"),
        (features_fail_at_one, "no variations at all"),
        (features_vary_at_one, "one version is the image itself."),
        (features_written_into_x, "where does x change?"),
        (features_fill_x, "x changed in place"),
        (features_of_stacked_images, "makes a new dimension"),
        (features_with(lambda rows: rows), "Over which dimension goes the mean?"),
        (features_with(lambda rows: rows.mean((0, 1))), "over nothing else"),
        (features_with(lambda rows: rows.mean((0, 2))), "over nothing else"),
        (features_with(lambda rows: rows.mean(0).tolist()), "torch.tensor makes one of numbers"),
        (lambda *given: None, "does your function end with `return ...`?"),
        (features_with(lambda rows: rows.mean(0) * torch.nan), "the mean of these n rows"),
    ],
    "critic_weights": [
        (lambda logits: logits.softmax(1), "which dimension is that?"),
        (lambda logits: logits.flatten().softmax(0).view_as(logits), "over all examples together"),
        (lambda logits: logits.sigmoid() / logits.sigmoid().sum(0), "D's probability"),
        (lambda logits: logits.sigmoid(), "D's probability"),
        (lambda logits: logits, "those are the logits"),
        (lambda logits: logits / logits.sum(0), "some are negative"),
        (lambda logits: logits.log_softmax(0), "the logarithms of the weights"),
        (lambda logits: logits.exp(), "must sum to 1"),
        (lambda logits: (-logits).softmax(0), "the worst drawing would count most"),
        (lambda logits: torch.full_like(logits, 1 / len(logits)), "what has D to say?"),
        (lambda logits: (logits == logits.amax(0)).float(), "takes it all"),
        (weights_of_exp, "e^200 is infinite"),
        (weights_in_place, "logits changed in place"),
        (weights_less_the_highest_of_all, "e^200 is infinite"),
        (weights_clamped, "Is something clamped"),
        (weights_with_an_epsilon, "Is something clamped"),
        (lambda logits: logits.softmax(0).T, "rows are drawings"),
        (lambda logits: logits.softmax(0).max(0).values, "one weight for each drawing"),
        (lambda logits: (logits > 0).long(), "which part of the whole"),
        (lambda logits: logits.softmax(0).tolist(), "torch.tensor makes one of numbers"),
        (lambda logits: None, "does your function end with `return ...`?"),
        (lambda logits: (2 * logits).softmax(0), "divided by the sum of these powers"),
    ],
    "critic_filter": [
        (lambda logits, keep: filter_right(-logits, keep), "those are the worst"),
        (filter_in_place, "logits changed in place"),
        (lambda logits, keep: filter_right(logits.T, min(keep, logits.shape[1])).T, "compares examples"),
        (lambda logits, keep: keep * filter_right(logits, keep), "a mean needs weights"),
        (lambda logits, keep: keep * filter_right(logits, keep) / len(logits), "n drawings were made"),
        (lambda logits, keep: filter_right(logits, keep) / logits.shape[1], "over all examples together"),
        (lambda logits, keep: even((logits > 0).float()), "that is a threshold"),
        (lambda logits, keep: (logits > 0) / keep, "that is a threshold"),
        (lambda logits, keep: even((logits > logits.mean(0)).float()), "that is a threshold"),
        (lambda logits, keep: best_of_all(logits, keep * logits.shape[1]) / keep, "the best of all columns together"),
        (lambda logits, keep: best_of_all(logits, keep) / keep, "the best of all columns together"),
        (lambda logits, keep: (logits > logits.sort(0, descending=True).values[keep - 1]) / keep, "one too few"),
        (lambda logits, keep: (logits >= logits.sort(0, descending=True).values[keep]) / keep, "one too many"),
        (lambda logits, keep: (logits.argsort(0, descending=True) < keep) / keep, "which rank a drawing has"),
        (lambda logits, keep: (torch.arange(len(logits)) < keep)[:, None] / keep + 0 * logits, "the first rows"),
        (lambda logits, keep: logits.softmax(0), "Which get 0?"),
        (lambda logits, keep: of_the_best(logits, keep, logits), "the logits of the best"),
        (lambda logits, keep: of_the_best(logits, keep, logits.softmax(0)), "with sum 1 in each column"),
        (lambda logits, keep: logits.masked_fill(filter_right(logits, keep) == 0, -torch.inf).softmax(0),
         "how they rank no longer matters"),
        (lambda logits, keep: logits.topk(keep, dim=0).values, "0 for those that do not count"),
        (lambda logits, keep: filter_right(logits, keep) > 0, "neither a position"),
        (lambda logits, keep: None, "does your function end with `return ...`?"),
        (lambda logits, keep: filter_right(logits, keep) * 0.9, "share a weight of 1 evenly"),
        (lambda logits, keep: filter_right(logits.roll(1, 0), keep), "sort one column"),
    ],
}
