import math

import pytest
import torch

from course_lib import augmentations, datasets, learners, networks, pairs, placements, runtime
from course_lib.datasets import digits
from course_lib import augmentations, datasets, learners, networks, pairs, placements, runtime
from course_lib.datasets import digits


@pytest.fixture(scope="module")
def episodes():
    """Two tasks, 4-way 3-shot with 2 queries, of real digits."""
    return sampling.sample(datasets.load("digits"), n_way=4, k_shot=3, q_query=2, n_tasks=2, rng=runtime.rng(0))


def gen(seed=0):
    return runtime.rng(seed)


def darker(x, rng, task=None):
    """A variation that a test can recognise: half the ink."""
    return x / 2


# ---------------------------------------------------------------- variations


def alone(**strength):
    """Only one of the classical variations, at the given strength."""
    return augmentations.classical(augmentations.Strength(*[0.0] * 6)._replace(**strength))


def dot(row, column):
    x = torch.zeros(1, 400, 1, 28, 28)
    x[..., row, column] = 1
    return x


def place(x):
    """The centre of ink, in pixels right of and below the middle: [B], [B]."""
    x = x.flatten(0, 2)
    middle = torch.arange(28) - 13.5
    return (x.sum(1) * middle).sum(1) / x.sum((1, 2)), (x.sum(2) * middle).sum(1) / x.sum((1, 2))


def test_no_strength_changes_nothing(tasks):
    x = tasks.support_x
    assert torch.allclose(augmentations.classical(augmentations.Strength().times(0))(x, gen()), x, atol=1e-5)


def test_each_strength_is_in_its_unit():
    right, down = place(alone(shift=1.5)(dot(13, 13), gen()))
    assert right.std() == pytest.approx(1.5, rel=0.12) and down.std() == pytest.approx(1.5, rel=0.12)
    right, down = place(alone(rotation=10.0)(dot(13, 22), gen()))     # 8.5 pixels right of the middle, 0.5 above
    angle = torch.atan2(down, right).rad2deg()
    assert angle.std() == pytest.approx(10, rel=0.15)
    assert (right ** 2 + down ** 2).sqrt().std() < 0.15             # on a circle around the middle
    right, down = place(alone(scale=0.1)(dot(13, 22), gen()))
    assert (right / 8.5).log().std() == pytest.approx(0.1, rel=0.15) and down.std() < 0.1
    right, down = place(alone(shear=0.2)(dot(22, 13), gen()))       # the lower a place, the further it moves sideways
    assert (right / 8.5).std() == pytest.approx(0.2, rel=0.15) and down.std() < 0.15


def test_bends_move_different_places_differently():
    bend = alone(bend=1.0)
    one, other = place(bend(dot(5, 5), gen(1)))[0], place(bend(dot(22, 22), gen(1)))[0]
    near = place(bend(dot(5, 6), gen(1)))[0]
    assert 0.5 < one.std() < 1.3
    assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 0.3
    assert torch.corrcoef(torch.stack([one, near]))[0, 1] > 0.8


def test_the_pen_makes_strokes_thicker_and_thinner(tasks):
    x = torch.zeros(1, 200, 1, 28, 28)
    x[..., 8:20, 12:15] = 1
    ink = alone(pen=0.5)(x, gen()).sum((2, 3, 4)) / x.sum((2, 3, 4))
    assert ink.min() < 0.5 and ink.max() > 1.4 and ink.median() == pytest.approx(1, abs=0.2)


