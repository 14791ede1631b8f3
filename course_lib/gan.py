"""Adversarial training: one step of D, one step of G, and the loop.

G is called as G(z, *condition) and returns samples; D as D(x, *condition) and returns logits [B]. The condition is a
tuple of what the two agreed on: labels, examples, or empty.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .checkpoints import History, load, training_steps
from .runtime import positive


def noise(G, n, rng):
    """z [n, G.z_dim], standard normal, on rng's device."""
    return torch.randn(n, G.z_dim, generator=rng, device=rng.device)


def d_step(G, D, real, condition=(), *, loss, optimiser, rng, penalty=None):
    """One step of D towards telling real x [B, ...] from G's; returns D's loss, a scalar without graph.

    loss: a `losses.GANLoss`. penalty: None or a function (discriminator, real, fake, rng) -> scalar.
    """
    with torch.no_grad():       # no graph through G: this step is D's
        fake = G(noise(G, len(real), rng), *condition)
    objective = loss.d(D(real, *condition), D(fake, *condition))
    if penalty:
        objective = objective + penalty(lambda x: D(x, *condition), real, fake, rng)
    optimiser.zero_grad()
    objective.backward()
    optimiser.step()
    return objective.detach()


def g_step(G, D, n, condition=(), *, loss, optimiser, rng):
    """One step of G, with n fresh samples, towards what D takes for real; returns G's loss, a scalar without graph."""
    fake = G(noise(G, n, rng), *condition)
    objective = loss.g(D(fake, *condition))
    optimiser.zero_grad()
    objective.backward(inputs=[p for p in G.parameters() if p.requires_grad])       # through D, into G alone
    optimiser.step()
    return objective.detach()


class Diverged(RuntimeError):
    """A loss or a weight is no longer a finite number. The message says where, and what to try."""


class TrainedGAN(NamedTuple):
    """What `fit` returns."""

    G: nn.Module                # G with the average of its recent weights, in eval mode: draw from this one
    d_loss: torch.Tensor        # [n_steps] D's loss in the last D step of each iteration
    g_loss: torch.Tensor        # [n_steps]


def fit(G, D, draw, *, n_steps, loss, rng, penalty=None, d_steps=1, lr=(2e-4, 2e-4), betas=(0.5, 0.999),
        ema=0.999, watch=None, path=None, save_every=500, made=None):
    """Train G against D for `n_steps` iterations of `d_steps` D steps and one G step each; both change in place.

    draw: a function of rng that returns a fresh batch (real x [B, ...], *condition), on G's device.
    lr: of G and of D; both are trained by Adam with `betas`. ema: how much the average of G's weights keeps each time.
    watch: a function (iteration, averaged G), called before the first iteration and after each.
    path, save_every, made: keep all state there and go on from it; see `checkpoints.training_steps`.

    Raises Diverged when a loss or a weight stops being finite, ValueError for settings that do not fit.
    """
    positive(n_steps=n_steps, d_steps=d_steps, save_every=save_every)
    betas = tuple(map(float, betas))
    G.train(), D.train()
    g_optimiser, d_optimiser = (torch.optim.Adam(net.parameters(), rate, betas) for net, rate in zip((G, D), lr))
    average = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(ema)).eval()
    history = History(rng.device)
    for iteration in training_steps(n_steps, path=path, save_every=save_every, made=made, desc="GAN", G=G, D=D,
                                    g_optimiser=g_optimiser, d_optimiser=d_optimiser, average=average,
                                    history=history, rng=rng):
        if watch and iteration == 0:
            watch(0, average.module)
        for _ in range(d_steps):
            real, *condition = draw(rng)
            d_loss = d_step(G, D, real, condition, loss=loss, optimiser=d_optimiser, rng=rng, penalty=penalty)
        g_loss = g_step(G, D, len(real), condition, loss=loss, optimiser=g_optimiser, rng=rng)
        average.update_parameters(G)
        history.losses.append(torch.stack([d_loss, g_loss]))
        if (iteration + 1) % History.LOOK_EVERY == 0 or (iteration + 1) % save_every == 0 or iteration + 1 == n_steps:
            _refuse_divergence(history, [*G.parameters(), *D.parameters()], path)
        if watch:
            watch(iteration + 1, average.module)
    return TrainedGAN(average.module, *torch.stack(history.losses, dim=1).cpu())


def _refuse_divergence(history, parameters, path):
    """Raise Diverged if one of the last losses [2], or a weight, is not finite. Called before every save."""
    losses, finite = history.losses, history.latest().isfinite().all(1)     # those before were looked at before
    if finite.all() and all(p.isfinite().all() for p in parameters):
        return
    iteration, what = len(losses), "a weight is not finite"
    if not finite.all():
        iteration -= len(finite) - 1 - finite.long().argmin().item()
        what = "D's loss is {:g}, G's {:g}".format(*losses[iteration - 1])
    rescue = "no earlier state was kept"
    if path and Path(path).exists():
        rescue = f"the last good state, after {load(path)['step']} iterations, is in {path}"
    raise Diverged(f"training diverged in iteration {iteration}: {what}; {rescue}. Try a lower learning rate (lr), a "
                   "penalty on D's gradient or spectral norm, or check the data for numbers that are not finite.")
