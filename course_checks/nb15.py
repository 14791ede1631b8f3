"""Checks of the exercises of notebook 15, learning to act."""

import torch
from torch.nn.functional import logsigmoid

from ._base import check, check_unchanged, close, compare, done, require, returned, scalar, shaped, tensor


@check
def score_function(function):
    """Check `function(log_prob, rewards) -> scalar`: its gradient estimates that of the expected return.

    log_prob, rewards [E, H]: of H steps in each of E episodes. Each action's score, the gradient of its log_prob, is
    weighted by the rewards from there on, without discount or baseline. Source: Williams 1992, "REINFORCE".
    """
    for e, h in ((4, 4), (5, 3), (3, 1)):           # equal sizes let mistakes run
        rng = torch.Generator().manual_seed(10 * e + h)
        log_prob = (torch.randn(e, h, generator=rng) - 1).requires_grad_()
        rewards = 1 + torch.randn(e, h, generator=rng)
        came, right = _scores(function, log_prob, rewards), _scores(_score(_to_go), log_prob, rewards)
        hints = (hint for wrong, hint in MISTAKES["score_function"] if close(came, _scores(wrong, log_prob, rewards)))
        _same([("the gradient with respect to log_prob,", came, right, _ON_SCORE)], hints)
    done("score function: each action is credited with the rewards from its step on.")


_ON_SCORE = ("take one action. Which rewards is its log_prob multiplied by? Add up the steps of an episode, and take "
             "the mean over episodes.")


def _scores(function, log_prob, rewards):
    """The gradient [E, H] of a gain with respect to log_prob."""
    given = log_prob.clone(), rewards.clone()
    gain = _objective(function(*given), "the gain", rewards.shape)
    check_unchanged(log_prob=(given[0], log_prob), rewards=(given[1], rewards))
    return torch.autograd.grad(gain, log_prob, materialize_grads=True)[0]


def _objective(answer, name, shape):
    """`answer` as one finite number with a graph, made from numbers of `shape` [E, H]."""
    e, h = shape
    came, = returned(answer, name)
    if not isinstance(came, torch.Tensor):
        scalar(came, name)              # says why a plain number is not enough
    left = "one dimension is left. You need the sum over the steps of an episode, and the mean over episodes."
    shaped(came if came.numel() != 1 else came.reshape(()), (), name, {
        (e, h): "that is a number for each step. You need the sum over the steps of an episode, and the mean over "
                "episodes.", (h,): left, (e,): left}, "one number for all episodes.")
    require(bool(came.isfinite()), f"{name} as a finite number", f"{came.item()}",
            "log_prob is a logarithm already. Does a line divide by 0, or take a logarithm again?")
    scalar(came, name)
    return came.reshape(())


def _same(parts, hints):
    """parts: [(name, what came, what is right, hint), ...]. The first of `hints`, if any, says more than the part's."""
    for name, came, right, hint in parts:
        if not close(came, right):
            place = tuple(i.item() for i in torch.unravel_index((came - right).abs().argmax(), right.shape))
            require(False, f"{name} {right[place]:.4f} at {list(place)}", f"{came[place]:.4f}", next(hints, hint))


def _to_go(rewards):
    return rewards.flip(1).cumsum(1).flip(1)


def _score(weight):
    """The gain with `weight` of the rewards in place of the rewards to go."""
    return lambda log_prob, rewards: (log_prob * weight(rewards)).sum(1).mean()


def _discounted(rewards, gamma=0.99):
    power = gamma ** torch.arange(rewards.shape[1])
    return _to_go(rewards * power) / power


_SUM_OF_EPISODES = ("that is a sum over the episodes, and grows with their number. What is the estimate of an expected "
                    "value?")
_MEAN_OF_STEPS = ("you take a mean over the steps. The return is the sum of an episode's rewards, so its gradient is a "
                  "sum over steps, too. Over which dimension is the mean?")
_OTHER_DIMENSION = ("you add up over the episodes and take the mean over the steps. Rows are episodes: which dimension "
                    "belongs to the sum?")