def test_variations_follow_their_generator(tasks):
    augmentation = augmentations.classical()
    a, b, c = (augmentation(tasks.support_x, gen(seed)) for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.allclose(a, c)
    assert a.shape == tasks.support_x.shape and a.min() >= 0 and a.max() <= 1
    assert not torch.allclose(a[0, 0], augmentation(tasks.support_x[:, :1].expand(-1, 12, -1, -1, -1), gen())[0, 1])


class Recorder(torch.nn.Module):
    """A generator that keeps what it was called with and draws its example upside down."""

    z_dim = 3

    def forward(self, z, x, task):
        self.called = z, x, task, self.training
        return x[:, 0].flip(-2)


def test_a_generator_gets_noise_one_example_and_the_task(tasks):
    G, x = Recorder(), tasks.query_x
    drawn = augmentations.generated(G)(x, gen(), tasks.support_x)
    z, example, task, training = G.called
    assert torch.equal(drawn, x.flip(-2)) and not training
    assert torch.equal(z, torch.randn(16, 3, generator=gen()))
    assert torch.equal(example, x.flatten(0, 1)[:, None]) and torch.equal(task, tasks.support_x)
    augmentations.generated(G)(x, gen())
    assert torch.equal(G.called[2], x)


def test_a_chain_keeps_order_and_task(tasks):
    seen = []

    def note(x, rng, task=None):
        seen.append((x, task))
        return x + 1

    x = tasks.support_x
    assert torch.equal(augmentations.chain(darker, note)(x, gen()), x / 2 + 1)
    assert torch.equal(seen[0][0], x / 2) and torch.equal(seen[0][1], x)


# ---------------------------------------------------------------- augmenters


def test_an_augmenter_returns_the_originals_and_then_what_it_adds(tasks):
    x, y = placements.adding(darker, 5)(tasks.support_x, tasks.support_y, gen())
    assert torch.equal(x[:, :12], tasks.support_x) and torch.equal(y[:, :12], tasks.support_y)
    assert x.shape == (2, 12 + 20, 1, 28, 28)
    for t in range(2):
        for c in range(4):
            mine = x[t, 12:][y[t, 12:] == c]
            originals = tasks.support_x[t, 3 * c:3 * c + 3]
            assert torch.equal(mine, originals[[0, 1, 2, 0, 1]] / 2)      # its examples in turn


def test_nothing_added_is_nothing_changed(tasks):
    x, y = placements.adding(darker, 0)(tasks.support_x, tasks.support_y, gen())
    assert x is tasks.support_x and y is tasks.support_y


def test_a_support_out_of_order_is_refused(tasks):
    with pytest.raises(ValueError, match="Sort the support by class"):
        placements.adding(darker, 2)(tasks.support_x, tasks.support_y.flip(1), gen())
    with pytest.raises(ValueError, match="as many of each"):
        placements.adding(darker, 2)(tasks.support_x[:, 1:], tasks.support_y[:, 1:], gen())


def test_the_learner_sees_the_augmented_support_and_the_same_queries(tasks):
    seen = []
    placements.with_support(seen.append, placements.adding(darker, 2), gen())(tasks)
    assert seen[0].support_x.shape[1] == seen[0].support_y.shape[1] == 20
    assert seen[0].query_x is tasks.query_x and seen[0].query_y is tasks.query_y


def test_first_shots(tasks):
    seen = []
    placements.first_shots(seen.append, 2)(tasks)
    for t in range(2):
        kept = [tasks.support_x[t, 3 * c + k] for c in range(4) for k in range(2)]
        assert torch.equal(seen[0].support_x[t], torch.stack(kept))
    assert seen[0].support_y.tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]] * 2


# ---------------------------------------------------------------- ProtoNet over versions


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return networks.ConvNet(5, width=8).eval()


def test_one_version_is_protonet(tasks, network):
    learner = learners.protonet(network, None, 1, gen())
    assert torch.equal(learner(tasks), learners.protonet(network)(tasks))


def test_versions_are_averaged_in_feature_space(tasks, network):
    predicted = learners.protonet(network, darker, 3, gen())(tasks)
    means = placements.mean_features(network, darker, 3, gen())(tasks)
    for t in range(2):
        with torch.no_grad():
            support, query = ((network.features(x) + 2 * network.features(x / 2)) / 3
                              for x in (tasks.support_x[t], tasks.query_x[t]))
        assert torch.allclose(means.support_x[t], support, atol=1e-6)
        assert torch.allclose(means.query_x[t], query, atol=1e-6)
        centres = support.view(4, 3, -1).mean(1)
        assert predicted[t].tolist() == [min(range(4), key=lambda c: (q - centres[c]).square().sum()) for q in query]


