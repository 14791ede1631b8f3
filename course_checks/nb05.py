"""Checks of the exercises of notebook 05, autopsy."""

import torch
from torch.nn.functional import softplus

from ._base import SURE, check, check_unchanged, compare, done, finite_loss, players_of_pairs, require, returned


@check
def listens(function):
    """Check `function(player, x, conditions) -> bool`: does any answer of player(x, condition) depend on the condition?

    x float [B, ...]; conditions float [K, B, ...], K conditions for the same batch. Equal calls give equal answers.
    """
    rng = torch.Generator().manual_seed(7)
    x, conditions = torch.randn(4, 6, generator=rng), torch.randn(3, 4, 6, generator=rng)
    for player, right, hint in _listeners(conditions):
        given = x.clone(), conditions.clone()
        came = _yes_or_no(function(player, *given))
        require(came == right, f"{right} for a player {player.__doc__}", f"{came}", hint)
        check_unchanged(x=(given[0], x), conditions=(given[1], conditions))
    done("listens: one changed answer is enough, and a player that ignores its condition is found out.")


def _listeners(conditions):
    """(player, whether it listens, the hint for a wrong verdict)."""
    def deaf(x, condition):
        """that never uses its condition"""
        return x.tanh()

    def attentive(x, condition):
        """whose every answer changes with the condition"""
        return (x * condition).sum(1, keepdim=True)

    def in_one_row(x, condition):
        """that listens in one row of the batch"""
        return x + condition * (torch.arange(len(x)) == 2)[:, None]

    def by_turns(x, condition):
        """whose answers change places between the rows"""
        number = [torch.equal(condition, each) for each in conditions].index(True)
        return (8 * x).round().roll(number, dims=0)

    def barely(x, condition):
        """whose answers near 1,000 change by a thousandth"""
        return 1000 + 1e-3 * condition.sign().sum(1)

    def only(number, name):
        def player(x, condition):
            return x.sum(1) + torch.equal(condition, conditions[number])
        player.__doc__ = f"that answers to the {name} condition alone"
        return player

    which = "two of the three conditions get the same answers, and one gets others. Which conditions do you compare?"
    return [
        (deaf, False, "the same x gives the same answers under every condition. What do you take for a change?"),
        (attentive, True, "every answer changes with the condition. Between which calls do you look for a change?"),
        (in_one_row, True, "only one row changes. How many rows must change before you say True?"),
        (by_turns, True, "the answers change and their mean stays. What is lost where rows are pooled?"),
        (barely, True, "the change is small beside the answers themselves. How much does your comparison forgive?"),
        *((only(i, name), True, which) for i, name in enumerate(("first", "middle", "last")))]


@check
def audit(function):
    """Check `function(d_step, G, D) -> bool`: does a step of D leave G's weights and its gradient as they were?

    d_step(G, D) takes one step of D. Running statistics of G may change, as they do in every drawing.
    """
    for d_step, old, right, hint in _STEPS:
        G, D = (player.train(not old) for player in _players())
        for p in G.parameters() if old else ():
            p.grad = torch.full_like(p, 0.25)                   # left over from a step of G
        taken = []

        def counted(G, D, d_step=d_step, taken=taken):
            taken.append(d_step(G, D))

        came = _yes_or_no(function(counted, G, D))
        require(len(taken) < 2, "one step of D", f"{len(taken)}",
                "your audit takes the step once more, and D has moved by then. An audit takes the step once. Which "
                "call is one too many?")
        _check_mode(G, D, training=not old)
        require(came == right, f"{right} for a step {d_step.__doc__}{' (an old gradient lay in G)' * old}", f"{came}",
                hint)
    done("audit: honest steps pass, and every step that trains G or leaves a gradient there is found out.")


def _check_mode(*players, training=True):
    """Require that G and D are in the mode in which they came to the student's function."""
    for name, player in zip("GD", players):
        require(training or not player.training, f"{name} in eval mode, as it came", f"{name} in training mode",
                f"your function leaves {name} in training mode. In which mode did it come? Does your function need "
                "another mode at all?")
        require(player.training or not training, f"{name} in training mode, as it came", f"{name} in eval mode",
                f"{name}.eval() is for measuring, and eval mode stays after your function ends. The caller goes on "
                "training. Does your function need another mode at all?")