_MIXED = ("you credit an action with rewards of other episodes, which it could not change. Rows are episodes: over "
          "which dimension do you add up?")
_BASELINE = ("you subtract a mean from the rewards. That is a baseline, a good idea for later. Which rewards does the "
             "formula multiply by?")
_SCORE_MISTAKES = [
    (_score(lambda rewards: rewards.sum(1, keepdim=True)),
     "you credit each action with the whole return. That is right on average, but noisier, because an action cannot "
     "change what came before it. Which rewards are left?"),
    (lambda log_prob, rewards: (log_prob * _to_go(rewards)).mean(), _MEAN_OF_STEPS),
    (lambda log_prob, rewards: (log_prob * _to_go(rewards)).sum(), _SUM_OF_EPISODES),
    (lambda log_prob, rewards: (log_prob * _to_go(rewards)).sum(0).mean(), _OTHER_DIMENSION),
    (lambda log_prob, rewards: -(log_prob * _to_go(rewards)).sum(1).mean(),
     "the sign is that of a loss, which goes down. The gradient of a gain points to more reward. Which sign is that?"),
    (lambda log_prob, rewards: (log_prob.exp() * _to_go(rewards)).sum(1).mean(),
     "that is the gradient of probabilities. A likely action is sampled more often already, and here it also counts "
     "more each time. Which function of the probability is the score the gradient of?"),
    (_score(lambda rewards: rewards.cumsum(1)),
     "you credit an action with the rewards so far. An action changes what comes after it: from which end do you add "
     "up?"),
    (_score(lambda rewards: rewards),
     "you credit an action with the reward of its own step alone. What else can it change?"),
    (_score(lambda rewards: _to_go(rewards) - rewards),
     "the reward of an action's own step is missing. Where does your sum begin?"),
    (_score(lambda rewards: rewards.flip(1).cumsum(1)),
     "you add up from the end, but the sums are still in reversed order. Which step does the first column belong to?"),
    (_score(lambda rewards: rewards.sum(1)),
     "the sums of the episodes, [E], meet the columns, which are steps. Which shape must they have to multiply whole "
     "rows? And which rewards came before an action?"),
    *((_score(lambda rewards, gamma=gamma: _discounted(rewards, gamma)),
       "the later rewards are discounted. By which factor does a reward count in the formula?")
      for gamma in (0.99, 0.95, 0.9)),
    (_score(lambda rewards: rewards.flip(0).cumsum(0).flip(0)), _MIXED),
    (_score(lambda rewards: _to_go(rewards).mean(0)), _MIXED),
    (_score(lambda rewards: _to_go(rewards).sum(0)), _MIXED),
    (_score(lambda rewards: rewards.sum(1).mean()), _MIXED),
    (_score(lambda rewards: rewards.sum()), _MIXED),
    (_score(lambda rewards: _to_go(rewards) - _to_go(rewards).mean()), _BASELINE),
    (_score(lambda rewards: _to_go(rewards) - _to_go(rewards).mean(0)), _BASELINE),
    (_score(lambda rewards: _to_go(rewards - rewards.mean())), _BASELINE),
    (_score(lambda rewards: (_to_go(rewards) - _to_go(rewards).mean()) / (_to_go(rewards).std() + 1e-8)), _BASELINE),
]


@check
def dice(function):
    """Check `function(log_prob, advantage) -> scalar`: derivatives of any order estimate those of the expected return.

    log_prob, advantage [E, H]: each advantage weights what its own action added. Two orders are compared, in tasks with
    two actions whose episodes come exactly as often as the policy says. Sources: `acting.surrogate`.
    """
    for counts in ([3, 1, 2, 4, 1, 2, 5, 6], [2, 3, 6, 1]):
        logits, log_prob, right, advantages = _small_task(torch.tensor(counts))

        def derivatives(surrogate, logits=logits, log_prob=log_prob, advantages=advantages):
            return [each for advantage in advantages for each in _derivatives(surrogate, logits, log_prob, advantage)]

        came, right = derivatives(function), [*right, *right]
        hints = [hint for wrong, hint in MISTAKES["dice"] if close(_joined(came), _joined(derivatives(wrong)))]
        value = function(log_prob(logits), torch.ones_like(advantages[0])).detach().double().reshape(())
        if value.abs() > 1e-3:
            hints.append(_ON_VALUE.format(value.item()))
        _same(zip(_ORDERS * 2, came, right, (_ON_FIRST, _ON_SECOND) * 2), iter(hints))
    done("dice: right derivatives of the first and the second order, so an inner step can be differentiated.")


