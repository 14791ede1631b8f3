"""The evaluation classifier: it names the class of an image, and what its last layer sees are features."""

import torch
from torch.nn.functional import cross_entropy

from . import networks
from .quality import check_images
from .runtime import positive, progress


def train(images, labels, *, n_classes, n_steps, batch, rng, width=64, keep_map=False, lr=3e-3):
    """A `networks.ConvNet` in eval mode, taught to name the class of an image; also a source of `features`.

    images: float [B, 1, 28, 28] in [0, 1]. labels: int64 [B], from 0 to n_classes-1. width, keep_map: of the `ConvNet`.
    lr: of Adam, falling to 0 in a straight line. rng: on the images' device; it decides all that is random, the first
    weights too. Raises ValueError for images out of range and labels that do not fit.
    """
    positive(n_classes=n_classes, batch=batch)
    check_images(images)
    _check_labels(labels, len(images), n_classes)
    with torch.random.fork_rng(devices=[]):     # layers draw from torch's global numbers, which here follow rng
        torch.default_generator.manual_seed(torch.randint(2**62, (), device=rng.device, generator=rng).item())
        network = networks.ConvNet(n_classes, width=width, keep_map=keep_map).to(images.device)
    optimiser = torch.optim.Adam(network.parameters(), lr)
    for step in progress(range(n_steps), desc="classifier"):
        optimiser.param_groups[0]["lr"] = lr * (1 - step / n_steps)
        rows = torch.randint(len(images), (batch,), device=images.device, generator=rng)
        loss = cross_entropy(network(images[rows]), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def features(network, images, chunk=500):
    """What the last layer of `network` sees of images [N, 1, 28, 28] in [0, 1]: float [N, F], without a graph.

    network: a trained `networks.ConvNet` in eval mode, F its width. Raises ValueError for one in training mode.
    """
    return _answers(network, network.features, images, chunk)


def conditional_accuracy(classifier, images, labels, chunk=500):
    """Does the classifier see the class that was asked for? float [N] of 0 and 1; `mean_interval` makes it an accuracy.

    classifier: a function of images that returns logits [N, n_classes], such as `train` makes. images: [N, 1, 28, 28]
    in [0, 1], generated. labels: int64 [N], asked for. Read the result beside the same number for held-out real images:
    where the classifier itself is wrong, no generator can be right.
    """
    logits = _answers(classifier, classifier, images, chunk)      # [N, n_classes]
    _check_labels(labels, len(images), logits.shape[1])
    return (logits.argmax(1) == labels.to(logits.device)).float().cpu()


@torch.no_grad()
def _answers(network, function, images, chunk):
    check_images(images)
    if getattr(network, "training", False):
        raise ValueError("the network is in training mode: batch norm would let the images of a chunk change each "
                         "other's answers. Call network.eval() first.")
    answers = torch.cat([function(x) for x in images.split(chunk)])
    if answers.isnan().any():       # argmax would take nan for an answer
        raise ValueError("the network answers nan. Its training has diverged: train it with a lower learning rate.")
    return answers


def _check_labels(labels, n, n_classes):
    if labels.shape != (n,):
        raise ValueError(f"{n} images need labels [{n}], not {list(labels.shape)}.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(f"labels of {n_classes} classes run from 0 to {n_classes - 1}, not from {labels.min()} to "
                         f"{labels.max()}. Number the classes anew, or raise n_classes.")
