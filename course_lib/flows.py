"""Flow matching: a generator without a discriminator. A regression teaches the velocity that carries noise to data."""

import torch
from torch.nn.functional import conv2d

from . import networks
from .runtime import positive, progress


def matching_loss(G, y, x, task, rng):
    """E |v(a, t) - (y - z)|^2 at a = (1 - t) z + t y, the straight way from noise z to y [B, F]: a scalar.

    G: a `networks.Flow`; y: what its `target` makes of data. Source: Lipman et al. 2023, eq. 23, with sigma_min = 0.
    """
    z, t = torch.randn(y.shape, device=y.device, generator=rng), torch.rand(len(y), device=y.device, generator=rng)
    at = z.lerp(y, t[:, None])
    return (G.velocity(at, t, x, G.condition(z[:, :0], x, task)) - (y - z)).square().mean()


def fit(G, draw, *, n_steps, rng, lr=1e-3, objective=matching_loss):
    """Train G in place for `n_steps` steps of Adam, whose rate falls from `lr` to 0 in a straight line; returns it.

    draw: a function of rng that returns (y [B, F], x [B, K, 1, 28, 28], task). objective: as `matching_loss`.
    """
    positive(n_steps=n_steps)
    optimiser = torch.optim.Adam(G.parameters(), lr)
    for step in progress(range(n_steps), desc="flow"):
        optimiser.param_groups[0]["lr"] = lr * (1 - step / n_steps)
        loss = objective(G, *draw(rng), rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return G.eval()


def warps_between(x, real, *, steps=40, lr=0.3, weight=0.1, sigma=1.0):
    """Settings [B, 57] of `networks.warp` that carry drawings x to others of their characters, real [B, 1, 28, 28].

    Found by Adam for each pair: the squared distance of the blurred pictures (by `sigma` pixels, so that strokes apart
    still attract each other), and `weight` times the squared settings, each in units of what is usual.
    """
    usual = torch.cat([torch.full((6,), 0.1), torch.full((50,), 0.7), torch.full((1,), 0.3)]).to(x.device)
    found = torch.full((len(x), 57), 1e-2, device=x.device, requires_grad=True)     # at 0, strokes have no slope
    optimiser, target = torch.optim.Adam([found], lr), blur(real, sigma)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = lr * (1 - step / steps)
        affine, field, stroke_width = networks.apart(usual * found)
        apart = blur(networks.warp(x, affine, field, stroke_width.clamp(-1, 1)), sigma) - target
        optimiser.zero_grad()
        (apart.square().sum() + weight * found.square().sum()).backward()
        optimiser.step()
    return (usual * found).detach()


def blur(x, sigma):
    """Images x [B, 1, H, W], blurred by a Gaussian of sigma pixels."""
    weights = torch.exp(-torch.arange(-4, 5.0, device=x.device).square() / 2 / sigma ** 2)
    weights = (weights / weights.sum()).view(1, 1, 1, 9)
    return conv2d(conv2d(x, weights, padding=(0, 4)), weights.mT, padding=(4, 0))
