import pytest
import torch

from course_lib import classifier, datasets, networks, statistics


def stripes(n, rng):
    """Stripes that lie (class 0) or stand (class 1), under noise: images [n, 1, 28, 28], labels [n]."""
    labels = torch.randint(2, (n,), generator=rng)
    lying = (torch.arange(28) // 2 % 2)[:, None].expand(28, 28)
    clean = torch.where(labels[:, None, None] == 0, lying, lying.T)     # [n, 28, 28]
    return 0.7 * torch.rand(n, 1, 28, 28, generator=rng) + 0.3 * clean[:, None], labels


def small_classifier(seed, *, n_steps=30, batch=32, **options):
    images, labels = stripes(200, torch.Generator().manual_seed(0))
    return classifier.train(images, labels, n_classes=2, n_steps=n_steps, batch=batch, width=8,
                            rng=torch.Generator().manual_seed(seed), **options)


def weights(network):
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def test_classifier_learns_what_separates_the_classes():
    images, labels = stripes(300, torch.Generator().manual_seed(1))      # not those it was trained on
    assert classifier.conditional_accuracy(small_classifier(0), images, labels).mean() > 0.95


def test_width_and_kept_map_are_those_of_the_network():
    assert small_classifier(0, n_steps=2).head.in_features == 8
    kept = small_classifier(0, keep_map=True)
    assert kept.head.in_features == 16 * 8 and not kept.training
    assert classifier.features(kept, torch.rand(3, 1, 28, 28)).shape == (3, 128)
    images, labels = stripes(300, torch.Generator().manual_seed(1))
    assert classifier.conditional_accuracy(kept, images, labels).mean() > 0.95


def test_classifier_is_decided_by_its_rng_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = weights(small_classifier(0))
    assert torch.equal(torch.get_rng_state(), before), "torch's global random numbers were used or set"
    torch.manual_seed(2)
    assert torch.equal(weights(small_classifier(0)), first)
    assert not torch.equal(weights(small_classifier(1)), first)
    assert not torch.equal(weights(small_classifier(0, n_steps=0)), weights(small_classifier(1, n_steps=0)))


@pytest.fixture(scope="module")
def digits():
    """(classifier, held-out images [350, 1, 28, 28], labels [350]): 139 drawings of each digit train it, 35 do not."""
    classes = datasets.load("digits")
    rng = torch.Generator().manual_seed(0)
    order = torch.rand(10, 174, generator=rng).argsort(1)
    images = classes.images.float().div(255)[torch.arange(10)[:, None], order]       # [10, 174, 1, 28, 28]
    network = classifier.train(images[:, :139].flatten(0, 1), torch.arange(10).repeat_interleave(139),
                               n_classes=10, n_steps=60, batch=64, rng=rng)
    return network, images[:, 139:].flatten(0, 1), torch.arange(10).repeat_interleave(35)


def test_classifier_reads_held_out_digits(digits):
    mean, half = statistics.mean_interval(classifier.conditional_accuracy(*digits))
    assert mean - half > 0.9


def test_features_are_those_of_the_last_layer_whatever_the_chunk(digits):
    network, images, _ = digits
    found = classifier.features(network, images[:70])
    assert found.shape == (70, 64) and not found.requires_grad
    assert torch.allclose(network.head(found), network(images[:70]), atol=1e-5)
    assert torch.allclose(classifier.features(network, images[:70], chunk=32), found, atol=1e-5)


def test_conditional_accuracy_compares_the_class_asked_for_with_the_one_seen():
    seen = torch.tensor([2, 0, 1, 1, 2])
    images = (torch.arange(5) / 10).view(5, 1, 1, 1).expand(5, 1, 28, 28)
    lookup = lambda x: torch.eye(3)[seen[(x[:, 0, 0, 0] * 10).round().long()]] - 7      # noqa: E731
    obeyed = classifier.conditional_accuracy(lookup, images, torch.tensor([2, 1, 1, 0, 2]), chunk=2)
    assert obeyed.tolist() == [1.0, 0.0, 1.0, 0.0, 1.0]


def test_networks_in_training_mode_and_images_out_of_range_are_refused():
    network, images = networks.ConvNet(2, width=4), torch.full((4, 1, 28, 28), 0.5)
    with pytest.raises(ValueError, match=r"training mode.*\.eval\(\)"):
        classifier.features(network, images)
    with pytest.raises(ValueError, match=r"in \[0, 1\], these are in \[-1, "):
        classifier.features(network.eval(), torch.cat([images, images - 1.5]))
    with pytest.raises(ValueError, match="labels of 2 classes run from 0 to 1, not from 0 to 2"):
        classifier.conditional_accuracy(network, images, torch.tensor([0, 1, 2, 0]))
    with pytest.raises(ValueError, match=r"4 images need labels \[4\], not \[4, 1\]"):
        classifier.conditional_accuracy(network, images, torch.zeros(4, 1, dtype=torch.int64))
    network.blocks[2].conv.weight.data[0, 0, 0, 0] = torch.nan
    for function in (lambda: classifier.features(network, images),
                     lambda: classifier.conditional_accuracy(network, images, torch.zeros(4, dtype=torch.int64))):
        with pytest.raises(ValueError, match=r"answers nan.*lower learning rate"):
            function()
    with pytest.raises(ValueError, match="labels of 2 classes run from 0 to 1, not from -1 to 1"):
        classifier.train(images, torch.tensor([0, 1, -1, 0]), n_classes=2, n_steps=1, batch=2,
                         rng=torch.Generator().manual_seed(0))
