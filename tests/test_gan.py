import copy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.nn.utils.parametrizations import spectral_norm

from course_lib import checkpoints, gan, losses, networks, penalties, runtime


class Spy(torch.nn.Module):
    """`network`, remembering each call: its inputs, and what it returned."""

    def __init__(self, network):
        super().__init__()
        self.network, self.calls = network, []
        self.z_dim = getattr(network, "z_dim", None)

    def forward(self, x, *condition):
        output = self.network(x, *condition)
        self.calls.append(SimpleNamespace(x=x, condition=condition, output=output))
        return output


class Labelled(torch.nn.Module):
    """A network of points that takes what it is conditioned on as further columns."""

    def __init__(self, network, z_dim=None):
        super().__init__()
        self.network, self.z_dim = network, z_dim

    def forward(self, x, *condition):
        return self.network(torch.cat([x, *condition], dim=1))


def point_networks(seed=0, *, spectral=False, width=8, z_dim=3):
    torch.manual_seed(seed)
    G, D = networks.PointGenerator(z_dim, width=width), networks.PointDiscriminator(width=width)
    for layer in D.layers[::2] if spectral else ():
        spectral_norm(layer)
    return G, D


def image_networks(seed=0):
    torch.manual_seed(seed)
    return networks.ImageGenerator(4, n_classes=3, width=4), networks.ImageDiscriminator(n_classes=3, width=4)


def labelled_networks(seed=0):
    torch.manual_seed(seed)
    return (Labelled(networks.PointGenerator(5, width=8), z_dim=3),
            Labelled(networks.PointDiscriminator(dim=4, width=8)))


def draw_points(rng, n=6):
    return (torch.randn(n, 2, generator=rng, device=rng.device) + 2,)


def draw_images(rng):
    return (torch.rand(6, 1, 28, 28, generator=rng), torch.randint(3, (6,), generator=rng))


def draw_labelled(rng):
    x, = draw_points(rng)
    return x, torch.rand(6, 1, generator=rng), torch.rand(6, 1, generator=rng)


def sgd(net, lr=0.1):
    return torch.optim.SGD(net.parameters(), lr)