def _players():
    """G with a batch norm, and D: always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        G = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 4))
        return G, torch.nn.Linear(4, 1)


def _d_step(G, D, fake, trained=(), lr=0.1):
    """A step of SGD, on D and on the parameters `trained` besides."""
    real = torch.ones(6, 4)
    optimiser = torch.optim.SGD([*D.parameters(), *trained], lr)
    D.zero_grad()
    (softplus(-D(real)).mean() + softplus(D(fake)).mean()).backward()
    optimiser.step()


_Z = torch.linspace(-2, 2, 18).view(6, 3)


def _detached(G, D):
    """that cuts G's drawings off their graph"""
    _d_step(G, D, G(_Z).detach())


def _without_graph(G, D):
    """that draws without a graph"""
    with torch.no_grad():
        fake = G(_Z)
    _d_step(G, D, fake)


def _with_graph(G, D):
    """that goes backward through G"""
    _d_step(G, D, G(_Z))


def _half_cut(G, D):
    """that goes backward into G's last layer"""
    _d_step(G, D, G[2](G[:2](_Z).detach()))


def _both(G, D):
    """whose optimiser trains G as well, and that clears G's gradient at its end"""
    _d_step(G, D, G(_Z), G.parameters())
    G.zero_grad()


def _barely_both(G, D):
    """whose optimiser moves G by very little, and that clears G's gradient at its end"""
    _d_step(G, D, G(_Z), G.parameters(), lr=1e-5)
    G.zero_grad()


_STEPS = [          # (step, whether an old gradient lies in G, whether it is honest, the hint for a wrong verdict)
    (_detached, False, True,
     "only G's running statistics changed, as in every drawing. What else must the step leave alone?"),
    (_without_graph, False, True, "this step is honest. What do you find in G after it?"),
    (_detached, True, True,
     "these gradients lay in G before the step, and the step did not touch them. How do you tell old from new? If you "
     "compare with a copy of G: does a deep copy have them?"),
    (_with_graph, False, False, "this step left a gradient in G. Where do you look for it, and when?"),
    (_half_cut, False, False, "only some of G's parameters received a gradient. Do you look at all of them?"),
    (_with_graph, True, False, "a gradient lay in G before, and this step added to it. Is it the same as before?"),
    (_both, False, False,
     "no gradient is left, and G has moved all the same. Do you compare its weights, and with what: a copy?"),
    (_barely_both, False, False,
     "G has moved by little, but every step adds to it. How much does your comparison forgive?"),
]


def _yes_or_no(answer):
    """The one truth value that the student's function returned."""
    verdict, = returned(answer, "True or False")
    if type(verdict).__module__ == "numpy" and verdict.size == 1:
        verdict = verdict.item()
    is_one = isinstance(verdict, bool) or (isinstance(verdict, torch.Tensor) and verdict.dtype == torch.bool
                                           and verdict.numel() == 1)
    came = f"a tensor {list(verdict.shape)}" if isinstance(verdict, torch.Tensor) else type(verdict).__name__
    require(is_one, "True or False", came, "a verdict is one truth value. How do `any` and `all` make one of many?")
    return bool(verdict)


@check
def d_loss_of_pairs(function):
    """Check `function(G, D, real, example, z) -> scalar`: D's loss where G and D both take an example.

    -E log D(real, example) - E log(1 - D(G(z, example), example)). real, example float [B, 1, H, W], z float
    [B, z_dim]; D returns logits [B]. No graph may lead into G.
    """
    for scale, b in ((1.0, 5), (40.0, 6), (90.0, 6)):   # where all is harmless; where D is sure; where exp overflows
        G, D, real, example, z = players_of_pairs(scale, b)
        given, noise = [x.clone() for x in (real, example, z)], []
        hook = G.register_forward_pre_hook(lambda G, arguments, noise=noise: noise.append(arguments[0].clone()))
        answer = function(G, D, *given)
        hook.remove()
        if scale == 90 and isinstance(answer, torch.Tensor):
            require(bool(answer.isfinite().all()), "a finite loss at any logit", "one that is not finite",
                    "the formula is right on paper, but exp(90) is infinite in float32. Which function of PyTorch "
                    "computes log(1 + exp(l)) without that?")
        loss = finite_loss(answer)
        require(all(torch.equal(x, z) for x in noise), "G(z, ...) with the z of the caller", "G with other noise",
                "your function gives G noise of its own. Which argument is the noise?")
        check_unchanged(real=(given[0], real), example=(given[1], example), z=(given[2], z))
        _check_mode(G, D)
        require(D.weight.grad is None, "D without a gradient yet", "a gradient in D",
                "your function went backward itself, but it only returns the loss. Who goes backward, and when?")
        parts = _real_part(D, real, example), _fake_part(D, G(z, example).detach(), example)
        compare(loss, sum(parts), MISTAKES["d_loss_of_pairs"], (G, D, real, example, z),
                "this is neither the right loss nor a mistake that the check knows. What is minus log D for real "
                "drawings, minus log(1 - D) for G's, and what does each stand beside?" if scale == 1 else SURE)
        _check_only_d_learns(loss, *parts, G, D)
    done("d_loss_of_pairs: the example for G and for D, finite at any logit, and nothing left behind in G.")


