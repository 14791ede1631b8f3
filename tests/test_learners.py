import copy
import itertools
import math

import pytest
import torch

from course_lib import augmentations, datasets, episodes, learners, maml, networks, placements, runtime
from course_lib.episodes import Episodes
from stand_ins import Recorder, darker, digit_tasks


def random_tasks():
    """Two tasks, 3-way 2-shot, random images, labels out of order."""
    g = torch.Generator().manual_seed(0)
    return Episodes(torch.rand(2, 6, 1, 4, 4, generator=g), torch.tensor([[0, 1, 2, 2, 1, 0], [2, 2, 1, 0, 0, 1]]),
                    torch.rand(2, 9, 1, 4, 4, generator=g), torch.randint(3, (2, 9), generator=g))


def test_nearest_neighbour_against_a_loop():
    e = random_tasks()
    predicted = learners.nearest_neighbour(e)
    for t in range(2):
        for q in range(9):
            distances = [(e.query_x[t, q] - s).square().sum().item() for s in e.support_x[t]]
            assert predicted[t, q] == e.support_y[t, distances.index(min(distances))]


def test_nearest_neighbour_agrees_with_scikit_learn():
    from sklearn.neighbors import KNeighborsClassifier

    e = random_tasks()
    for t in range(2):
        oracle = KNeighborsClassifier(1).fit(e.support_x[t].flatten(1), e.support_y[t])
        assert learners.nearest_neighbour(e)[t].tolist() == oracle.predict(e.query_x[t].flatten(1)).tolist()


def slopes_by_loop(image, n=8):
    """The slopes [n, H, W] of an image [H, W], written out: Sobel's differences, shared between two directions."""
    h, w = image.shape
    at = lambda i, j: image[i, j].item() if 0 <= i < h and 0 <= j < w else 0.0       # noqa: E731
    result = torch.zeros(n, h, w, dtype=image.dtype)
    for i in range(h):
        for j in range(w):
            right = sum(weight * (at(i + k, j + 1) - at(i + k, j - 1)) for k, weight in ((-1, 1), (0, 2), (1, 1))) / 8
            down = sum(weight * (at(i + 1, j + k) - at(i - 1, j + k)) for k, weight in ((-1, 1), (0, 2), (1, 1))) / 8
            turn = (math.atan2(down, right) / (2 * math.pi)) % 1 * n
            below, part = int(turn) % n, turn % 1
            result[below, i, j] += (1 - part) * math.hypot(right, down)
            result[(below + 1) % n, i, j] += part * math.hypot(right, down)
    return result


def cost_by_loop(a, b, reach):
    """What it costs to find each pixel of a [C, S, S] within reach in b, written out (around a drawing all is flat)."""
    size, total = a.shape[-1], 0.0
    at = lambda x, i, j: x[:, i, j] if 0 <= i < size and 0 <= j < size else torch.zeros_like(x[:, 0, 0])   # noqa: E731
    for i, j in itertools.product(range(size), repeat=2):
        total += min((a[:, i, j] - at(b, i + down, j + right)).square().sum().item()
                     for down in range(-reach, reach + 1) for right in range(-reach, reach + 1))
    return total


