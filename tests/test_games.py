import copy
from functools import partial

import pytest
import torch
from torch.nn.functional import softplus

from course_lib import gan, losses, networks, penalties, runtime
from course_tools import games


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def alone(seed=0):
    """Five generators and five discriminators."""
    torch.manual_seed(seed)
    return ([networks.PointGenerator(3, width=8) for _ in range(5)],
            [networks.PointDiscriminator(width=8) for _ in range(5)])


def together(players):
    return games.SideBySide(copy.deepcopy(players))


def rows_of(players, x):
    """What each player makes of its fifth of x, [5*B, ...]."""
    return torch.cat([player(rows) for player, rows in zip(players, x.chunk(5))])


def test_five_stacked_networks_equal_five_alone(float64):
    for players, dim in zip(alone(), (3, 2)):
        x = torch.randn(5 * 6, dim, generator=runtime.rng(1))
        assert together(players).z_dim == getattr(players[0], "z_dim", None)
        output = together(players)(x)
        assert output.shape == ((30, 2) if dim == 3 else (30,))
        torch.testing.assert_close(output, rows_of(players, x), rtol=1e-12, atol=1e-12)
        assert not torch.allclose(output, rows_of(players[::-1], x), atol=0.01), "the five differ"


def test_no_game_influences_another():
    _, Ds = alone()
    x = torch.randn(5 * 3, 2, generator=runtime.rng(1)).requires_grad_()
    D = together(Ds)
    gradient, *of_weights = torch.autograd.grad(D(x)[6:9].sum(), [x, *D.parameters()])     # the rows of game 2
    assert (gradient.abs().sum(1) > 0).tolist() == [False] * 6 + [True] * 3 + [False] * 6
    assert all((g.flatten(1).abs().sum(1) > 0).tolist() == [False, False, True, False, False] for g in of_weights)


@pytest.mark.parametrize("optimiser, rtol", [
    (lambda net, games: torch.optim.SGD(net.parameters(), 0.05 * games), 1e-9),     # the loss is a mean over the games
    (lambda net, games: torch.optim.Adam(net.parameters(), 3e-3, eps=1e-15), 1e-6)], ids=["SGD", "Adam"])
@pytest.mark.parametrize("penalty", [None, partial(penalties.r1, gamma=0.7)], ids=["plain", "r1"])
def test_five_stacked_games_train_as_five_alone(float64, optimiser, rtol, penalty):
    """`gan.d_step` and `gan.g_step` on all five at once, against the formula written out for one after the other."""
    Gs, Ds = alone()
    G, D, rng, replay = together(Gs), together(Ds), runtime.rng(2), runtime.rng(2)
    g_optimiser, d_optimiser = optimiser(G, 5), optimiser(D, 5)
    g_optimisers, d_optimisers = ([optimiser(net, 1) for net in nets] for nets in (Gs, Ds))
    options = {"loss": losses.NON_SATURATING, "rng": rng}
    for _ in range(12):
        real = torch.randn(5 * 6, 2, generator=rng) + 1
        gan.d_step(G, D, real, optimiser=d_optimiser, penalty=penalty, **options)
        gan.g_step(G, D, 5 * 6, optimiser=g_optimiser, **options)
        assert torch.equal(real, torch.randn(5 * 6, 2, generator=replay) + 1)
        for net, other, optim, x, z in zip(Ds, Gs, d_optimisers, real.chunk(5), gan.noise(G, 30, replay).chunk(5)):
            loss = softplus(-net(x)).mean() + softplus(net(other(z).detach())).mean()
            optim.zero_grad()
            (loss + penalty(net, x) if penalty else loss).backward()
            optim.step()
        for net, other, optim, z in zip(Gs, Ds, g_optimisers, gan.noise(G, 30, replay).chunk(5)):
            optim.zero_grad()
            softplus(-other(net(z))).mean().backward()
            optim.step()
    x = torch.randn(5 * 6, 3, generator=rng)
    torch.testing.assert_close(G(x), rows_of(Gs, x), rtol=rtol, atol=rtol)
    torch.testing.assert_close(D(x[:, :2]), rows_of(Ds, x[:, :2]), rtol=rtol, atol=rtol)
    before, _ = alone()
    assert (rows_of(Gs, x) - rows_of(before, x)).abs().max() > 0.01, "they did learn"


def test_players_depend_on_the_seed_alone():
    one, same, other = ([p for net in games.players(seed, "cpu") for p in net.parameters()] for seed in (3, 3, 4))
    assert all(map(torch.equal, one, same)) and not any(map(torch.equal, one, other))


def test_the_gradient_norm_of_each_game_is_its_own(float64):
    Gs, Ds = alone()
    z = torch.randn(5 * 7, 3, generator=runtime.rng(1))
    found = games.gradient_norm(together(Gs), together(Ds), losses.NON_SATURATING.g, z)
    expected = []
    for G, one, rows in zip(Gs, Ds, z.chunk(5)):
        gradients = torch.autograd.grad(softplus(-one(G(rows))).mean(), list(G.parameters()))
        expected.append(sum(g.square().sum() for g in gradients) ** 0.5)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-10, atol=1e-12)


