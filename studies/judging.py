"""The judge of generators: an evaluation classifier of held-out characters, and what new people would write.

The metrics are those of notebook 08, on normalised drawings: class preservation by the classifier, diversity beside
people's, and the energy distance of G(z, x) to the truth, character by character. The truth is sampled anew from the
simulator. The classifier learned from half of the drawings; the examples are the first of the other half.
"""

from typing import NamedTuple

import torch

from course_files import glyphs
from course_lib import checkpoints, classifier, datasets, networks, normalisation, quality, runtime

N_DRAWINGS, STEPS = 20, 1500        # drawings of each character for each side of a comparison; of the classifier


class Scores(NamedTuple):
    """Of each character [C]: what notebook 08 measures."""

    preserved: torch.Tensor     # how often the evaluation classifier names the drawings rightly
    diversity: torch.Tensor     # mean distance of two drawings, over that of people's (the mean over characters)
    distance: torch.Tensor      # energy distance to the truth, in the classifier's features


class Judge:
    """Scores of augmentations on the characters of a split of `glyphs`."""

    def __init__(self, split):
        raw = datasets.load("glyphs", split=split)
        self.classes = raw.normalised()
        self.ink = self.classes.ink.view(len(raw.names), -1, 1, 28, 28)                     # [C, M, 1, 28, 28]
        self.half = self.ink.shape[1] // 2
        self.network = self._network(runtime.project_root() / "runs" / "judging" / f"{split}.safetensors")
        everyone = datasets.load("glyphs")
        number = {name: i for i, name in enumerate(zip(everyone.alphabets, everyone.names))}
        chosen = torch.tensor([number[name] for name in zip(raw.alphabets, raw.names)])
        people = glyphs.draw(glyphs.take(glyphs.programs(), chosen), 2 * N_DRAWINGS, runtime.rng(5)).float() / 255
        self.people = torch.stack([normalisation.normalised(drawings) for drawings in people])      # [C, 2n, ...]
        features = self.features(self.people)
        self.truth = features[:, :N_DRAWINGS]
        self.usual = torch.stack([torch.pdist(each).mean() for each in features]).mean()

    def _network(self, path):
        n_classes = len(self.classes.names)
        if path.exists():
            network = networks.ConvNet(n_classes, width=64, keep_map=True)
            return checkpoints.load_into(network, path).eval()
        labels = torch.arange(n_classes).repeat_interleave(self.half)
        network = classifier.train(self.ink[:, :self.half].flatten(0, 1), labels, n_classes=n_classes, batch=64,
                                   width=64, keep_map=True, n_steps=STEPS, rng=runtime.rng(2))
        checkpoints.save(path, network.state_dict())
        return network

    def features(self, images):
        return classifier.features(self.network, images.flatten(0, 1)).view(*images.shape[:2], -1)

    @torch.no_grad()
    def copies(self, augmentation):
        """N_DRAWINGS copies of one drawing of each character: [C, n, 1, 28, 28]. Each alphabet is a task."""
        rng, drawn = runtime.rng(3), []
        for alphabet in dict.fromkeys(self.classes.alphabets):
            members = [i for i, name in enumerate(self.classes.alphabets) if name == alphabet]
            x = self.ink[members, self.half][None]
            drawn.append(torch.stack([augmentation(x, rng)[0] for _ in range(N_DRAWINGS)], dim=1))
        return torch.cat(drawn)

    def __call__(self, augmentation):
        """`Scores` of an augmentation; None stands for people."""
        drawn = self.people[:, N_DRAWINGS:] if augmentation is None else self.copies(augmentation)
        seen, asked = self.features(drawn), torch.arange(len(drawn)).repeat_interleave(N_DRAWINGS)
        named = classifier.conditional_accuracy(self.network, drawn.flatten(0, 1), asked)
        return Scores(named.view(drawn.shape[:2]).mean(1),
                      torch.stack([torch.pdist(each).mean() for each in seen]) / self.usual,
                      torch.stack([quality.energy_distance(*both) for both in zip(seen, self.truth)]))