_ORDERS = tuple(f"the {order} derivative of a small task's expected return," for order in ("first", "second"))
_ON_VALUE = ("with all advantages 1, your sum is {:.3g} and not 0. So some box is not 1, or a box has no other to be "
             "subtracted from it. In every box, is the same x stopped that stands before the minus?")
_ON_FIRST = ("take one action. The derivative of its log_prob is to be multiplied by the advantage of its own step, "
             "and by no other. Which others come in?")
_ON_SECOND = ("the first derivative is right. In the second, each action also counts by what earlier actions did to "
              "its chance. Does each advantage know the log_prob of all steps up to its own?")


def _joined(derivatives):
    return torch.cat([each.flatten() for each in derivatives])


def _derivatives(surrogate, logits, log_prob, advantage):
    """(gradient [N], second derivatives [N, N]) of a surrogate with respect to the policy's logits [N]."""
    own = log_prob(logits)
    given = own.clone(), advantage.clone()
    came = _objective(surrogate(*given), "the surrogate", advantage.shape)
    check_unchanged(log_prob=(given[0], own), advantage=(given[1], advantage))
    return _twice(came, logits)


def _twice(objective, logits):
    first, = torch.autograd.grad(objective, logits, create_graph=True, materialize_grads=True)
    rows = [torch.autograd.grad(each, logits, retain_graph=True, materialize_grads=True)[0] for each in first
            if each.requires_grad]
    return first.detach(), torch.stack(rows) if rows else torch.zeros(len(first), len(first), dtype=first.dtype)


def _small_task(counts):
    """A tree of H steps with two actions each; its 2^H paths come `counts` times, as the policy's logits have it.

    (logits [2^H - 1], log_prob(logits) -> [E, H], the derivatives of the expected return, two kinds of advantages
    [E, H]). The first advantages are the rewards to go. The second ones are what they are on average after an action,
    less what they are on average before it.
    """
    steps = torch.arange(len(counts).bit_length() - 1)
    path = torch.arange(len(counts))[:, None]                           # its bits are its actions
    action = path >> (len(steps) - 1 - steps) & 1                       # [2^H, H]
    node = 2 ** steps - 1 + (path >> (len(steps) - steps))              # where it acts, numbered row by row
    after = 2 * node + 1 + action
    rewards = (1 + torch.randn(2 * len(counts), generator=torch.Generator().manual_seed(3), dtype=torch.float64))[after]

    def of_paths(logits):
        return logsigmoid(logits[node] * (2 * action - 1))

    e = torch.arange(len(counts)).repeat_interleave(counts)             # the path of each episode
    logits = torch.stack([action[e][node[e] == n].double().mean().logit() for n in range(len(counts) - 1)])
    logits.requires_grad_()
    right = _twice((of_paths(logits).sum(1).exp() * rewards.sum(1)).sum(), logits)
    to_go = _to_go(rewards)[e]

    def on_average(place):
        same = (place[e][:, None] == place[e]).double()                 # [E, E, H]
        return (same * to_go).sum(1) / same.sum(1)

    return logits, lambda logits: of_paths(logits)[e], right, (to_go, on_average(after) - on_average(node))


def _magic(x):
    return (x - x.detach()).exp()


def _with(factor, average=lambda x: x.sum(1).mean()):
    """A surrogate with `factor` of log_prob before each advantage."""
    return lambda log_prob, advantage: average(factor(log_prob) * advantage)


def _shifted(boxes, first):
    """What each box has more than the one before it; `first` of the boxes stands before the first."""
    return boxes - torch.cat([first(boxes), boxes[:, :-1]], dim=1)


