"""Spoken words as pictures [..., 28, 28]: pitch upwards, time to the right. What is the word, and what is the voice?"""

import math

import torch

from . import networks


def liftered(x, first=2, last=12):
    """What a spectrogram x [..., F, T] says of the mouth: in [0, 1], 1/2 where a band is as loud as in the mean.

    Of each moment's spectrum, the waves number `first` to `last` are kept (cepstral liftering): not the loudness and
    the tilt, which belong to the microphone, and not the fine lines, which are the voice's pitch. Then the mean over
    time is taken away, and with it whatever colours the whole recording. Sources: Davis & Mermelstein 1980 for
    cepstra, Atal 1974 for the mean.
    """
    bands = x.shape[-2]
    places = torch.arange(bands, device=x.device) + 0.5
    waves = torch.stack([(math.pi * k * places / bands).cos() for k in range(first, last + 1)]) * (2 / bands) ** 0.5
    kept = waves.T @ (waves @ x)
    kept = kept - kept.mean(-1, keepdim=True)
    return (0.5 + kept / (6 * kept.flatten(-2).std(-1)[..., None, None]).clamp(min=1e-3)).clamp(0, 1)


class Liftered(torch.nn.Module):
    """A network that sees `liftered` pictures; its `features` are that network's. Augmentation comes before."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def features(self, x):
        return self.network.features(liftered(x))


def dtw(tasks):
    """A learner: the label of the nearest support sound, liftered, when time may run faster here and slower there."""
    costs = [dtw_costs(query, support) for query, support in zip(tasks.query_x, tasks.support_x)]
    return tasks.support_y.gather(1, torch.stack(costs).argmin(2))


def dtw_costs(query, support, band=6):
    """The least sum of distances of moments, in order, of sounds [Q, 1, F, T] and [S, 1, F, T], liftered: [Q, S].

    band: how many moments the two may be apart. Source: Sakoe & Chiba 1978, "Dynamic programming algorithm ...".
    """
    n = query.shape[3]
    apart = torch.cdist(liftered(query).mT, liftered(support).mT.movedim(1, 0))         # [Q, S, T, T]
    never = apart.new_full(apart.shape[:2], torch.inf)
    best = {(-1, -1): torch.zeros_like(never)}
    for i in range(n):
        for j in range(max(0, i - band), min(n, i + band + 1)):
            before = [best.get(place, never) for place in ((i - 1, j), (i, j - 1), (i - 1, j - 1))]
            best[i, j] = apart[:, :, i, j] + torch.stack(before).amin(0)
    return best[n - 1, n - 1]


def classical(strength=1.0):
    """The augmentation that speech has long used: time runs unevenly, and the mouth is longer or shorter.

    Sources: Park et al. 2019, "SpecAugment", for warped time; Jaitly & Hinton 2013 for vocal tract length (VTLP).
    """
    def augmentation(x, rng, task=None):
        flat = x.flatten(0, 1)

        def normal(std, *sizes):
            return strength * std * torch.randn(len(flat), *sizes, device=x.device, generator=rng)

        affine = torch.diag_embed(torch.stack([normal(0.15), normal(0.08)], dim=1))             # time, pitch
        affine = torch.cat([affine, torch.stack([normal(0.15), normal(0.08)], dim=1)[:, :, None]], dim=2)
        field = torch.stack([normal(1.0, 1, 5).expand(-1, 5, 5), normal(0.6, 5, 1).expand(-1, 5, 5)], dim=1)
        return networks.warp(flat, affine, field, torch.zeros(len(flat), device=x.device)).view_as(x)
    return augmentation
