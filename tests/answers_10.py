"""Right and wrong answers to the exercises of notebook 10."""

import torch

from course_lib import placements, statistics


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


def features_of_a_repeat(features, x, augment, n):
    """One batch of all copies, image after image within each round, read as if it were round after round."""
    if n == 1:
        return features(x)
    copies = features(augment(x.repeat(n - 1, 1, 1, 1))).view(len(x), n - 1, -1)
    return torch.cat([features(x)[:, None], copies], dim=1).mean(1)


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


def filter_by_bound_evenly(logits, keep):
    return even((logits >= logits.topk(keep, dim=0).values[-1]).float())


def filter_by_loop_over_values(logits, keep):
    best = [sorted(column)[-keep:] for column in logits.T.tolist()]
    return torch.tensor([[x in kept for x, kept in zip(row, best)] for row in logits.tolist()]) / keep


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


def placement_both_sides(tasks, see, draw):
    return tuple(torch.stack([see(x)] + [see(draw(x)) for _ in range(3)]).mean(0)
                 for x in (tasks.support_x, tasks.query_x))


def placement_of_the_support(tasks, see, draw):
    return (see(tasks.support_x) + see(draw(tasks.support_x))) / 2, see(tasks.query_x)


def placement_of_images(tasks, see, draw):
    """Nobody drew the mean image, but that is for the trial to say."""
    return see((tasks.support_x + draw(tasks.support_x)) / 2), see(draw(draw(tasks.query_x)))


def placement_that_centres(tasks, see, draw):
    """Inductive: the middle is that of the support of each task."""
    middle = see(draw(tasks.support_x)).mean(1, keepdim=True)
    return see(tasks.support_x) - middle, see(tasks.query_x) - middle


def placement_with(support=lambda f: f, query=lambda f: f, prepare=lambda tasks: None):
    def my_placement(tasks, see, draw):
        prepare(tasks)
        found = placement_both_sides(tasks, see, draw)
        return support(found[0]), query(found[1])
    return my_placement


def placement_drawn_and_dropped(tasks, see, draw):
    draw(tasks.support_x)
    return see(tasks.support_x), see(tasks.query_x)


def placement_by_labels(tasks, see, draw):
    support, query = placement_both_sides(tasks, see, draw)
    return support, (query + support.gather(1, tasks.query_y[..., None].expand_as(query))) / 2


def trial_with(difference=lambda mine, baseline: mine - baseline, *, runs=lambda arm, tasks: arm(tasks), before=True,
               interval=lambda d: (d.mean() - 1.96 * d.std() / len(d) ** 0.5,
                                   d.mean() + 1.96 * d.std() / len(d) ** 0.5),
               decide=lambda low, high, prediction: "less error" if high < 0 else "more error" if low > 0
               else "no difference found", finish=lambda *found: found):
    """`trial` with one mistake, or none."""
    def my_trial(prediction, mine, baseline, tasks):
        if before and prediction not in ("less error", "more error", "no difference found"):
            raise ValueError("write down a prediction first")
        errors = runs(mine, tasks), runs(baseline, tasks)
        low, high = interval(difference(*errors))
        return finish(low, high, decide(low, high, prediction))
    return my_trial


def trial_of_library(prediction, mine, baseline, tasks):
    if prediction not in ["no difference found", "less error", "more error"]:
        raise ValueError(prediction)
    middle, half = statistics.mean_interval(statistics.paired_difference(mine(tasks), baseline(tasks)))
    verdict = "no difference found" if abs(middle) <= half else "less error" if middle < 0 else "more error"
    return middle - half, middle + half, verdict


def trial_unpaired(prediction, mine, baseline, tasks):
    spread = {}

    def watched(name, arm):
        def errors(tasks):
            spread[name] = arm(tasks)
            return spread[name]
        return errors

    def interval(d):
        half = 1.96 * ((spread["mine"].var() + spread["baseline"].var()) / len(d)) ** 0.5
        return d.mean() - half, d.mean() + half
    return trial_with(interval=interval)(prediction, watched("mine", mine), watched("baseline", baseline), tasks)


def trial_asks_late(prediction, mine, baseline, tasks):
    found = trial_with(before=False)(prediction, mine, baseline, tasks)
    if not prediction or prediction == "maybe":
        raise ValueError("write down a prediction")
    return found


def trial_until_it_fits(prediction, mine, baseline, tasks):
    found = trial_with()(prediction, mine, baseline, tasks)
    return found if found[2] == prediction else trial_with()(prediction, mine, baseline, tasks)


def trial_on_other_tasks(prediction, mine, baseline, tasks):
    return trial_with()(prediction, mine, lambda tasks: baseline(tasks.flip(0)), tasks)