def _loaded(log_prob, so_far=lambda log_prob: log_prob.cumsum(1), magic=_magic):
    """What each own action adds to the magic box, with `so_far` as the steps that it holds."""
    return magic(so_far(log_prob)) - magic(so_far(log_prob) - log_prob)


_LATER = ("the first derivative is right. But the box of each step holds later actions too, and the rewards that "
          "follow are counted twice. Where does the sum of log_prob end?")
_NO_FIRST = ("the first action is never credited. A box stands before it, too, though no action has come "
             "before it. What is the box of a sum of no terms?")
_STOPS = ("your boxes stop one sum and let another one through, so their value is not 1. Which x does a box stop?")
_DICE_MISTAKES = [
    (_with(lambda log_prob: log_prob),
     "the first derivative is right. That is the naive surrogate: its second derivative lacks what earlier actions did "
     "to the chance of later ones. What does the magic box add, and of which steps?"),
    (_with(_magic),
     "the first derivative is right. But the box of each step holds its own action alone. How does it know what "
     "earlier actions did to its chance?"),
    (_with(lambda log_prob: _magic(log_prob.cumsum(1) - log_prob) * (log_prob - log_prob.detach())),
     "the first derivative is right. But the own action stands outside the box, so its second derivative misses a "
     "part. How can both go through the exponential?"),
    (_with(lambda log_prob: _magic(log_prob.cumsum(1))),
     "each advantage also credits all earlier actions. That is right for rewards, but advantages hold the later "
     "rewards already. What is the box without the own action, and how do you take it away, with its gradient? Or do "
     "you add up the advantages?"),
    (_with(lambda log_prob: _magic(log_prob.cumsum(1) - log_prob)),
     "the own step is missing in its box, so an action is credited with all later advantages and not with its own. "
     "Which two boxes differ by the own action?"),
    (_with(lambda log_prob: _magic(log_prob.sum(1, keepdim=True))),
     "every advantage credits every action of the episode, also the later ones. Which action does it belong to?"),
    (_with(lambda log_prob: _loaded(log_prob, lambda x: x.sum(1, keepdim=True))), _LATER),
    (_with(lambda log_prob: _loaded(log_prob, _to_go)), _LATER),
    (lambda log_prob, advantage: (_magic(log_prob.sum(1)) * advantage[:, 0]).mean(),
     "you use the advantage of the first step alone. It does not tell how good the later actions were. Where do the "
     "other advantages come in?"),
    (_with(lambda log_prob: _shifted(_magic(log_prob.cumsum(1)), lambda boxes: boxes[:, :1])), _NO_FIRST),
    (_with(lambda log_prob: _shifted(_magic(log_prob.cumsum(1)), lambda boxes: boxes[:, -1:])),
     "before the first action you put the box of the last one. No action has come before: what is the box of a sum of "
     "no terms?"),
    (_with(lambda log_prob: log_prob.cumsum(1)),
     "your sums of log_prob have no exponential, and each advantage credits all earlier actions. What is a box, and "
     "which box is subtracted from it?"),
    (_with(lambda log_prob: -_shifted(_magic(log_prob.cumsum(1)).flip(1), lambda boxes: boxes[:, :1]).flip(1)),
     "each advantage credits the action of the step after its own. Up to which step does its first box go?"),
    (_with(lambda log_prob: _loaded(log_prob, magic=torch.exp)),
     "your boxes are chances and not 1, so unlikely episodes count less. What does the formula subtract before exp?"),
    *((_with(lambda log_prob, own=own, before=before: own(log_prob.cumsum(1)) - before(log_prob.cumsum(1) - log_prob)),
       f"the box {which} your action is a chance and not 1. What does the formula subtract before exp, in both boxes?")
      for own, before, which in ((_magic, torch.exp, "before"), (torch.exp, _magic, "of"))),
    (_with(lambda log_prob: (log_prob.cumsum(1) - log_prob.detach()).exp()
           - (log_prob.cumsum(1) - log_prob - log_prob.detach()).exp()), _STOPS),
    (_with(lambda log_prob: (log_prob.cumsum(1) - (log_prob.cumsum(1) - log_prob).detach()).exp()
           - _magic(log_prob.cumsum(1) - log_prob)), _STOPS),
    (lambda log_prob, advantage: 2 * _with(_loaded)(log_prob, advantage),
     "all is twice as large as it should be. What is counted twice?"),
    (_with(lambda log_prob: _loaded(log_prob, magic=lambda x: (x - x).exp())),
     "all derivatives are 0. In x - x both parts cancel, and a detached copy has no derivative. Which one of the two "
     "parts should be a constant?"),
    (_with(lambda log_prob: _loaded(log_prob, magic=lambda x: (x.detach() - x).exp())),
     "your box falls where the log_prob rises. Which of x and its detached copy is subtracted?"),
    (_with(lambda log_prob: -_loaded(log_prob)),
     "the sign is the other way round. Is that a loss, or have the two boxes changed places?"),
    (_with(lambda log_prob: _loaded(log_prob, lambda x: x.cumsum(0))),
     "your sum of log_prob runs over the episodes. Rows are episodes: which dimension holds the steps?"),
    (_with(_loaded, torch.mean), _MEAN_OF_STEPS),
    (_with(_loaded, torch.sum), _SUM_OF_EPISODES),
    (_with(_loaded, lambda x: x.sum(0).mean()), _OTHER_DIMENSION),
]