def test_a_query_does_not_see_other_queries(tasks, network):
    """Inductive: the task that the generator is told of is the support."""
    G = Recorder()
    learners.protonet(network, augmentations.generated(G), 2, gen())(tasks)
    assert torch.equal(G.called[2], tasks.support_x)


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

    assert placements.with_votes(learner, darker, V, gen())(tasks).tolist() == [[1, 3, 1, 2], [2, 0, 0, 3]]


def test_a_voting_query_does_not_see_other_queries(tasks, network):
    G = Recorder()
    placements.with_votes(learners.protonet(network), augmentations.generated(G), 2, gen())(tasks)
    assert torch.equal(G.called[2], tasks.support_x)


def test_training_varies_support_and_query(tasks):
    changed = placements.in_training(darker)(tasks, gen())
    assert torch.equal(changed.support_x, tasks.support_x / 2) and torch.equal(changed.query_x, tasks.query_x / 2)
    assert torch.equal(changed.query_y, tasks.query_y)


def test_a_variation_turns_as_far_as_it_says():
    """Against the rotation matrix: a shift of the map's angle by 30 degrees moves a dot by 30 degrees."""
    affine = augment._affine(torch.tensor([[1.0, 0, 0, 0, 0, 0]]), augmentations.Strength()._replace(rotation=30.0), width=28)
    expected = torch.tensor([[math.cos(math.pi / 6) - 1, -0.5, 0], [0.5, math.cos(math.pi / 6) - 1, 0]])
    assert torch.allclose(affine[0], expected, atol=1e-6)


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


# ---------------------------------------------------------------- training a generator


def test_pairs_are_two_drawings_of_one_character_within_an_alphabet():
    classes = datasets.load("glyphs", split="val")
    real, example, task = pairs.sampler(classes, n_tasks=3, n_way=5)(gen())
    assert real.shape == (15, 1, 28, 28) and example.shape == (15, 1, 1, 28, 28) and task.shape == (3, 5, 1, 28, 28)
    assert torch.equal(task.flatten(0, 1), example[:, 0])
    ink = classes.ink.view(len(classes.names), -1, 28 * 28)

    def origin(image):
        return (ink == image.flatten()).all(2).nonzero()[0].tolist()

    origins = [(origin(a), origin(b)) for a, b in zip(real, example[:, 0])]
    assert all(a[0] == b[0] and a[1] != b[1] for a, b in origins)
    for t in range(3):
        assert len({classes.alphabets[a[0]] for a, _ in origins[5 * t:5 * t + 5]}) == 1


def test_pairs_of_small_alphabets():
    digits = datasets.load("digits", split="val")
    n = len(digits.names)
    assert n < 12 and pairs.sampler(digits, n_tasks=2)(gen())[2].shape[:2] == (2, n)


@pytest.mark.parametrize("make", (networks.WarpGenerator, networks.PixelGenerator))
def test_training_changes_both_players_and_repeats_bit_by_bit(make):
    digits, drawn = datasets.load("digits"), []
    for _ in range(2):
        torch.manual_seed(0)
        G, D = make(4, width=8), networks.PairDiscriminator(width=4, n_out=8)
        before = [p.detach().clone() for net in (G, D) for p in net.parameters()]
        trained = pairs.train_generator(G, D, digits, n_steps=6, rng=gen())
        assert all(not torch.equal(a, b) for a, b in zip(before, [p for net in (G, D) for p in net.parameters()]))
        assert trained.d_loss.shape == (6,)
        x = digits.ink[:6].view(1, 6, 1, 28, 28)
        drawn.append(augmentations.generated(trained.G)(x, gen()))
    assert torch.equal(*drawn) and drawn[0].shape == (1, 6, 1, 28, 28)