def test_slopes_against_a_loop():
    x = torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for n in (8, 5):
        came = learners.slopes(x, n)
        assert came.shape == (2, n, 6, 7) and (came >= 0).all()
        for i in range(2):
            torch.testing.assert_close(came[i], slopes_by_loop(x[i, 0], n), atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("reach", (1, 2))
def test_matching_costs_against_a_loop(reach):
    g = torch.Generator().manual_seed(4)
    query, support = (torch.rand(n, 1, 7, 7, generator=g, dtype=torch.float64) for n in (2, 3))
    costs = learners.matching_costs(query, support, size=7, reach=reach)
    assert costs.shape == (2, 3)
    a, b = ([slopes_by_loop(x[0]) for x in images] for images in (query, support))
    for i, j in itertools.product(range(2), range(3)):
        right = cost_by_loop(a[i], b[j], reach) + cost_by_loop(b[j], a[i], reach)
        assert costs[i, j].item() == pytest.approx(right, rel=1e-5)


def few_glyphs(n=6):
    classes = datasets.load("glyphs", split="val").normalised().take(range(n))
    return classes.images[:, 0].float() / 255               # [n, 1, 28, 28]


def test_the_cost_of_matching_is_the_same_both_ways_and_least_for_the_same_drawing():
    x = few_glyphs()
    costs = learners.matching_costs(x, x)
    torch.testing.assert_close(costs, costs.T, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(learners.matching_costs(x[:2], x[2:]), learners.matching_costs(x[2:], x[:2]).T,
                               rtol=1e-3, atol=1e-3)
    others = costs + torch.diag(torch.full((len(x),), float("inf")))
    assert (costs.diag() < 0.01 * others.amin(1)).all()


def test_a_drawing_moved_within_reach_costs_little():
    x = torch.zeros(6, 1, 20, 20)
    x[:, :, 3:17, 3:17] = torch.nn.functional.interpolate(few_glyphs(), (14, 14), mode="bilinear", antialias=True)
    costs = [learners.matching_costs(x, x.roll(by, (2, 3))).diag() for by in ((0, 0), (0, 2), (-2, 1), (0, 5))]
    others = learners.matching_costs(x, x.flip(0)).sum() / 6
    assert costs[1].mean() < 0.01 * others and costs[2].mean() < 0.01 * others
    assert costs[3].mean() > 10 * costs[1].mean(), "further away it costs"
    far = learners.matching_costs(x, x.roll((0, 5), (2, 3)), reach=5).diag()
    assert far.mean() < 0.1 * costs[3].mean()


def test_matching_beats_pixels_and_no_query_sees_another():
    classes = datasets.load("glyphs", split="val").normalised()
    tasks = episodes.sample(classes, n_way=10, k_shot=2, q_query=2, n_tasks=4, rng=runtime.rng(0))
    order = torch.randperm(20, generator=runtime.rng(1))    # labels out of order
    tasks = tasks._replace(support_x=tasks.support_x[:, order], support_y=tasks.support_y[:, order])
    labels = learners.matching(tasks)
    assert labels.shape == tasks.query_y.shape and labels.dtype == torch.int64
    right = (labels == tasks.query_y).float().mean()
    assert right > (learners.nearest_neighbour(tasks) == tasks.query_y).float().mean() and right > 0.7
    alone = [learners.matching(tasks._replace(query_x=tasks.query_x[:, q:q + 1])) for q in range(20)]
    assert torch.equal(torch.cat(alone, 1), labels)
    nearest = learners.matching_costs(tasks.query_x[1], tasks.support_x[1]).argmin(1)
    assert torch.equal(labels[1], tasks.support_y[1][nearest])


def test_protonet_logits_against_a_loop():
    e = random_tasks()
    weight = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))
    logits = learners.protonet_logits(lambda x: x.flatten(1) @ weight.T, e)
    assert logits.shape == (2, 9, 3)
    for t in range(2):
        for c in range(3):
            prototype = (e.support_x[t][e.support_y[t] == c].flatten(1) @ weight.T).mean(0)
            distance = (e.query_x[t].flatten(1) @ weight.T - prototype).square().sum(1)
            torch.testing.assert_close(logits[t, :, c], -distance, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("head_only", [False, True], ids=["whole", "head"])
def test_fine_tuning_against_an_optimiser(head_only):
    torch.manual_seed(0)
    network, g = networks.ConvNet(7, width=8), torch.Generator().manual_seed(1)
    support_y, query_y = torch.tensor([[0, 1, 2, 2, 1, 0], [2, 2, 1, 0, 0, 1]]), torch.randint(3, (2, 9), generator=g)
    characters = (torch.rand(3, 1, 4, 4, generator=g) > 0.5).float().repeat_interleave(7, 2).repeat_interleave(7, 3)
    drawn = lambda y: 0.7 * characters[y] + 0.3 * torch.rand(*y.shape, 1, 28, 28, generator=g)      # noqa: E731
    for _ in range(30):         # running statistics that fit the images
        network(drawn(torch.arange(3).repeat(10)))
    before = copy.deepcopy(network.state_dict())
    tasks = Episodes(drawn(support_y), support_y, drawn(query_y), query_y)
    predicted = learners.fine_tune(network.train(), lr=0.1, steps=20, head_only=head_only)(tasks)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())
    for t in range(2):
        model = copy.deepcopy(network).eval()
        model.head = torch.nn.Linear(8, 3)
        torch.nn.init.zeros_(model.head.weight), torch.nn.init.zeros_(model.head.bias)
        optimiser = torch.optim.SGD((model.head if head_only else model).parameters(), 0.1)
        for _ in range(20):
            loss = torch.nn.functional.cross_entropy(model(tasks.support_x[t]), tasks.support_y[t])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert predicted[t].tolist() == model(tasks.query_x[t]).argmax(1).tolist()
    assert len(predicted.unique()) > 1


def test_protonet_learns_from_episodes_and_answers_inductively():
    torch.manual_seed(0)
    classes, network = datasets.load("digits"), networks.ConvNet(3, width=16)
    draw = lambda g, n=1: episodes.sample(classes, n_way=5, k_shot=1, q_query=5, n_tasks=n, rng=g)     # noqa: E731
    trained = maml.fit(network, draw, gradient=learners.protonet_backward, n_steps=60, rng=runtime.rng(0),
                       outer_lr=3e-3)
    assert trained.losses[-10:].mean() < 0.7 * trained.losses[:10].mean()
    exam, fresh = draw(runtime.rng(1), 40), networks.ConvNet(3, width=16)
    for name, value in network.state_dict().items():
        assert torch.equal(trained.params[name], value), "running statistics are kept, too"
    fresh.load_state_dict(trained.params)
    labels = learners.protonet(fresh)(exam)
    pixels = (learners.nearest_neighbour(exam) == exam.query_y).float().mean()
    assert (labels == exam.query_y).float().mean() > pixels + 0.05
    one_by_one = [learners.protonet(fresh)(exam._replace(query_x=exam.query_x[:, q:q + 1])) for q in range(25)]
    assert torch.equal(torch.cat(one_by_one, 1), labels), "no query's answer depends on another query"