@check
def bellman(function):
    """Check `function(state, generated, scale, ended, value, gamma) -> [B]`: Bellman targets of imagined transitions.

    state [B, S]; generated [B, S+1]: (s' - s, r), each divided by its standard deviation in scale [S+1]; ended bool
    [B]; value: a function of states [B, S] -> [B]. r + gamma * value(s'), or r where the episode ended; no graph.
    """
    for b, s, gamma in ((4, 4, 0.9), (3, 2, 0.7), (5, 1, 0.8)):         # equal sizes let mistakes run
        rng = torch.Generator().manual_seed(10 * b + s)
        state, of_G = torch.randn(b, s, generator=rng), torch.randn(b, s + 1, generator=rng).requires_grad_()
        weight, scale = torch.randn(s, generator=rng).requires_grad_(), 0.3 + torch.rand(s + 1, generator=rng)
        arguments = state, of_G.tanh(), scale, torch.arange(b) % 3 == 1, _value(weight), gamma
        given = [x.clone() if isinstance(x, torch.Tensor) else x for x in arguments]
        answer = function(*given)
        came = tensor(*returned([answer] if isinstance(answer, list) else answer, "the targets"), "the targets")
        shaped(came, (b,), "the targets", {
            (b, 1): "that is a column. The values and the rewards have one dimension, [B]. Which line makes two?",
            (b, b): "each row met all others, because [B] and [B, 1] broadcast. Which line makes two dimensions?",
            (int((~given[3]).sum()),): "some rows are left out. What is the target where the episode ended?",
            (): "that is one number for the batch. A target belongs to each transition.",
        }, "one number for each transition.")
        check_unchanged(**{name: (given[i], arguments[i]) for i, name in enumerate(_TENSORS)})
        compare(came, _target(*arguments), MISTAKES["bellman"], arguments,
                "take one transition. What are its reward and its next state in their own units, and what is that "
                "state worth?")
        if came.requires_grad:
            gradients = torch.autograd.grad(came.sum(), (of_G, weight), allow_unused=True)
            names = [name for name, gradient in zip(("G", "`value`"), gradients) if gradient is not None]
            require(False, "targets without a graph", f"a graph that leads to {' and '.join(names) or 'no input'}",
                    "the values are right, but a target is a constant. The prediction moves towards it, and the target "
                    "stays. How do you cut the graph there?")
    done("bellman: the reward, and what the imagined next state is worth, as a constant.")


_TENSORS = "state", "generated", "scale", "ended"


