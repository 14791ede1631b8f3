import math

import pytest
import torch

from course_lib import augmentations, learners, networks, placements
from course_lib.runtime import rng
from stand_ins import Recorder, darker, digit_tasks


@pytest.fixture(scope="module")
def tasks():
    return digit_tasks()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return networks.ConvNet(5, width=8).eval()


def test_an_augmenter_returns_the_originals_and_then_what_it_adds(tasks):
    x, y = placements.adding(darker, 5)(tasks.support_x, tasks.support_y, rng(0))
    assert torch.equal(x[:, :12], tasks.support_x) and torch.equal(y[:, :12], tasks.support_y)
    assert x.shape == (2, 12 + 20, 1, 28, 28)
    for t in range(2):
        for c in range(4):
            mine = x[t, 12:][y[t, 12:] == c]
            originals = tasks.support_x[t, 3 * c:3 * c + 3]
            assert torch.equal(mine, originals[[0, 1, 2, 0, 1]] / 2)      # its examples in turn


def test_no_copies_change_nothing(tasks):
    x, y = placements.adding(darker, 0)(tasks.support_x, tasks.support_y, rng(0))
    assert x is tasks.support_x and y is tasks.support_y


def test_classes_of_different_sizes_get_as_many_copies_each(tasks):
    x, y = placements.adding(darker, 2)(tasks.support_x[:, 1:8], tasks.support_y[:, 1:8], rng(0))       # of 2, 3 and 2
    assert y[0, 7:].tolist() == [0, 0, 1, 1, 2, 2]
    for copy, original in zip(range(7, 13), (0, 1, 2, 3, 5, 6)):
        assert torch.equal(x[:, copy], tasks.support_x[:, 1 + original] / 2)


def test_labels_that_differ_between_tasks_or_skip_a_class_are_refused(tasks):
    for labels in (torch.stack([tasks.support_y[0], tasks.support_y[0].flip(0)]), tasks.support_y + 1):
        with pytest.raises(ValueError, match="all tasks need the same labels, and every class from 0 on"):
            placements.adding(darker, 2)(tasks.support_x, labels, rng(0))


def test_the_learner_sees_the_augmented_support_and_the_same_queries(tasks):
    seen = []
    placements.with_support(seen.append, placements.adding(darker, 2), rng(0))(tasks)
    assert seen[0].support_x.shape[1] == seen[0].support_y.shape[1] == 20
    assert seen[0].query_x is tasks.query_x and seen[0].query_y is tasks.query_y


def test_first_shots(tasks):
    seen = []
    placements.first_shots(seen.append, 2)(tasks)
    for t in range(2):
        kept = [tasks.support_x[t, 3 * c + k] for c in range(4) for k in range(2)]
        assert torch.equal(seen[0].support_x[t], torch.stack(kept))
    assert seen[0].support_y.tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]] * 2


def test_features_are_means_over_augmented_copies(tasks, network):
    means = placements.mean_features(network, darker, 3, rng(0))(tasks)
    for t in range(2):
        with torch.no_grad():
            support, query = ((network.features(x) + 2 * network.features(x / 2)) / 3
                              for x in (tasks.support_x[t], tasks.query_x[t]))
        assert torch.allclose(means.support_x[t], support, atol=1e-6)
        assert torch.allclose(means.query_x[t], query, atol=1e-6)


def test_votes_are_counted_and_the_query_breaks_ties(tasks):
    """Against counting by hand; the learner says of each query how bright it is."""
    said = torch.tensor([[[0, 3, 1, 2], [1, 3, 2, 2], [1, 0, 1, 0]], [[2, 0, 0, 3], [0, 0, 1, 3], [1, 0, 2, 1]]])
    T, V, Q = said.shape        # tasks, versions, queries
    tasks = tasks._replace(query_x=tasks.query_x[:, :Q], query_y=tasks.query_y[:, :Q])

    def learner(seen):
        assert seen.query_x.shape[:2] == seen.query_y.shape == (T, V * Q)
        assert torch.equal(seen.query_x[:, :Q], tasks.query_x)
        assert torch.equal(seen.query_x[:, Q:2 * Q], tasks.query_x / 2)
        return said.view(T, V * Q)

    assert placements.with_votes(learner, darker, V, rng(0))(tasks).tolist() == [[1, 3, 1, 2], [2, 0, 0, 3]]


def test_a_voting_query_does_not_see_other_queries(tasks, network):
    G = Recorder()
    placements.with_votes(learners.protonet(network), augmentations.generated(G), 2, rng(0))(tasks)
    assert torch.equal(G.called[2], tasks.support_x)


def test_training_augments_support_and_query(tasks):
    changed = placements.in_training(darker)(tasks, rng(0))
    assert torch.equal(changed.support_x, tasks.support_x / 2) and torch.equal(changed.query_x, tasks.query_x / 2)
    assert torch.equal(changed.query_y, tasks.query_y)


def test_weights_from_a_critic():
    logits = torch.tensor([[0.0, 300.0], [math.log(3.0), -300.0], [math.log(2.0), 299.0]])
    expected = torch.tensor([[1 / 6, 0.7311], [1 / 2, 0], [1 / 3, 0.2689]])        # p/q: 1, 3, 2 and e, 0, 1
    assert torch.allclose(placements.importance_weights(logits), expected, atol=1e-4)
    assert torch.equal(placements.keep_best(logits, 2), torch.tensor([[0, 0.5], [0.5, 0], [0.5, 0.5]]))
    stacked = logits[:, None].expand(3, 4, 2)                       # [n, T, M]
    for weigh in (placements.importance_weights, lambda x: placements.keep_best(x, 1)):
        assert torch.equal(weigh(stacked), weigh(logits)[:, None].expand(3, 4, 2))


def test_equal_logits_do_not_weigh_more_than_one_in_all():
    assert placements.keep_best(torch.zeros(5, 3), 2).sum(0).tolist() == [1, 1, 1]
