import math
import random

import pytest
import torch

from course_lib import classifier, datasets, episodes, learners, maml, networks, placements, statistics


def numbered(n_classes=12, n_drawings=8, n_alphabets=3):
    """Classes whose pixels tell which class (pixel 0) and drawing (pixel 1) an image is."""
    images = torch.zeros(n_classes, n_drawings, 1, 2, 2, dtype=torch.uint8)
    images[..., 0, 0] = torch.arange(n_classes)[:, None, None]
    images[..., 0, 1] = torch.arange(n_drawings)[None, :, None]
    alphabets = tuple(f"A{c * n_alphabets // n_classes}" for c in range(n_classes))
    return datasets.ImageClasses(images, alphabets, tuple(map(str, range(n_classes))))


def draw(classes, seed=0, **sizes):
    sizes = {"n_way": 4, "k_shot": 2, "q_query": 3, "n_tasks": 5} | sizes
    return episodes.sample(classes, rng=torch.Generator().manual_seed(seed), **sizes)


def origin(x):
    """Class numbers and drawing numbers of images, [T, n] each."""
    pixels = (x * 255).round().long().flatten(2)
    return pixels[..., 0], pixels[..., 1]


def test_shapes_and_range():
    classes = numbered()
    classes.images[..., 1, 1] = 255
    e = draw(classes)
    assert e.support_x.shape == (5, 8, 1, 2, 2) and e.query_x.shape == (5, 12, 1, 2, 2)
    assert e.support_y.shape == (5, 8) and e.query_y.shape == (5, 12)
    assert e.support_x.dtype == torch.float32 and e.support_y.dtype == torch.int64
    assert e.query_x.max() == 1.0 and e.query_x.min() == 0.0
    assert all(tensor.is_contiguous() for tensor in e)


def test_labels_are_balanced_and_belong_to_their_images():
    e = draw(numbered(), n_tasks=50)
    for task in range(50):
        assert e.support_y[task].bincount().tolist() == [2] * 4
        assert e.query_y[task].bincount().tolist() == [3] * 4
        support_class, query_class = origin(e.support_x)[0][task], origin(e.query_x)[0][task]
        for label in range(4):
            of_label = torch.cat([support_class[e.support_y[task] == label], query_class[e.query_y[task] == label]])
            assert len(of_label.unique()) == 1


@pytest.mark.parametrize("within_alphabet", [False, True])
@pytest.mark.parametrize("n_classes", [12, 60])
def test_brute_force_over_a_thousand_episodes(within_alphabet, n_classes):
    classes = numbered(n_classes)
    e = draw(classes, n_tasks=1000, within_alphabet=within_alphabet)
    (support_c, support_d), (query_c, query_d) = origin(e.support_x), origin(e.query_x)
    for t in range(1000):
        support = list(zip(support_c[t].tolist(), support_d[t].tolist()))
        query = list(zip(query_c[t].tolist(), query_d[t].tolist()))
        assert len(set(support)) == 8 and len(set(query)) == 12 and not set(support) & set(query)
        assert len({c for c, _ in support}) == 4 == len({c for c, _ in query})
        if within_alphabet:
            assert len({classes.alphabets[c] for c, _ in support}) == 1


def test_mixed_episodes_do_mix_alphabets():
    classes = numbered()
    support_c = origin(draw(classes, n_tasks=100).support_x)[0]
    assert sum(len({classes.alphabets[c] for c in row.tolist()}) > 1 for row in support_c) > 90


def chi_square(counts):
    expected = counts.sum() / counts.numel()
    return ((counts - expected) ** 2 / expected).sum().item()


@pytest.mark.parametrize("within_alphabet", [False, True])
def test_every_class_and_every_drawing_equally_likely(within_alphabet):
    """Alphabets of 3, 4 and 5 classes; 99.9 % quantiles of chi-square: 31.26 (11 degrees of freedom), 24.32 (7)."""
    classes = numbered()
    uneven = datasets.ImageClasses(classes.images, ("a",) * 3 + ("b",) * 4 + ("c",) * 5, classes.names)
    e = draw(uneven, n_way=1, k_shot=1, q_query=1, n_tasks=6000, within_alphabet=within_alphabet)
    class_number, drawing = origin(e.support_x)
    assert chi_square(class_number.flatten().bincount(minlength=12).double()) < 31.26
    assert chi_square(drawing.flatten().bincount(minlength=8).double()) < 24.32
    e = draw(uneven, n_way=3, k_shot=1, q_query=1, n_tasks=6000, within_alphabet=within_alphabet)
    first = origin(e.support_x)[0][:, 0]        # label 0 must not favour any class either
    assert chi_square(first.bincount(minlength=12).double()) < 31.26