def test_the_slopes_of_each_discriminator_are_its_own(float64):
    _, Ds = alone()
    x = torch.randn(5 * 7, 2, generator=runtime.rng(1))
    expected = torch.stack([torch.stack([torch.autograd.functional.jacobian(lambda p, D=D: D(p[None])[0], p).norm()
                                         for p in rows]) for D, rows in zip(Ds, x.chunk(5))])
    torch.testing.assert_close(games.slopes(together(Ds), x), expected, rtol=1e-10, atol=1e-12)
    assert not x.requires_grad


@pytest.mark.parametrize("d_steps, penalty", [(1, None), (3, partial(penalties.gradient_penalty, weight=0.5))])
def test_the_loop_trains_as_gan_fit_does(d_steps, penalty):
    (G, D), (right_G, right_D), seen, right_seen = map(together, alone()), map(together, alone()), [], []

    def watch(into):
        return lambda iteration, average: into.append((iteration, next(average.parameters()).detach().clone()))

    options = {"n_steps": 4, "loss": losses.HINGE, "penalty": penalty, "d_steps": d_steps, "lr": (0.01, 0.02),
               "betas": (0.3, 0.9), "ema": 0.8}
    average = games.loop(G, D, lambda rng: (draw(30, rng),), rng=runtime.rng(3), watch=watch(seen), **options)
    right = gan.fit(right_G, right_D, lambda rng: (draw(30, rng),), rng=runtime.rng(3), watch=watch(right_seen),
                    **options).G
    for one, other in ((G, right_G), (D, right_D), (average, right)):
        assert all(map(torch.equal, one.parameters(), other.parameters()))
    assert [i for i, _ in seen] == [i for i, _ in right_seen] == [0, 1, 2, 3, 4]
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(seen, right_seen))


def test_the_loop_takes_any_two_steps():
    calls, (G, D) = [], map(together, alone())
    games.loop(G, D, lambda rng: (draw(30, rng),), 2, losses.HINGE, runtime.rng(3), d_steps=2,
               d_step=lambda G, D, real, **options: calls.append((len(real), sorted(options))),
               g_step=lambda G, D, n, **options: calls.append((n, sorted(options))))
    of_d, of_g = (30, ["loss", "optimiser", "penalty", "rng"]), (30, ["loss", "optimiser", "rng"])
    assert calls == [of_d, of_d, of_g] * 2


def draw(n, rng):
    return torch.randn(n, 2, generator=rng) + 2


def play(setup=None, seed=0, every=2, score=None, n_steps=4, fit=games.loop):
    scored = score or (lambda x: (x.mean((1, 2)), x.std((1, 2))))
    return games.play(setup or games.Setup(losses.NON_SATURATING), draw, scored, n_steps=n_steps, every=every, batch=6,
                      seed=seed, device="cpu", fit=fit)


def test_play_returns_a_look_every_few_iterations():
    seen = []

    def score(x):
        seen.append(x.shape)
        return torch.full((5,), float(len(seen))), torch.full((5,), -float(len(seen)))

    run = play(score=score)
    assert run.iterations == [0, 2, 4] and seen == [(5, 2000, 2)] * 6
    assert run.modes.shape == run.own_modes.shape == run.quality.shape == (3, 5)
    assert run.samples.shape == (3, 300, 2) and len(run.seconds) == 3 and run.seconds == sorted(run.seconds)
    assert run.own_modes[:, 0].tolist() == [1, 3, 5] and run.modes[:, 0].tolist() == [2, 4, 6]
    assert run.quality[:, 0].tolist() == [-2, -4, -6], "the averaged G's"
    assert all(field.isfinite().all() for field in run[1:5])


@pytest.mark.parametrize("setup", [games.Setup(losses.NON_SATURATING), games.Setup(losses.HINGE, beta1=0.5),
                                   games.Setup(losses.WASSERSTEIN, penalty=penalties.gradient_penalty, d_steps=2)])
def test_looking_does_not_change_the_game(setup):
    often, seldom, other = play(setup, every=1), play(setup, every=4), play(setup, every=4, seed=1)
    assert often.iterations == [0, 1, 2, 3, 4] and seldom.iterations == [0, 4]
    for name in ("modes", "own_modes", "quality", "samples"):
        assert torch.equal(getattr(often, name)[[0, -1]], getattr(seldom, name)), name
        assert not torch.equal(getattr(seldom, name)[0], getattr(seldom, name)[1]), f"{name} changes in training"
        assert not torch.equal(getattr(seldom, name), getattr(other, name)), f"{name} depends on the seed"


def test_a_setup_says_how_the_game_is_played():
    asked = []

    def spy(G, D, draw, **options):
        asked.append((G, D, draw(runtime.rng(0)), options))
        return games.loop(G, D, draw, **options)

    setup = games.Setup(losses.HINGE, penalty=penalties.r1, d_steps=3, lr=(1e-3, 2e-3), beta1=0.5)
    run = play(setup, fit=spy)
    (G, D, (real,), options), = asked
    assert G.n == D.n == 5 and real.shape == (5 * 6, 2)
    assert options["loss"] is losses.HINGE and options["penalty"] is penalties.r1
    assert (options["d_steps"], options["lr"], options["betas"], options["n_steps"]) == (
        3, (1e-3, 2e-3), (0.5, 0.99), 4)
    assert torch.equal(run.samples, play(setup).samples)