def bits(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def parameters(net):
    return [p.detach().clone() for p in net.parameters()]


def same(one, other):
    """Equal in every bit, in all that two (nested) dicts or lists hold."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    keys = one.keys() if isinstance(one, dict) else range(len(one))
    return len(one) == len(other) and all(same(one[key], other[key]) for key in keys)


def mark_gradients(net):
    """A gradient left over from before, in every parameter."""
    for p in net.parameters():
        p.grad = torch.full_like(p, 0.125)


def gradients_untouched(net):
    return all(p.grad is not None and (p.grad == 0.125).all() for p in net.parameters())


PENALTIES = {"none": None, "r1": partial(penalties.r1, gamma=0.7),
             "gp": partial(penalties.gradient_penalty, weight=0.3)}


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_step_of_d_moves_d_alone(penalty):
    G, D = point_networks()
    before_G, before_D = bits(G), parameters(D)
    mark_gradients(G)
    gan.d_step(G, D, *draw_points(runtime.rng(0)), loss=losses.NON_SATURATING, optimiser=sgd(D),
               rng=runtime.rng(1), penalty=PENALTIES[penalty])
    assert same(before_G, bits(G)) and gradients_untouched(G)
    assert all(not torch.equal(p, q) for p, q in zip(before_D, D.parameters()))


def test_a_step_of_g_moves_g_alone():
    for spectral in (False, True):
        G, D = point_networks(spectral=spectral)
        before_G, before_D = parameters(G), parameters(D)
        mark_gradients(D)
        gan.g_step(G, D, 6, loss=losses.NON_SATURATING, optimiser=sgd(G), rng=runtime.rng(1))
        assert same(before_D, parameters(D)) and gradients_untouched(D)
        assert all(not torch.equal(p, q) for p, q in zip(before_G, G.parameters()))
        assert all(p.requires_grad for p in D.parameters()), "D can learn in the next step"


@pytest.mark.parametrize("frozen", [0, 1], ids=["G", "D"])
def test_a_frozen_layer_stays_and_the_others_follow_the_same_gradient(frozen):
    nets, free = point_networks(), point_networks()
    nets[frozen].layers[0].requires_grad_(False)
    before = bits(nets[frozen].layers[0])
    for G, D in (nets, free):
        rng = runtime.rng(0)
        gan.d_step(G, D, *draw_points(rng), loss=losses.HINGE, optimiser=sgd(D), rng=rng)
        gan.g_step(G, D, 6, loss=losses.HINGE, optimiser=sgd(G), rng=rng)
    assert same(before, bits(nets[frozen].layers[0])) and not same(before, bits(free[frozen].layers[0]))
    assert same(*(bits(players[frozen].layers[2]) for players in (nets, free)))
    trained = gan.fit(*nets, draw_points, n_steps=2, rng=runtime.rng(0), **FIT)
    assert same(before, bits(nets[frozen].layers[0])) and trained.g_loss.isfinite().all()


def test_the_step_of_d_builds_no_graph_through_g():
    G, D = (Spy(net) for net in point_networks())
    real, = draw_points(runtime.rng(0))
    gan.d_step(G, D, real, loss=losses.HINGE, optimiser=sgd(D), rng=runtime.rng(1))
    assert not G.calls[0].output.requires_grad
    assert D.calls[0].x is real, "real samples reach D as they are"
    assert D.calls[1].x.grad_fn is None and torch.equal(D.calls[1].x, G.calls[0].output)
    gan.g_step(G, D, 6, loss=losses.HINGE, optimiser=sgd(G), rng=runtime.rng(1))
    assert D.calls[2].x.requires_grad and D.calls[2].x.grad_fn is not None


def test_every_step_has_fresh_noise_from_its_rng():
    G, D = (Spy(net) for net in point_networks())
    rng, before = runtime.rng(1), torch.get_rng_state()
    for _ in range(2):
        gan.d_step(G, D, *draw_points(runtime.rng(0)), loss=losses.HINGE, optimiser=sgd(D), rng=rng)
        gan.g_step(G, D, 4, loss=losses.HINGE, optimiser=sgd(G), rng=rng)
    z = [call.x for call in G.calls]
    assert [len(z_i) for z_i in z] == [6, 4, 6, 4] and all(z_i.shape[1] == 3 for z_i in z)
    assert len({value for z_i in z for value in z_i.flatten().tolist()}) == 3 * 20, "no number comes twice"
    replay = runtime.rng(1)
    assert all(torch.equal(z_i, torch.randn(len(z_i), 3, generator=replay)) for z_i in z)
    assert torch.equal(before, torch.get_rng_state())


def test_noise_is_standard_normal():
    z = gan.noise(SimpleNamespace(z_dim=50), 2000, runtime.rng(0)).double()
    assert z.shape == (2000, 50)
    for moment, expected, four_standard_errors in ((z, 0, 0.013), (z**2, 1, 0.018), (z**4, 3, 0.13)):
        assert abs(moment.mean() - expected) < four_standard_errors


def gradient_of(objective, net):
    return torch.autograd.grad(objective, list(net.parameters()))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("make, draw", [(point_networks, draw_points), (labelled_networks, draw_labelled),
                                        (image_networks, draw_images)])
def test_one_iteration_equals_the_formula_bit_for_bit(make, draw, penalty):
    (G, D), (reference_G, reference_D) = make(), make()
    mark_gradients(D), mark_gradients(G)        # left over gradients do not count
    real, *y = draw(runtime.rng(0))
    penalty = PENALTIES[penalty]
    ours = runtime.rng(1)
    d_loss = gan.d_step(G, D, real, y, loss=losses.NON_SATURATING, optimiser=sgd(D), rng=ours, penalty=penalty)
    g_loss = gan.g_step(G, D, 6, y, loss=losses.NON_SATURATING, optimiser=sgd(G, 0.2), rng=ours)

    theirs = runtime.rng(1)
    fake = reference_G(torch.randn(6, G.z_dim, generator=theirs), *y).detach()
    expected_d = (torch.nn.functional.softplus(-reference_D(real, *y)).mean()
                  + torch.nn.functional.softplus(reference_D(fake, *y)).mean())
    if penalty:
        expected_d = expected_d + penalty(lambda x: reference_D(x, *y), real, fake, theirs)
    with torch.no_grad():
        for p, gradient in zip(reference_D.parameters(), gradient_of(expected_d, reference_D)):
            p.add_(gradient, alpha=-0.1)
    fake = reference_G(torch.randn(6, G.z_dim, generator=theirs), *y)
    expected_g = torch.nn.functional.softplus(-reference_D(fake, *y)).mean()
    with torch.no_grad():
        for p, gradient in zip(reference_G.parameters(), gradient_of(expected_g, reference_G)):
            p.add_(gradient, alpha=-0.2)

    assert torch.equal(d_loss, expected_d.detach()) and torch.equal(g_loss, expected_g.detach())
    assert not d_loss.requires_grad and not g_loss.requires_grad and d_loss.shape == g_loss.shape == ()
    assert same(bits(D), bits(reference_D)) and same(bits(G), bits(reference_G))


def test_the_loss_and_the_penalty_are_the_callers():
    G, D = (Spy(net) for net in point_networks())
    seen = []
    loss = losses.GANLoss(d=lambda real, fake: (3 * real.mean() - 5 * fake.sum()),
                          g=lambda fake: 7 * fake.square().mean())

    def penalty(discriminator, real, fake, rng):
        seen.append((real, fake, rng))
        return 11 * discriminator(real * 2).mean()

    real, = draw_points(runtime.rng(0))
    rng = runtime.rng(1)
    value = gan.d_step(G, D, real, loss=loss, optimiser=sgd(D), rng=rng, penalty=penalty)
    of_real, of_fake, of_penalty = (call.output.detach() for call in D.calls)
    torch.testing.assert_close(value, 3 * of_real.mean() - 5 * of_fake.sum() + 11 * of_penalty.mean())
    assert torch.equal(D.calls[2].x, real * 2) and seen[0][2] is rng
    assert torch.equal(seen[0][0], real) and torch.equal(seen[0][1], G.calls[0].output)
    value = gan.g_step(G, D, 6, loss=loss, optimiser=sgd(G), rng=rng)
    torch.testing.assert_close(value, 7 * D.calls[3].output.detach().square().mean())


def test_the_condition_reaches_both_networks_in_both_steps():
    G, D = (Spy(net) for net in labelled_networks())
    real, *y = draw_labelled(runtime.rng(0))
    gan.d_step(G, D, real, y, loss=losses.HINGE, optimiser=sgd(D), rng=runtime.rng(1),
               penalty=PENALTIES["gp"])
    gan.g_step(G, D, 6, y, loss=losses.HINGE, optimiser=sgd(G), rng=runtime.rng(1))
    assert len(G.calls) == 2 and len(D.calls) == 4
    assert all(call.condition[0] is y[0] and call.condition[1] is y[1] for call in G.calls + D.calls)


FIT = {"loss": losses.NON_SATURATING, "lr": (3e-3, 1e-2)}


@pytest.mark.parametrize("d_steps", [1, 3])
def test_fit_equals_a_loop_written_by_hand(d_steps):
    (G, D), (reference_G, reference_D) = labelled_networks(), labelled_networks()
    trained = gan.fit(G, D, draw_labelled, n_steps=4, d_steps=d_steps, rng=runtime.rng(1),
                      penalty=PENALTIES["gp"], betas=(0.3, 0.8), **FIT)
    g_adam = torch.optim.Adam(reference_G.parameters(), lr=3e-3, betas=(0.3, 0.8))
    d_adam = torch.optim.Adam(reference_D.parameters(), lr=1e-2, betas=(0.3, 0.8))
    rng, d_losses, g_losses = runtime.rng(1), [], []
    for _ in range(4):
        for _ in range(d_steps):
            real, *y = draw_labelled(rng)
            d_loss = gan.d_step(reference_G, reference_D, real, y, loss=losses.NON_SATURATING, optimiser=d_adam,
                                rng=rng, penalty=PENALTIES["gp"])
        d_losses.append(d_loss)
        g_losses.append(gan.g_step(reference_G, reference_D, 6, y, loss=losses.NON_SATURATING, optimiser=g_adam,
                                   rng=rng))
    assert same(bits(G), bits(reference_G)) and same(bits(D), bits(reference_D))
    assert trained.d_loss.shape == trained.g_loss.shape == (4,)
    assert torch.equal(trained.d_loss, torch.stack(d_losses)) and torch.equal(trained.g_loss, torch.stack(g_losses))


def test_fit_takes_d_steps_steps_of_d_for_each_of_g():
    G, D = (Spy(net) for net in point_networks())
    drawn = []

    def draw(rng):
        drawn.append(draw_points(rng)[0])
        return (drawn[-1],)

    gan.fit(G, D, draw, n_steps=3, d_steps=4, rng=runtime.rng(0), **FIT)
    assert len(drawn) == 12 and len(G.calls) == 15 and len(D.calls) == 3 * (4 * 2 + 1)
    assert [call.output.requires_grad for call in G.calls] == [False] * 4 + [True] + [False] * 4 + [True] + [
        False] * 4 + [True]
    assert all(torch.equal(D.calls[9 * (i // 4) + 2 * (i % 4)].x, x) for i, x in enumerate(drawn)), "fresh data each"


def test_fit_trains_in_training_mode_however_the_networks_come():
    G, D = image_networks()
    gan.fit(G.eval(), D.eval(), draw_images, n_steps=1, rng=runtime.rng(0), **FIT)
    assert all(part.training for part in (*G.modules(), *D.modules()))


@pytest.mark.parametrize("ema", [0.0, 0.6, 0.999])
def test_the_average_of_gs_weights(ema):
    G, D = image_networks()
    g_weights, averages, buffers = [], [], []

    def watch(iteration, average):
        assert not average.training and G.training
        g_weights.append(parameters(G))
        averages.append(parameters(average))
        buffers.append(same(list(G.buffers()), list(average.buffers())))

    trained = gan.fit(G, D, draw_images, n_steps=5, ema=ema, watch=watch, rng=runtime.rng(0), **FIT)
    assert same(averages[0], g_weights[0]) and all(buffers)
    average = g_weights[1]      # the average starts at the first weights that were trained
    for now, ours in zip(g_weights[1:], averages[1:]):
        average = [ema * old + (1 - ema) * new for old, new in zip(average, now)]
        for expected, came in zip(average, ours):
            torch.testing.assert_close(came, expected, rtol=1e-5, atol=1e-7)
    assert same(averages[-1], parameters(trained.G)) and not trained.G.training
    assert same(parameters(trained.G), parameters(G)) == (ema == 0)
    assert trained.G is not G and not any(a is b for a, b in zip(trained.G.parameters(), G.parameters()))


def test_watch_sees_every_iteration_once():
    seen = []
    G, D = point_networks()
    gan.fit(G, D, draw_points, n_steps=5, rng=runtime.rng(0),
            watch=lambda iteration, average: seen.append((iteration, average(torch.zeros(1, 3)))), **FIT)
    assert [iteration for iteration, _ in seen] == [0, 1, 2, 3, 4, 5]
    assert len({x[0, 0].item() for _, x in seen}) == 6


def test_watching_changes_nothing():
    (G, D), (watched_G, watched_D) = point_networks(), point_networks()
    gan.fit(G, D, draw_points, n_steps=3, rng=runtime.rng(0), **FIT)
    gan.fit(watched_G, watched_D, draw_points, n_steps=3, rng=runtime.rng(0),
            watch=lambda iteration, average: average(torch.ones(2, 3)), **FIT)
    assert same(bits(G), bits(watched_G)) and same(bits(D), bits(watched_D))


@pytest.mark.parametrize("wrong", [{"n_steps": 0}, {"n_steps": 2.5}, {"d_steps": 0}, {"save_every": 0}])
def test_sizes_that_make_no_sense_are_refused(wrong):
    G, D = point_networks()
    name, = wrong
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1"):
        gan.fit(G, D, draw_points, rng=runtime.rng(0), **{**FIT, "n_steps": 2, **wrong})


def killed_at(iteration, draw, d_steps=1):
    """`draw`, until the process is killed in the given iteration (the first is 1)."""
    calls = []

    def deadly(rng):
        calls.append(None)
        if len(calls) > (iteration - 1) * d_steps:
            raise KeyboardInterrupt
        return draw(rng)

    return deadly


SETTINGS = {"points": (point_networks, draw_points, {"d_steps": 2, "penalty": PENALTIES["gp"]}),
            "labelled points": (labelled_networks, draw_labelled, {"penalty": PENALTIES["r1"]}),
            "images": (image_networks, draw_images, {"loss": losses.HINGE})}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_killed_run_goes_on_and_ends_in_the_same_bits(name, tmp_path):
    make, draw, options = SETTINGS[name]
    options = {**FIT, "save_every": 3, "ema": 0.7, **options}
    rng, (G, D) = runtime.rng(1), make()
    trained = gan.fit(G, D, draw, n_steps=8, rng=rng, **options)

    path = tmp_path / "gan.safetensors"
    with pytest.raises(KeyboardInterrupt):      # in iteration 6, long after the save in iteration 3
        gan.fit(*make(), killed_at(6, draw, options.get("d_steps", 1)), n_steps=8, rng=runtime.rng(1),
                path=path, **options)
    assert checkpoints.load(path)["step"] == 3
    iterations, other, (G2, D2) = [], runtime.rng(77), make(seed=5)
    resumed = gan.fit(G2, D2, draw, n_steps=8, rng=other, path=path, watch=lambda t, _: iterations.append(t),
                      **options)
    assert iterations == [4, 5, 6, 7, 8]
    assert same(bits(G), bits(G2)) and same(bits(D), bits(D2)) and same(bits(trained.G), bits(resumed.G))
    assert torch.equal(trained.d_loss, resumed.d_loss) and torch.equal(trained.g_loss, resumed.g_loss)
    assert torch.equal(rng.get_state(), other.get_state())


def test_a_finished_run_can_be_made_longer_or_looked_at_again(tmp_path):
    path, options = tmp_path / "gan.safetensors", {**FIT, "save_every": 100, "made": {"seed": 1}}
    G, D = point_networks()
    trained = gan.fit(G, D, draw_points, n_steps=9, rng=runtime.rng(1), **options)
    gan.fit(*point_networks(), draw_points, n_steps=4, rng=runtime.rng(1), path=path, **options)
    for _ in range(2):      # the second time there is nothing left to do
        G2, D2 = point_networks(seed=3)
        longer = gan.fit(G2, D2, draw_points, n_steps=9, rng=runtime.rng(2), path=path, **options)
        assert same(bits(G), bits(G2)) and same(bits(D), bits(D2)) and same(bits(trained.G), bits(longer.G))
        assert torch.equal(trained.d_loss, longer.d_loss) and torch.equal(trained.g_loss, longer.g_loss)
    with pytest.raises(ValueError, match="seed=1, this run has seed=2"):
        gan.fit(*point_networks(), draw_points, n_steps=9, rng=runtime.rng(1), path=path,
                **{**options, "made": {"seed": 2}})


def broken_in(iteration, draw=draw_points, value=float("nan")):
    """`draw`, with one number that is not finite in the given iteration (the first is 1)."""
    calls = []

    def broken(rng):
        x, *rest = draw(rng)
        calls.append(None)
        if len(calls) == iteration:
            x[2, 1] = value
        return x, *rest

    return broken


@pytest.mark.parametrize("iteration, save_every, kept", [(13, 5, 10), (11, 5, 10), (10, 5, 5), (30, 7, 28),
                                                         (25, 1000, 0), (2, 5, 0)])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, iteration, save_every, kept, value):
    path = tmp_path / "gan.safetensors"
    G, D = point_networks()
    with pytest.raises(gan.Diverged) as caught:
        gan.fit(G, D, broken_in(iteration, value=value), n_steps=50, save_every=save_every, path=path,
                rng=runtime.rng(0), **FIT)
    message = str(caught.value)
    assert f"in iteration {iteration}:" in message and "D's loss is " in message and "lower learning rate" in message
    if kept:
        assert f"the last good state, after {kept} iterations, is in {path}" in message
        saved = checkpoints.load(path)
        assert saved["step"] == kept
        G2, D2 = point_networks(seed=4)
        again = gan.fit(G2, D2, draw_points, n_steps=kept, save_every=save_every, path=path,
                        rng=runtime.rng(0), **FIT)
        nets = [*G2.parameters(), *D2.parameters(), *again.G.parameters(), again.d_loss, again.g_loss]
        assert len(again.d_loss) == kept and all(p.isfinite().all() for p in nets)
    else:
        assert "no earlier state was kept" in message and not path.exists()


@pytest.mark.parametrize("side, what", [("d", r"D's loss is nan, G's -?\d"), ("g", r"D's loss is \d\S+, G's nan")])
def test_one_loss_is_enough(side, what):
    """Its gradient is finite here, and so are all weights."""
    calls = []

    def broken(*logits):
        calls.append(None)
        return getattr(losses.HINGE, side)(*logits) + (float("nan") if len(calls) == 4 else 0)

    with pytest.raises(gan.Diverged, match=f"in iteration 4: {what}"):
        gan.fit(*point_networks(), draw_points, n_steps=10, loss=losses.HINGE._replace(**{side: broken}),
                rng=runtime.rng(0))


def test_the_end_of_a_run_is_looked_at_before_it_is_saved(tmp_path):
    path = tmp_path / "gan.safetensors"
    with pytest.raises(gan.Diverged, match=r"in iteration 13: .* after 10 iterations"):
        gan.fit(*point_networks(), broken_in(13), n_steps=13, save_every=5, path=path, rng=runtime.rng(0),
                **FIT)
    assert checkpoints.load(path)["step"] == 10


def test_a_run_without_a_path_diverges_within_a_few_iterations():
    seen = []
    with pytest.raises(gan.Diverged, match="in iteration 3: D's loss is nan, G's nan; no earlier state was kept"):
        gan.fit(*point_networks(), broken_in(3), n_steps=1000, watch=lambda iteration, _: seen.append(iteration),
                rng=runtime.rng(0), **FIT)
    assert seen[-1] < 40


def test_the_last_good_state_of_a_run_made_longer(tmp_path):
    """Its last state was saved at the end of the shorter run, not at a multiple of save_every."""
    path = tmp_path / "gan.safetensors"
    for save_every, n_steps in ((5, 7), (1000, 12)):
        gan.fit(*point_networks(), draw_points, n_steps=n_steps, save_every=save_every, path=path,
                rng=runtime.rng(0), **FIT)
        where = f"in iteration {n_steps + 2}: .*the last good state, after {n_steps} iterations, is in"
        with pytest.raises(gan.Diverged, match=where):
            gan.fit(*point_networks(), broken_in(2), n_steps=50, save_every=save_every, path=path,
                    rng=runtime.rng(0), **FIT)


@pytest.mark.parametrize("which", [0, 1])
def test_a_weight_that_is_not_finite_is_never_saved(tmp_path, which):
    path = tmp_path / "gan.safetensors"
    nets = point_networks()
    nets[which].idle = torch.nn.Parameter(torch.zeros(2))       # in no loss: only a look at the weights can find it

    def watch(iteration, average):
        if iteration == 8:
            nets[which].idle.data[1] = float("inf")

    with pytest.raises(gan.Diverged, match="a weight is not finite; the last good state, after 6 iterations"):
        gan.fit(*nets, draw_points, n_steps=30, save_every=6, watch=watch, path=path, rng=runtime.rng(0),
                **FIT)
    saved = checkpoints.load(path)
    assert saved["step"] == 6 and all(p.isfinite().all() for p in saved["parts"]["GD"[which]].values())


def test_a_long_run_looks_at_its_recent_losses_alone(monkeypatch):
    """Else the time of a look grows with the run: 20 ms of each look after 30,000 iterations."""
    looked_at, isfinite = [], torch.Tensor.isfinite
    monkeypatch.setattr(torch.Tensor, "isfinite", lambda x: looked_at.append(tuple(x.shape)) or isfinite(x))
    gan.fit(*point_networks(), draw_points, n_steps=100, rng=runtime.rng(0), **FIT)
    assert (20, 2) in looked_at and max(shape[0] for shape in looked_at) == 20


def usable(device):
    """Whether `device` can be used here. Some hosted Macs report a GPU that fails at the first tensor."""
    try:
        return bool((torch.ones(2, device=runtime.device(device)) + 1).sum() == 4)
    except (ValueError, RuntimeError):
        return False


DEVICES = [pytest.param(device, marks=pytest.mark.skipif(not usable(device), reason=f"no {device} here"))
           for device in ("cpu", "cuda", "mps")]


@pytest.mark.parametrize("device", DEVICES)
def test_training_stops_and_goes_on_on_every_device(device, tmp_path):
    def make(seed):
        return [net.to(device) for net in point_networks(seed, spectral=True)]

    options = {**FIT, "save_every": 3, "penalty": PENALTIES["gp"]}
    G, D = make(0)
    whole = gan.fit(G, D, draw_points, n_steps=6, rng=runtime.rng(1, device), **options)
    with pytest.raises(KeyboardInterrupt):
        gan.fit(*make(0), killed_at(5, draw_points), n_steps=6, path=tmp_path / "gan.safetensors",
                rng=runtime.rng(1, device), **options)
    G2, D2 = make(2)
    resumed = gan.fit(G2, D2, draw_points, n_steps=6, path=tmp_path / "gan.safetensors",
                      rng=runtime.rng(7, device), **options)
    assert {p.device.type for p in resumed.G.parameters()} == {device} and resumed.d_loss.device.type == "cpu"
    torch.testing.assert_close(resumed.d_loss, whole.d_loss, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(resumed.g_loss, whole.g_loss, rtol=1e-3, atol=1e-4)
    for p, q in zip(whole.G.parameters(), resumed.G.parameters()):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-4)


def test_a_gan_learns_a_normal_distribution():
    torch.manual_seed(0)
    G, D = networks.PointGenerator(1, dim=1, width=16), networks.PointDiscriminator(dim=1, width=16)
    untrained = copy.deepcopy(G)
    trained = gan.fit(G, D, lambda rng: (3 + 0.5 * torch.randn(128, 1, generator=rng),), n_steps=400,
                      loss=losses.NON_SATURATING, penalty=partial(penalties.r1, gamma=0.3), lr=(3e-3, 3e-3),
                      betas=(0, 0.99), ema=0.98, rng=runtime.rng(1))
    for net, learned in ((trained.G, True), (untrained, False)):
        x = net(gan.noise(net, 4000, runtime.rng(2))).detach()
        assert (abs(x.mean().item() - 3) < 0.15) == learned and (abs(x.std().item() - 0.5) < 0.15) == learned