def _value(weight):
    def value(states):
        wanted, came = f"states [B, {len(weight)}] for `value`", list(getattr(states, "shape", []))
        require(isinstance(states, torch.Tensor) and len(came) == 2, wanted, f"{came}",
                "`value` takes a batch of states, one in each row. What do you give it?")
        require(came[1] == len(weight), wanted, f"{came}",
                "`generated` has a column more than a state. Which column does not belong to the state?")
        return 2 + (states @ weight).tanh()
    return value


def _target(state, generated, scale, ended, value, gamma, *, at=torch.add,
            finish=lambda r, later, goes_on: r + later * goes_on):
    """at: where the value is asked, as a function of the state and of the way to the next, [B, S] each."""
    change = generated * scale
    return finish(change[:, -1], gamma * value(at(state, change[:, :-1])), ~ended)


def _finish(finish):
    return lambda *arguments: _target(*arguments, finish=finish)


def _at(at):
    return lambda *arguments: _target(*arguments, at=at)


def _rescaled(change):
    """The target with a `change` of the standard deviations."""
    return lambda state, generated, scale, *rest: _target(state, generated, change(scale), *rest)


def _part(scale, of_state, of_reward):
    return torch.cat([scale[:-1] if of_state else scale[:-1] ** 0, scale[-1:] if of_reward else scale[-1:] ** 0])


_BELLMAN_MISTAKES = [
    (_rescaled(torch.ones_like),
     "`scale` is missing. What G returns was divided by standard deviations. How do you undo that?"),
    (_rescaled(lambda scale: _part(scale, False, True)),
     "the reward has its own unit again, but not the way to the next state. What was that divided by?"),
    (_rescaled(lambda scale: _part(scale, True, False)),
     "the way to the next state has its own unit again, but not the reward. What was that divided by?"),
    (_rescaled(lambda scale: 1 / scale),
     "you divide by `scale`, but what G returns was divided already. How do you undo that?"),
    (_at(lambda state, way: way),
     "G returns the way from s to s', not s' itself. From where does that way begin?"),
    (_at(lambda state, way: state),
     "you ask for the value of the state before the action. Which state does the rest of the episode begin in?"),
    (_at(lambda state, way: state - way), "you go backwards. G returns s' - s: how do you get s' from it?"),
    (lambda state, generated, scale, ended, value, gamma: _target(
        state, generated.roll(-1, 1), scale.roll(-1), ended, value, gamma),
     "you take the first column as the reward. In which order does G return s' - s and r?"),
    (_finish(lambda r, later, goes_on: r + later),
     "`ended` is missing. How much reward follows after the end of an episode?"),
    (_finish(lambda r, later, goes_on: r + later * ~goes_on),
     "`ended` is the wrong way round. Where does a next state still bring rewards?"),
    (_finish(lambda r, later, goes_on: (r + later) * goes_on),
     "where the episode ended, you drop the reward of its last step, too. Which of the two terms falls away there?"),
    (_finish(lambda r, later, goes_on: later * goes_on), "the reward is missing. What did the step itself bring?"),
    (lambda state, generated, scale, ended, value, gamma: gamma * _target(
        state, generated, scale, ended, value, 1),
     "gamma multiplies the reward, too. Which of the two comes a step later?"),
    (lambda state, generated, scale, ended, value, gamma: _target(state, generated, scale, ended, value, 1),
     "gamma is missing. What comes a step later counts less: by which factor?"),
    (lambda state, generated, scale, ended, value, gamma: _target(
        state, generated, torch.cat([scale[:-1], gamma * scale[-1:]]), ended, value, 1),
     "gamma multiplies the reward instead of the value. Which of the two comes a step later?"),
    (lambda state, generated, scale, ended, value, gamma: _target(
        state, generated, scale, ended, value, gamma) - value(state),
     "that is the error of the prediction. The target is what `value(state)` is compared with: which term is not part "
     "of it?"),
    (_finish(lambda r, later, goes_on: r - later * goes_on),
     "you subtract what comes later. Is it a gain, or a loss?"),
]

MISTAKES = {"score_function": _SCORE_MISTAKES, "dice": _DICE_MISTAKES, "bellman": _BELLMAN_MISTAKES}
