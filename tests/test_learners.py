import copy

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