def test_training_a_protonet_in_one_call():
    classes, rng = datasets.load("digits"), runtime.rng(0)
    torch.manual_seed(0)
    network = networks.ConvNet(1, width=8)
    before = copy.deepcopy(network.state_dict())
    exam = episodes.sample(classes, n_way=5, k_shot=1, q_query=5, n_tasks=40, rng=runtime.rng(1))
    untrained = (learners.protonet(network)(exam) == exam.query_y).float().mean()
    assert learners.train_protonet(network, classes, n_steps=60, rng=rng) is network
    assert (learners.protonet(network)(exam) == exam.query_y).float().mean() > untrained + 0.1
    assert not torch.equal(rng.get_state(), runtime.rng(0).get_state()), "the tasks come from it"
    again = networks.ConvNet(1, width=8)
    again.load_state_dict(before)
    learners.train_protonet(again, classes, n_steps=60, rng=runtime.rng(0))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())


def test_training_on_two_worlds_takes_tasks_of_each():
    classes, seen = datasets.load("digits"), []
    worlds = [datasets.ImageClasses(torch.full_like(classes.images, ink), classes.alphabets, classes.names)
              for ink in (51, 204)]
    torch.manual_seed(0)
    network = networks.ConvNet(1, width=8)
    network.blocks[0].register_forward_pre_hook(lambda block, inputs: seen.append(inputs[0].unique().tolist()))
    learners.train_protonet(network, *worlds, n_steps=20, rng=runtime.rng(0))
    tasks = seen[::2]           # support, then queries
    assert tasks == seen[1::2] and all(len(inks) == 1 for inks in tasks), "a task is of one world"
    assert 4 < sum(inks[0] < 0.5 for inks in tasks) < 16, "each as often"


def test_training_a_protonet_on_augmented_copies_keeps_the_best_look():
    classes, seen, scores = datasets.load("digits"), [], iter([0.2, 0.6, 0.4])
    torch.manual_seed(0)
    network = networks.ConvNet(1, width=8)
    network.blocks[0].register_forward_pre_hook(lambda block, inputs: seen.append(inputs[0].max().item()))
    looks = []

    def validate(network):
        looks.append(copy.deepcopy(network.state_dict()))
        return next(scores)

    learners.train_protonet(network, classes, n_steps=6, rng=runtime.rng(0), place=placements.in_training(darker),
                            validate=validate, validate_every=2)
    assert len(seen) == 12 and set(seen) == {0.5}, "support and queries of six steps, with half the ink"
    assert all(torch.equal(value, looks[1][name]) for name, value in network.state_dict().items())


@pytest.fixture(scope="module")
def tasks():
    return digit_tasks()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return networks.ConvNet(5, width=8).eval()


def test_without_augmented_copies_it_is_plain_protonet(tasks, network):
    labels = learners.protonet_logits(network.eval().features, tasks).argmax(2)
    assert torch.equal(learners.protonet(network)(tasks), labels)
    assert torch.equal(learners.protonet(network, 1, darker, runtime.rng(0))(tasks), labels)


def test_protonet_takes_the_means_over_augmented_copies(tasks, network):
    predicted = learners.protonet(network, 3, darker, runtime.rng(0))(tasks)
    for t in range(2):
        with torch.no_grad():
            support, query = ((network.features(x) + 2 * network.features(x / 2)) / 3
                              for x in (tasks.support_x[t], tasks.query_x[t]))
        centres = support.view(4, 3, -1).mean(1)
        assert predicted[t].tolist() == [min(range(4), key=lambda c: (q - centres[c]).square().sum()) for q in query]


def test_a_query_does_not_see_other_queries(tasks, network):
    """Inductive: the task that the generator is told of is the support."""
    G = Recorder()
    learners.protonet(network, 2, augmentations.generated(G), runtime.rng(0))(tasks)
    assert torch.equal(G.called[2], tasks.support_x)


def test_a_head_lends_a_task_its_first_rows():
    torch.manual_seed(0)
    network = networks.ConvNet(6, width=4, norm=networks.BatchNorm)
    params = {name: p.detach() for name, p in network.named_parameters()}
    tasks = episodes.sample(datasets.load("digits"), n_way=4, k_shot=1, q_query=3, n_tasks=3, rng=runtime.rng(0))
    small = networks.ConvNet(4, width=4, norm=networks.BatchNorm)
    first = {name: p[:4] if name.startswith("head.") else p for name, p in params.items()}
    settings = {"inner_lr": 0.1, "steps": 2}
    assert torch.equal(maml.learner(network, params, **settings)(tasks), maml.learner(small, first, **settings)(tasks))
    few = {name: p[:3] if name.startswith("head.") else p for name, p in params.items()}
    with pytest.raises(ValueError, match=r"4 classes needs a head of 4 rows\. Train with a larger n_way"):
        maml.learner(network, few, **settings)(tasks)