def _real_part(D, image, example):
    return softplus(-D(image, example)).mean()


def _fake_part(D, image, example):
    return softplus(D(image, example)).mean()


def _check_only_d_learns(loss, of_real, of_fake, G, D):
    require(G.weight.requires_grad, "a G that can still be trained", "a frozen G",
            "requires_grad_(False) stays after your function ends. How can G's drawings be cut off instead?")
    left, = torch.autograd.grad(loss.sum(), G.weight, retain_graph=True, allow_unused=True)
    require(left is None and G.weight.grad is None, "no way for the gradient into G", "one",
            "`backward` would go on through the generated drawings into G. Where can it be stopped?")
    slopes = [torch.autograd.grad(part.sum(), D.weight, retain_graph=True)[0]
              for part in (loss, of_real + of_fake, of_real, of_fake)]
    compare(slopes[0], slopes[1], [
        (lambda: slopes[2], "the loss is right, but D learns nothing from G's drawings: the graph is cut behind D. "
                            "Where should the cut be?"),
        (lambda: slopes[3], "the loss is right, but D learns nothing from the real drawings. Was too much detached?"),
    ], (), "the loss is right, but its gradient in D is not. Is a constant added, or something clamped?")


def _loss(of=lambda r, f: softplus(-r).mean() + softplus(f).mean(), *, start=lambda real, example: example,
          for_real=lambda real, example, fake: (real, example), for_fake=lambda real, example, fake: (fake, example)):
    """D's loss with one mistake or none: `of` gets both logits, D what for_real and for_fake choose, G `start`."""
    def d_loss(G, D, real, example, z):
        fake = G(z, start(real, example)).detach()
        return of(D(*for_real(real, example, fake)), D(*for_fake(real, example, fake)))
    return d_loss


_BESIDE = "an image stands beside the wrong example. What does D see beside each image, real or generated?"
MISTAKES = {"d_loss_of_pairs": [
    (_loss(lambda r, f: (softplus(-r).mean() + softplus(f).mean()) / 2),
     "that is half of the loss, for you averaged the two means. How are they put together?"),
    (_loss(lambda r, f: softplus(-r).sum() + softplus(f).sum()),
     "that is the sum, and it grows with the batch. How do you make a mean of it?"),
    (_loss(lambda r, f: -softplus(-r).mean() - softplus(f).mean()),
     "the sign is wrong: D minimises its loss and maximises the value of the game. Which of the two is this?"),
    (_loss(lambda r, f: softplus(-r).mean()), "one half is missing. What does D say of G's drawings?"),
    (_loss(lambda r, f: softplus(f).mean()), "one half is missing. What does D say of the real drawings?"),
    (_loss(lambda r, f: softplus(r).mean() + softplus(-f).mean()),
     "this rewards D for mistakes. Which logits should be large?"),
    (_loss(lambda r, f: softplus(-r).mean() + softplus(-f).mean()),
     "G's drawings count as real here. Is that half D's wish, or G's?"),
    (_loss(start=lambda real, example: real), "G has seen the real drawing. What should it see?"),
    *((_loss(for_real=lambda *a, chosen=chosen: tuple(a[i] for i in chosen[0]),
             for_fake=lambda *a, chosen=chosen: tuple(a[i] for i in chosen[1])), _BESIDE)
      for chosen in (((0, 1), (2, 0)), ((0, 0), (2, 1)), ((0, 2), (2, 1)), ((0, 0), (2, 2)))),
    (_loss(for_real=lambda real, example, fake: (example, real), for_fake=lambda real, example, fake: (example, fake)),
     "image and example have changed places. What does D take first, what second?"),
    (_loss(lambda r, f: (1 - r.sigmoid()).mean() + f.sigmoid().mean()),
     "those are probabilities. Where is the logarithm?"),
    (_loss(lambda r, f: f.mean() - r.mean()),
     "that is the Wasserstein loss. Where are the sigmoid and the logarithm?"),
]}
