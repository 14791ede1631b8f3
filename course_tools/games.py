"""Five games side by side: small GANs stacked into one. Rows 0 to B-1 of a batch belong to game 0, and so on."""

import time
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import register_parametrization

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


class SpectralNorm(nn.Module):
    """Weights [S, in, out] -> the same, each matrix divided by its largest singular value (Miyato et al. 2018)."""

    def __init__(self, weight):
        super().__init__()
        self.register_buffer("u", torch.randn(len(weight), 1, weight.shape[1]))
        for _ in range(20):
            self(weight)

    def forward(self, weight):
        with torch.no_grad():
            v = normalize(self.u @ weight, dim=2)
            self.u = normalize(v @ weight.mT, dim=2) if self.training else self.u       # looking leaves it alone
        return weight / (self.u @ weight @ v.mT)


class Setup(NamedTuple):
    """What sets one game apart from another."""

    loss: losses.GANLoss
    penalty: object = None
    spectral: bool = False          # spectral norm in every layer of D
    d_steps: int = 1
    lr: tuple = (3e-3, 3e-3)        # of G, of D
    beta1: float = 0.0


class Run(NamedTuple):
    """Five games; L looks at them."""

    iterations: list                # [L]
    modes: torch.Tensor             # [L, 5] covered by the averaged G
    own_modes: torch.Tensor         # [L, 5] covered by G itself
    quality: torch.Tensor           # [L, 5] share of the averaged G's samples of high quality
    gradient: torch.Tensor          # [L, 5] norm of the gradient that reaches G
    samples: torch.Tensor           # [L, 300, 2] of G itself, game 0
    seconds: list                   # [L] since the start, for all five games


def players(seed, device, spectral=False):
    """Five generators and five discriminators of points, as one G and one D; their first weights depend on the seed."""
    runtime.seed_everything(seed)
    G = SideBySide([networks.PointGenerator(width=64) for _ in range(N_GAMES)])
    D = SideBySide([networks.PointDiscriminator(width=64) for _ in range(N_GAMES)])
    for layer in D.layers[::2] if spectral else ():
        register_parametrization(layer, "weight", SpectralNorm(layer.weight))
    return G.to(device), D.to(device)


def gradient_norm(G, D, g_loss, z):
    """The norm of the gradient of G's loss, over all weights of G, in each of the five games: [5]."""
    objective = N_GAMES * g_loss(D.eval()(G(z)))      # the mean over five games -> their sum
    D.train()
    return torch.cat([g.flatten(1) for g in torch.autograd.grad(objective, list(G.parameters()))], 1).norm(dim=1).cpu()


def play(setup, draw, score, *, n_steps, every, batch, seed, device):
    """Play five games with one `Setup`, looking at them every `every` iterations: a `Run`.

    draw: a function (n, rng) that returns real points [n, 2]. score: a function of samples [5, 2000, 2] that returns
    (modes covered, share of high quality), [5] each.
    """
    (G, D), rng, rows, start = players(seed, device, setup.spectral), runtime.rng(seed, device), [], time.perf_counter()

    def look(G, rng):
        with torch.no_grad():
            return G(gan.noise(G, N_GAMES * N_SAMPLES, rng)).unflatten(0, (N_GAMES, -1))

    def watch(iteration, average):
        if iteration % every == 0:
            still = runtime.rng(seed + iteration, device)       # looking must not change the game
            own, mean = look(G, still), look(average, still)
            gradient = gradient_norm(G, D, setup.loss.g, gan.noise(G, N_GAMES * batch, still))
            (own_modes, _), (modes, quality) = score(own), score(mean)
            rows.append((iteration, modes.cpu(), own_modes.cpu(), quality.cpu(), gradient, own[0, :300].cpu(),
                         time.perf_counter() - start))

    gan.fit(G, D, lambda rng: (draw(N_GAMES * batch, rng),), n_steps=n_steps, loss=setup.loss, penalty=setup.penalty,
            rng=rng, d_steps=setup.d_steps, lr=setup.lr, betas=(setup.beta1, 0.99), ema=0.99, watch=watch)
    iterations, *measured, seconds = zip(*rows)
    return Run(list(iterations), *(torch.stack(column) for column in measured), list(seconds))
