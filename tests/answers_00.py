"""Right and wrong answers to the exercises of notebook 00."""

import math

import torch


def nn_right(support_x, support_y, query_x):
    return support_y[torch.cdist(query_x, support_x).argmin(1)]


def nn_wrong_dimension(support_x, support_y, query_x):
    return support_y[torch.cdist(query_x, support_x).argmin(0)]


def nn_farthest(support_x, support_y, query_x):
    return support_y[torch.cdist(query_x, support_x).argmax(1)]


def nn_distances(support_x, support_y, query_x):
    return torch.cdist(query_x, support_x).min(1).values


def nn_first_only(support_x, support_y, query_x):
    return support_y[:1].expand(len(query_x))


def nn_column(support_x, support_y, query_x):
    return nn_right(support_x, support_y, query_x)[:, None]


def nn_in_floats(support_x, support_y, query_x):
    return nn_right(support_x, support_y, query_x).float()


def nn_in_place(support_x, support_y, query_x):
    query_x -= query_x.mean()
    return nn_right(support_x, support_y, query_x)


def nn_class_means(support_x, support_y, query_x):
    means = torch.stack([support_x[support_y == c].mean(0) for c in range(3)])
    return torch.cdist(query_x, means).argmin(1)


def nn_vote_of_three(support_x, support_y, query_x):
    nearest = torch.cdist(query_x, support_x).topk(3, largest=False).indices
    return support_y[nearest].mode(1).values


def nn_angles(support_x, support_y, query_x):
    return support_y[torch.nn.functional.cosine_similarity(query_x[:, None], support_x[None], dim=2).argmax(1)]


def nn_city_block(support_x, support_y, query_x):
    return support_y[torch.cdist(query_x, support_x, p=1).argmin(1)]


def sampler(*, classes="distinct", drawings="distinct", labels="local", order="same", chance="given", shape="right"):
    """A sampler with one mistake, or none."""
    def my_sampler(images, n_way, k_shot, q_query, rng):
        if chance == "global, seeded":
            torch.manual_seed(rng.initial_seed())
        g = {"given": rng, "own": torch.Generator().manual_seed(0), "anew": torch.Generator().manual_seed(
            rng.initial_seed())}.get(chance)
        n_classes, n_drawings = images.shape[:2]
        chosen = torch.randperm(n_classes, generator=g)[:n_way]
        if classes == "put back":
            chosen = torch.randint(n_classes, (n_way,), generator=g)
        if classes == "sorted":
            chosen = chosen.sort().values
        if classes == "consecutive":
            chosen = torch.randint(n_classes - n_way + 1, (), generator=g) + torch.arange(n_way)
        if classes == "around the end":
            chosen = (torch.randint(n_classes, (), generator=g) + torch.randperm(n_way, generator=g)) % n_classes
        if classes == "always the first":
            chosen = torch.arange(n_way)
        parts = {"support": [], "query": []}
        for c in chosen:
            taken = torch.randperm(n_drawings, generator=g)
            if drawings == "put back":
                taken = torch.randint(n_drawings, (k_shot + q_query,), generator=g)
            if drawings == "sorted":
                taken = taken[:k_shot + q_query].sort().values
            if drawings == "in order":
                taken = torch.arange(n_drawings)
            parts["support"].append(images[c, taken[:k_shot]])
            again = torch.randperm(n_drawings, generator=g) if drawings == "drawn anew" else taken[k_shot:]
            parts["query"].append(images[c, again if drawings == "all the rest" else again[:q_query]])
        names = chosen if labels == "global" else torch.arange(n_way)
        support_y, query_y = names.repeat_interleave(k_shot), names.repeat_interleave(q_query)
        if order == "mixed":
            support_y, query_y = names.repeat(k_shot), names.repeat(q_query)
        if order == "queries reversed":
            query_y = query_y.flip(0)
        kind = {"floats": torch.float32, "int32": torch.int32}.get(labels, torch.int64)
        support_y, query_y = support_y.to(kind), query_y.to(kind)
        if shape == "lists":
            return parts["support"], support_y, parts["query"], query_y
        joined = torch.stack if shape == "nested" else torch.cat
        return joined(parts["support"]), support_y, joined(parts["query"]), query_y
    return my_sampler


def sampler_of_uneven_shots(images, n_way, k_shot, q_query, rng):
    """The last class gives one query less, the first one more: the totals are right."""
    parts = {"support": [], "query": []}
    amounts = [q_query + 1] + [q_query] * (n_way - 2) + [q_query - 1]
    for c, amount in zip(torch.randperm(len(images), generator=rng), amounts):
        taken = torch.randperm(images.shape[1], generator=rng)
        parts["support"].append(images[c, taken[:k_shot]])
        parts["query"].append(images[c, taken[k_shot:k_shot + amount]])
    return (torch.cat(parts["support"]), torch.arange(n_way).repeat_interleave(k_shot),
            torch.cat(parts["query"]), torch.arange(n_way).repeat_interleave(torch.tensor(amounts)))


def sampler_of_shared_drawings(images, n_way, k_shot, q_query, rng):
    """One permutation of the drawings for all classes: where drawing d is a person, a task shows few hands."""
    classes = torch.randperm(len(images), generator=rng)[:n_way]
    drawings = torch.randperm(images.shape[1], generator=rng)[:k_shot + q_query]
    support_x, query_x = (images[classes][:, taken].flatten(0, 1) for taken in drawings.split([k_shot, q_query]))
    return (support_x, torch.arange(n_way).repeat_interleave(k_shot),
            query_x, torch.arange(n_way).repeat_interleave(q_query))


