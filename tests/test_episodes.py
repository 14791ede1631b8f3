import pytest
import torch

from course_lib import datasets, episodes, learners, statistics


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
