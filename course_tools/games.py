"""Five games side by side: small GANs stacked into one. Rows 0 to B-1 of a batch belong to game 0, and so on."""

import time
from typing import NamedTuple

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_lib import gan, losses, networks, runtime

N_GAMES, N_SAMPLES = 5, 2000


class StackedLinear(nn.Module):
    """The same linear layer of S networks: h [S, B, in] -> [S, B, out]."""

    def __init__(self, linears):
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in linears]))        # [S, in, out]
        self.bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in linears]))        # [S, 1, out]

    def forward(self, h):
        return torch.baddbmm(self.bias, h, self.weight)


class SideBySide(nn.Module):
    """S networks as one; x [S*B, ...] -> what each makes of its own B rows, [S*B, ...]."""

    def __init__(self, players):
        super().__init__()
        self.n, self.z_dim = len(players), getattr(players[0], "z_dim", None)
        self.layers = nn.ModuleList(StackedLinear(group) if isinstance(group[0], nn.Linear) else group[0]
                                    for group in zip(*(player.layers for player in players)))

    def forward(self, x):
        h = x.unflatten(0, (self.n, -1))            # [S, B, ...]
        for layer in self.layers:
            h = layer(h)
        return h.flatten(0, 1).squeeze(1)           # G: [S*B, 2], D: [S*B]


class Setup(NamedTuple):
    """What sets one game apart from another."""

    loss: losses.GANLoss
    penalty: object = None
    d_steps: int = 1
    lr: tuple = (3e-3, 3e-3)        # of G, of D
    beta1: float = 0.0


class Run(NamedTuple):
    """Five games; L looks at them."""

    iterations: list                # [L]
    modes: torch.Tensor             # [L, 5] covered by the averaged G
    own_modes: torch.Tensor         # [L, 5] covered by G itself
    quality: torch.Tensor           # [L, 5] share of the averaged G's samples of high quality
    samples: torch.Tensor           # [L, 300, 2] of G itself, game 0
    seconds: list                   # [L] since the start, for all five games


def players(seed, device):
    """Five generators and five discriminators of points, as one G and one D; their first weights depend on the seed."""
    runtime.seed_everything(seed)
    G = SideBySide([networks.PointGenerator(width=64) for _ in range(N_GAMES)])
    D = SideBySide([networks.PointDiscriminator(width=64) for _ in range(N_GAMES)])
    return G.to(device), D.to(device)


def gradient_norm(G, D, g_loss, z):
    """The norm of the gradient of G's loss, over all weights of G, in each of the five games: [5]."""
    objective = N_GAMES * g_loss(D(G(z)))             # the mean over five games -> their sum
    return torch.cat([g.flatten(1) for g in torch.autograd.grad(objective, list(G.parameters()))], 1).norm(dim=1).cpu()


def slopes(D, x):
    """The norm of the gradient of each logit with respect to its point x [5*B, 2]: [5, B]."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(D(x).sum(), x)[0].norm(dim=1).unflatten(0, (N_GAMES, -1)).cpu()


def loop(G, D, draw, n_steps, loss, rng, penalty=None, d_steps=1, lr=(3e-3, 3e-3), betas=(0.0, 0.99), ema=0.99,
         watch=lambda iteration, average: None, d_step=gan.d_step, g_step=gan.g_step):
    """`gan.fit` without files and progress bar, and with any two steps; returns the averaged G."""
    average = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(ema)).eval()
    g_optimiser, d_optimiser = (torch.optim.Adam(net.parameters(), rate, betas) for net, rate in zip((G, D), lr))
    watch(0, average.module)
    for iteration in range(1, n_steps + 1):
        for _ in range(d_steps):
            real, = draw(rng)
            d_step(G, D, real, loss=loss, optimiser=d_optimiser, rng=rng, penalty=penalty)
        g_step(G, D, len(real), loss=loss, optimiser=g_optimiser, rng=rng)
        average.update_parameters(G)
        watch(iteration, average.module)
    return average.module


def play(setup, draw, score, *, n_steps, every, batch, seed, device, fit=loop):
    """Play five games with one `Setup`, looking at them every `every` iterations: a `Run`.

    draw: a function (n, rng) that returns real points [n, 2]. score: a function of samples [5, 2000, 2] that returns
    (modes covered, share of high quality), [5] each. fit: the loop to train with, called as `loop` is.
    """
    (G, D), rng, rows, start = players(seed, device), runtime.rng(seed, device), [], time.perf_counter()

    def look(G, rng):
        with torch.no_grad():
            return G(gan.noise(G, N_GAMES * N_SAMPLES, rng)).unflatten(0, (N_GAMES, -1))

    def watch(iteration, average):
        if iteration % every == 0:
            still = runtime.rng(seed + iteration, device)       # looking must not change the game
            own, mean = look(G, still), look(average, still)
            (own_modes, _), (modes, quality) = score(own), score(mean)
            rows.append((iteration, modes.cpu(), own_modes.cpu(), quality.cpu(), own[0, :300].cpu(),
                         time.perf_counter() - start))

    fit(G, D, lambda rng: (draw(N_GAMES * batch, rng),), n_steps=n_steps, loss=setup.loss, rng=rng,
        penalty=setup.penalty, d_steps=setup.d_steps, lr=setup.lr, betas=(setup.beta1, 0.99), ema=0.99, watch=watch)
    iterations, *measured, seconds = zip(*rows)
    return Run(list(iterations), *(torch.stack(column) for column in measured), list(seconds))