def sampler_that_shuffles_in_place(images, n_way, k_shot, q_query, rng):
    images[:] = images[torch.randperm(len(images), generator=rng)]
    return sampler()(images, n_way, k_shot, q_query, rng)


def sampler_of_fixed_sizes(images, n_way, k_shot, q_query, rng):
    return sampler()(images, 4, 2, 3, rng)


def sampler_in_floats(images, n_way, k_shot, q_query, rng):
    support_x, support_y, query_x, query_y = sampler()(images, n_way, k_shot, q_query, rng)
    return support_x / 255, support_y, query_x / 255, query_y


def interval_right(a):
    return a.mean(), 1.96 * a.std() / len(a) ** 0.5


def interval_of(half):
    return lambda a: (a.mean(), half(a))


RIGHT = {
    "nearest_neighbour": [nn_right, lambda s, y, q: [int(y[((s - x) ** 2).sum(1).argmin()]) for x in q]],
    "episode_sampler": [sampler()],
    "interval": [interval_right, interval_of(lambda a: 2 * a.std() / len(a) ** 0.5),
                 interval_of(lambda a: 1.96 * a.std(correction=0).item() / len(a) ** 0.5),
                 interval_of(lambda a: 1.96 * a.numpy().std() / len(a) ** 0.5),
                 lambda a: torch.stack(interval_right(a)), lambda a: torch.stack(interval_right(a)).numpy()],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "nearest_neighbour": [
        (nn_wrong_dimension, "which dimension of the distance table"),
        (nn_distances, "return labels, not distances"),
        (nn_column, "no further dimension"),
        (nn_in_floats, "whole numbers (int64)"),
        (nn_in_place, "query_x changed in place"),
        (lambda s, y, q: None, "does your function end with `return ...`?"),
        (lambda s, y, q: torch.cdist(q, s).min(1), "return just these, in this order"),
        *((wrong, "at the smallest Euclidean distance decides, alone") for wrong in (
            nn_farthest, nn_first_only, nn_class_means, nn_vote_of_three, nn_angles, nn_city_block)),
    ],
    "episode_sampler": [
        (sampler(classes="put back"), "Was a class sampled, put back, and sampled again"),
        (sampler(drawings="drawn anew"), "does the choice of the queries know what the support took"),
        (sampler(drawings="put back"), "Were drawings put back and sampled again"),
        (sampler(drawings="all the rest"), "query_x of shape [12, 1, 4, 4]"),
        (sampler_of_uneven_shots, "every class gets K drawings to learn from"),
        (sampler_of_shared_drawings, "the hands of K + Q people"),
        (sampler_that_shuffles_in_place, "images changed in place"),
        (sampler_of_fixed_sizes, "support_x of shape [3, 1, 4, 4]"),
        (sampler(labels="floats"), "in whole numbers (int64)"),
        (sampler(shape="lists"), "torch.cat and torch.stack make one tensor of many"),
        (sampler(chance="own"), "does it make or seed one of its own"),
        (lambda *a: None, "does your function end with `return ...`?"),
        (lambda *a: sampler()(*a)[:3], "4 result(s): support_x, support_y, query_x, query_y; got tuple of 3"),
        (sampler(labels="global"), "not those of the dataset"),
        (sampler(order="mixed"), "are images and labels in the same order?"),
        (sampler(order="queries reversed"), "go through the classes in the same order"),
        (sampler(chance="global"), "pass `generator=rng` to every call that samples"),
        (sampler(shape="nested"), "flatten the first two dimensions"),
        (sampler(classes="always the first"), "which classes can your code never reach"),
        (sampler(classes="sorted"), "are the classes sorted somewhere"),
        (sampler(classes="consecutive"), "are the classes sorted somewhere"),
        (sampler(classes="around the end"), "is each class chosen by itself"),
        (sampler(drawings="sorted"), "sorted before they are dealt"),
        (sampler(labels="int32"), "cross_entropy takes them as int64 alone"),
        (sampler_in_floats, "the sampler chooses images and does not convert them"),
        (sampler(chance="global, seeded"), "the generator that everyone shares"),
        (sampler(chance="anew"), "goes on from where it was"),
        (sampler(drawings="in order"), "are the drawings shuffled"),
    ],
    "interval": [
        (lambda a: interval_right(a.sub_(0.1)), "accuracies changed in place"),
        (lambda a: torch.stack([a.mean(), a.std(), a.std()]), "2 result(s)"),
        (interval_of(lambda a: 1.96 * a.std() / 200 ** 0.5), "how much less does a mean of n"),
        (interval_of(lambda a: math.nan), "what is divided by what"),
        (interval_of(lambda a: "0.1"), "as one number; got str"),
        (lambda a: (interval_right(a)[0] - interval_right(a)[1], sum(interval_right(a))), "these are the two ends"),
        (lambda a: a.mean(), "2 result(s): mean, half-width"),
        (lambda a: (a.median(), 1.96 * a.std() / len(a) ** 0.5), "the first number is the plain average"),
    ],
}