def test_same_generator_state_same_episodes():
    classes = numbered()
    a, b, c = draw(classes, seed=3), draw(classes, seed=3), draw(classes, seed=4)
    assert all(torch.equal(x, y) for x, y in zip(a, b))
    assert not torch.equal(a.support_x, c.support_x)
    before = torch.random.get_rng_state()
    draw(classes, seed=3)
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator was used"


@pytest.mark.parametrize("sizes, message", [
    ({"n_way": 13}, "13-way episodes need 13 classes; there are 12. Use n_way<=12"),
    ({"n_way": 5, "within_alphabet": True}, "'A0' has 4. Use n_way<=4 or within_alphabet=False"),
    ({"k_shot": 5, "q_query": 4}, "need 9 drawings of a class; there are 8. Use k_shot + q_query <= 8"),
    ({"n_way": 0}, "n_way must be a whole number of at least 1, not 0"),
    ({"k_shot": -1}, "k_shot must be a whole number of at least 1, not -1"),
    ({"q_query": 0}, "q_query must be"),
    ({"n_tasks": 2.0}, "n_tasks must be a whole number of at least 1, not 2.0"),
])
def test_bad_sizes_say_value_bound_and_way_out(sizes, message):
    with pytest.raises(ValueError) as error:
        draw(numbered(), **sizes)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_accuracies_of_a_perfect_and_a_wrong_learner():
    images = torch.randint(256, (6, 5, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    classes = datasets.ImageClasses(images, ("a",) * 6, tuple("abcdef"))
    sizes = {"n_way": 3, "k_shot": 1, "q_query": 2, "n_episodes": 70, "chunk": 32}
    for learner, expected in ((lambda e: e.query_y, 1.0), (lambda e: (e.query_y + 1) % 3, 0.0)):
        scores = episodes.accuracies(learner, classes, rng=torch.Generator().manual_seed(0), **sizes)
        assert scores.shape == (70,) and (scores == expected).all()


def test_the_accuracy_among_one_class_is_no_number():
    with pytest.raises(ValueError, match=r"1-way episodes measure nothing.*n_way>=2, or more classes"):
        episodes.accuracies(lambda e: e.query_y, numbered(), n_way=1, k_shot=1, q_query=2, n_episodes=4,
                            rng=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("learner", [lambda e: e.query_y[0], lambda e: e.query_y[..., None], lambda e: e.query_y[:1]])
def test_labels_of_another_shape_are_refused(learner):
    images = torch.zeros(6, 5, 1, 4, 4, dtype=torch.uint8)
    classes = datasets.ImageClasses(images, ("a",) * 6, tuple("abcdef"))
    with pytest.raises(ValueError, match=r"the learner returned \[.*\], not labels \[4, 6\]"):
        episodes.accuracies(learner, classes, n_way=3, k_shot=1, q_query=2, n_episodes=4,
                            rng=torch.Generator().manual_seed(0))


def test_accuracy_is_per_episode():
    half_right = lambda e: torch.where(torch.arange(6) < 3, e.query_y, (e.query_y + 1) % 3)     # noqa: E731
    images = torch.zeros(6, 5, 1, 4, 4, dtype=torch.uint8)
    classes = datasets.ImageClasses(images, ("a",) * 6, tuple("abcdef"))
    scores = episodes.accuracies(half_right, classes, n_way=3, k_shot=1, q_query=2, n_episodes=4,
                                 rng=torch.Generator().manual_seed(0))
    assert scores.tolist() == [0.5] * 4


def test_pixel_baseline_is_better_than_chance_on_characters():
    classes = datasets.load("digits")
    scores = episodes.accuracies(learners.nearest_neighbour, classes, n_way=5, k_shot=1, q_query=5, n_episodes=60,
                                 rng=torch.Generator().manual_seed(0))
    mean, half = statistics.mean_interval(scores)
    assert mean - 2 * half > 0.2 and mean + half < 0.95, "scikit-learn's digits: far above chance, far from solved"


def published(sizes, beta, alpha):
    """Meta-Dataset's queries, support and shots, section 3.2, written out number by number."""
    q = min([10] + [math.floor(0.5 * size) for size in sizes])
    support = min(500, sum(math.ceil(beta * min(100, size - q)) for size in sizes))
    total = sum(math.exp(a) * size for a, size in zip(alpha, sizes))
    return q, support, [min(math.floor(math.exp(a) * size / total * (support - len(sizes))) + 1, size - q)
                        for a, size in zip(alpha, sizes)]


def test_shots_are_those_of_the_published_formulas():
    chance, seen = random.Random(0), {"cut at 500": 0, "cut by the class": 0, "few queries": 0}
    for _ in range(1_000):
        sizes = [chance.randint(2, chance.choice([12, 60, 900])) for _ in range(chance.randint(5, 50))]
        beta, alpha = 1 - chance.random(), [chance.uniform(math.log(0.5), math.log(2)) for _ in sizes]
        q, support, k = published(sizes, beta, alpha)
        came_q, came_k = episodes.shots(torch.tensor(sizes), torch.tensor(beta, dtype=torch.float64),
                                        torch.tensor(alpha, dtype=torch.float64))
        assert (came_q, came_k.tolist()) == (q, k)
        assert min(k) >= 1 and sum(k) <= support
        seen["cut at 500"] += support == 500
        seen["cut by the class"] += any(n == size - q for n, size in zip(k, sizes))
        seen["few queries"] += q < 10
    assert min(seen.values()) > 50, seen


def test_varied_episodes_are_drawn_as_published():
    classes, rng = numbered(60, 30), torch.Generator().manual_seed(0)
    ways, uneven, sizes = [], 0, []
    for _ in range(1_000):
        tasks = episodes.sample_varied(classes, rng=rng)
        support, query = ([tuple(image[0, 0].mul(255).round().int().tolist()) for image in x[0]]
                          for x in (tasks.support_x, tasks.query_x))
        counts, of_query = (labels[0].bincount() for labels in (tasks.support_y, tasks.query_y))
        ways.append(len(counts))
        assert of_query.tolist() == [10] * len(counts) and counts.min() >= 1 and counts.max() <= 20
        assert len(set(support + query)) == len(support) + len(query), "no image twice"
        named = {label: c for (c, _), label in zip(support, tasks.support_y[0].tolist())}
        assert len(set(named.values())) == len(counts), "no class twice"
        assert all(named[label] == c for (c, _), label in zip(support + query, [
            *tasks.support_y[0].tolist(), *tasks.query_y[0].tolist()]))
        uneven += counts.max() > counts.min()
        sizes.append(len(support) / len(counts))
    assert set(ways) == set(range(5, 51))
    assert abs(sum(ways) / 1_000 - 27.5) < 4 * 13.3 / 1_000 ** 0.5      # the mean of 5..50, within 4 standard errors
    assert uneven > 900 and min(sizes) < 2 and max(sizes) > 12


def test_varied_episodes_of_a_small_world():
    rng = torch.Generator().manual_seed(0)
    assert {int(episodes.sample_varied(numbered(6, 2), rng=rng).query_y.max()) for _ in range(50)} == {4, 5}
    for world in (numbered(4), numbered(12, 1)):
        with pytest.raises(ValueError, match=r"need 5 classes of 2 drawings; there are \d+ of \d+. Load split 'all'"):
            episodes.sample_varied(world, rng=rng)
    same = [episodes.sample_varied(numbered(), rng=torch.Generator().manual_seed(3)) for _ in range(2)]
    assert all(torch.equal(*both) for both in zip(*same))


def test_learners_work_on_classes_of_different_sizes():
    rng, digits = torch.Generator().manual_seed(0), datasets.load("digits")
    labels = torch.arange(10).repeat_interleave(digits.images.shape[1])
    network = classifier.train(digits.images.flatten(0, 1) / 255, labels, n_classes=10, n_steps=60, batch=64, rng=rng,
                               width=8, keep_map=True)
    adapting = networks.ConvNet(10, width=8, norm=networks.BatchNorm)
    params = {name: p.detach() for name, p in adapting.named_parameters()}
    tried = {"neighbour": learners.nearest_neighbour, "matching": learners.matching,
             "prototypes": learners.protonet(network), "fine-tuning": learners.fine_tune(network, lr=0.003, steps=20,
                                                                                                  head_only=True),
             "MAML": maml.learner(adapting, params, inner_lr=0.1, steps=3),
             "with copies": placements.with_support(learners.protonet(network),
                                                    placements.adding(lambda x, rng, task=None: x, 2), rng)}
    right = dict.fromkeys(tried, 0.0)
    small = datasets.ImageClasses(digits.images[:, :12], digits.alphabets, digits.names)
    for _ in range(6):
        tasks = episodes.sample_varied(small, rng=rng)
        assert len(set(tasks.support_y[0].bincount().tolist())) > 1 or len(tasks.support_y[0]) < 15
        for name, learner in tried.items():
            labels = learner(tasks)
            assert labels.shape == tasks.query_y.shape and labels.max() <= tasks.query_y.max()
            right[name] += (labels == tasks.query_y).float().mean().item() / 6
    assert all(score > 0.25 for name, score in right.items() if name != "MAML"), right      # chance is 1/5 to 1/10
    prototypes = learners.protonet_logits(network.features, tasks)[0]
    c = int(tasks.support_y.max())
    of_last = network.features(tasks.support_x[0][tasks.support_y[0] == c]).mean(0)
    assert torch.allclose(prototypes[:, c], -(network.features(tasks.query_x[0]) - of_last).square().sum(1), rtol=1e-3)