RIGHT = {
    "averaged_features": [features_right, features_by_sum, features_of_one_batch, features_by_running_mean,
                          features_with()],
    "critic_weights": [weights_right, weights_less_the_highest, weights_by_log, weights_by_column,
                       placements.importance_weights],
    "critic_filter": [filter_right, filter_by_rank, filter_by_loop, placements.keep_best],
    "placement": [placement_both_sides, placement_of_the_support, placement_of_images, placement_that_centres],
    "trial": [trial_with(), trial_of_library],
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
        (features_of_a_repeat, "mixes copies of different images"),
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
        (filter_by_bound, "logits are equal"),
        (filter_by_bound_evenly, "logits are equal"),
        (filter_by_loop_over_values, "logits are equal"),
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
    "placement": [
        (placement_with(query=lambda f: f - f.mean(1, keepdim=True)), "because that is transductive"),
        (placement_with(query=lambda f: (f - f.mean((0, 1))) / f.std((0, 1))), "because that is transductive"),
        (placement_by_labels, "query_y is what the learner is to find out"),
        (placement_with(support=lambda f: f - f.mean(0)), "treated by itself"),
        (lambda tasks, see, draw: (see(tasks.support_x), see(tasks.query_x)), "no drawing of G enters"),
        (lambda tasks, see, draw: (draw(tasks.support_x), draw(tasks.query_x)), "those are images"),
        (lambda tasks, see, draw: see(draw(tasks.support_x)), "return just these"),
        (lambda tasks, see, draw: (see(draw(tasks.support_x[0])), see(tasks.query_x)), "What do you give to `draw`?"),
        (lambda tasks, see, draw: (see(torch.cat([tasks.support_x, draw(tasks.support_x)], 1)), see(tasks.query_x)),
         "What becomes of several copies?"),
        (placement_with(support=lambda f: f * 0), "every example gets the same features"),
        (placement_with(query=lambda f: f * 0 + 1), "every query gets the same features"),
        (placement_with(support=lambda f: f / 0), "what is divided by what?"),
        (placement_with(prepare=lambda tasks: tasks.query_x.mul_(0.9)), "query_x changed in place"),
        (placement_drawn_and_dropped, "the drawings of G do not change the features"),
        (lambda tasks, see, draw: None, "does your function end with `return ...`?"),
    ],
    "trial": [
        (trial_with(before=False), "nobody can be surprised"),
        (trial_asks_late, "asked for after the run is none"),
        (trial_until_it_fits, "each arm runs once"),
        (trial_on_other_tasks, "only if both see the same tasks"),
        (trial_with(runs=lambda arm, tasks: arm(tasks[:40])), "all tasks belong to the trial"),
        (trial_with(lambda mine, baseline: baseline - mine), "the sign is turned"),
        (trial_with(interval=lambda d: (d.mean() - d.std(), d.mean() + d.std())), "mean and 1.96 standard errors"),
        (trial_with(interval=lambda d: (d.mean() - 1.96 * d.std(), d.mean() + 1.96 * d.std())), "single tasks scatter"),
        (trial_with(interval=lambda d: (d.mean() - d.std() / 60 ** 0.5, d.mean() + d.std() / 60 ** 0.5)),
         "that is one standard error"),
        (trial_with(interval=lambda d: (d.mean() - 1.96 * d.std() / 60, d.mean() + 1.96 * d.std() / 60)),
         "you divide by n"),
        (trial_with(interval=statistics.mean_interval), "the mean and half the interval"),
        (trial_with(interval=lambda d: (d.min(), d.max())), "extremes of single tasks"),
        (trial_with(lambda mine, baseline: mine), "the interval of one arm"),
        (lambda prediction, mine, baseline, tasks: (lambda low, high, verdict: (high, low, verdict))(
            *trial_with()(prediction, mine, baseline, tasks)), "have changed places"),
        (trial_unpaired, "tasks of its own"),
        (trial_with(decide=lambda low, high, prediction: prediction), "your prediction again"),
        (trial_with(decide=lambda low, high, prediction: "less error" if low + high < 0 else "more error"),
         "reaches across 0"),
        (trial_with(decide=lambda low, high, prediction: "more error" if high < 0 else "less error" if low > 0
                    else "no difference found"), "Which side means less error?"),
        (trial_with(decide=lambda low, high, prediction: high < 0), "what may the interval say?"),
        (trial_with(finish=lambda low, high, verdict: verdict), "result(s): low, high, verdict"),
        (lambda prediction, mine, baseline, tasks: None, "a ValueError for the prediction"),
    ],
}
