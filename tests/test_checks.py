"""Every check accepts right answers and rejects plausible wrong ones, each with its own fitting message."""

import inspect
import re

import pytest
import torch

from course_lib import checks

# ---------------------------------------------------------------- answers to `nearest_neighbour`


def nn_right(support_x, support_y, query_x):
    return support_y[torch.cdist(query_x, support_x).argmin(1)]


def nn_positions(support_x, support_y, query_x):
    return torch.cdist(query_x, support_x).argmin(1)


def nn_wrong_dimension(support_x, support_y, query_x):
    return support_y[torch.cdist(query_x, support_x).argmin(0)]


def nn_farthest(support_x, support_y, query_x):
    return support_y[torch.cdist(query_x, support_x).argmax(1)]


def nn_distances(support_x, support_y, query_x):
    return torch.cdist(query_x, support_x).min(1).values


def nn_first_only(support_x, support_y, query_x):
    return support_y[:1].expand(len(query_x))


# ---------------------------------------------------------------- answers to `episode_sampler`


def sampler(*, classes="distinct", drawings="distinct", labels="local", order="same", chance="given", shape="right"):
    """A sampler with one mistake, or none."""
    def my_sampler(images, n_way, k_shot, q_query, generator):
        g = generator if chance == "given" else None
        n_classes, n_drawings = images.shape[:2]
        chosen = torch.randperm(n_classes, generator=g)[:n_way]
        if classes == "put back":
            chosen = torch.randint(n_classes, (n_way,), generator=g)
        if classes == "always the first":
            chosen = torch.arange(n_way)
        parts = {"support": [], "query": []}
        for c in chosen:
            taken = torch.randperm(n_drawings, generator=g)
            if drawings == "put back":
                taken = torch.randint(n_drawings, (k_shot + q_query,), generator=g)
            if drawings == "in order":
                taken = torch.arange(n_drawings)
            parts["support"].append(images[c, taken[:k_shot]])
            again = torch.randperm(n_drawings, generator=g) if drawings == "drawn anew" else taken[k_shot:]
            parts["query"].append(images[c, again[:q_query]])
        names = chosen if labels == "global" else torch.arange(n_way)
        support_y, query_y = names.repeat_interleave(k_shot), names.repeat_interleave(q_query)
        if order == "mixed":
            support_y, query_y = names.repeat(k_shot), names.repeat(q_query)
        if order == "queries reversed":
            query_y = query_y.flip(0)
        joined = torch.stack if shape == "nested" else torch.cat
        return joined(parts["support"]), support_y, joined(parts["query"]), query_y
    return my_sampler


def sampler_in_floats(images, n_way, k_shot, q_query, generator):
    support_x, support_y, query_x, query_y = sampler()(images, n_way, k_shot, q_query, generator)
    return support_x / 255, support_y, query_x / 255, query_y


# ---------------------------------------------------------------- answers to `interval`


def interval_right(a):
    return a.mean(), 1.96 * a.std() / len(a) ** 0.5


def interval_of(half):
    return lambda a: (a.mean(), half(a))


RIGHT = {
    "nearest_neighbour": [nn_right, lambda s, y, q: [int(y[((s - x) ** 2).sum(1).argmin()]) for x in q]],
    "episode_sampler": [sampler(), sampler_in_floats],
    "interval": [interval_right, interval_of(lambda a: 2 * a.std() / len(a) ** 0.5),
                 interval_of(lambda a: 1.96 * a.std(correction=0).item() / len(a) ** 0.5)],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "nearest_neighbour": [
        (nn_positions, "those are positions in the support set"),
        (nn_wrong_dimension, "which dimension of the distance table"),
        (nn_farthest, "small distance, same label"),
        (nn_distances, "return labels, not distances"),
        (nn_first_only, "compare every query with every support image"),
    ],
    "episode_sampler": [
        (sampler(classes="put back"), "Was a class drawn, put back, and drawn again"),
        (sampler(drawings="drawn anew"), "a query that is its own support"),
        (sampler(drawings="put back"), "drawing"),
        (sampler(labels="global"), "not those of the dataset"),
        (sampler(order="mixed"), "are images and labels in the same order?"),
        (sampler(order="queries reversed"), "where the support says"),
        (sampler(chance="global"), "pass `generator` to every call that draws"),
        (sampler(shape="nested"), "flatten the first two dimensions"),
        (sampler(classes="always the first"), "which classes can your code never reach"),
        (sampler(drawings="in order"), "are the drawings shuffled"),
    ],
    "interval": [
        (interval_of(lambda a: 1.96 * a.std()), "that is how far single values scatter"),
        (interval_of(lambda a: a.std() / len(a) ** 0.5), "that is one standard error"),
        (interval_of(lambda a: 2 * 1.96 * a.std() / len(a) ** 0.5), "that is the whole width"),
        (interval_of(lambda a: 1.96 * a.std() / len(a)), "square root of n"),
        (lambda a: (a.median(), 1.96 * a.std() / len(a) ** 0.5), "the first number is the plain average"),
    ],
}
NAMES = [name for name, function in inspect.getmembers(checks, inspect.isfunction)
         if function.__module__ == checks.__name__ and not name.startswith("_")]


def stub(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("name", NAMES)
def test_every_check_has_right_and_at_least_three_wrong_answers(name):
    assert RIGHT[name] and len(WRONG[name]) >= 3
    assert len({words for _, words in WRONG[name]}) == len(WRONG[name]), "each mistake has its own message"


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_print_one_friendly_line(name, capsys):
    for answer in RIGHT[name]:
        getattr(checks, name)(answer)
        assert re.fullmatch(r"✓ .+\n", capsys.readouterr().out)


@pytest.mark.parametrize("name", NAMES)
def test_the_stub_stays_not_implemented(name):
    with pytest.raises(NotImplementedError):
        getattr(checks, name)(stub)


@pytest.mark.parametrize("name, number", [(name, i) for name in WRONG for i in range(len(WRONG[name]))])
def test_wrong_answers_are_rejected_with_a_fitting_message(name, number, capsys):
    answer, words = WRONG[name][number]
    with pytest.raises(checks.NotYet) as error:
        getattr(checks, name)(answer)
    message = str(error.value)
    assert words in message
    assert re.search(r"expected .+; got .+ Hint: ", message, re.DOTALL) and "\n" not in message
    assert capsys.readouterr().out == ""
