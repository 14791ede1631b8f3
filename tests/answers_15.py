"""Right and wrong answers to the exercises of notebook 15. More wrong ones: MISTAKES of course_checks/nb15.py."""

import torch

from course_lib import acting


def gain(log_prob, rewards):
    to_go = rewards.flip(1).cumsum(1).flip(1)
    return (log_prob * to_go).sum(1).mean()


def gain_by_loop(log_prob, rewards):
    total = 0
    for own, earned in zip(log_prob, rewards):
        for t in range(len(own)):
            total = total + own[t] * earned[t:].sum()
    return total / len(log_prob)


def gain_by_rewards(log_prob, rewards):
    """Each reward credits the actions up to it."""
    return (log_prob.cumsum(1) * rewards).sum() / len(rewards)


def gain_by_matrix(log_prob, rewards):
    later = torch.ones(rewards.shape[1], rewards.shape[1]).tril()
    return torch.einsum("eh,eh->", log_prob, rewards @ later).reshape(1) / rewards.shape[0]


def gain_by_ratio(log_prob, rewards):
    """Another value, and the same gradient."""
    to_go = rewards.sum(1, keepdim=True) - rewards.cumsum(1) + rewards
    return ((log_prob - log_prob.detach()).exp() * to_go).sum(1).mean()


def gain_in_place(log_prob, rewards):
    for t in reversed(range(rewards.shape[1] - 1)):
        rewards[:, t] += rewards[:, t + 1]
    return (log_prob * rewards).sum(1).mean()


def gain_into_log_prob(log_prob, rewards):
    log_prob *= rewards.flip(1).cumsum(1).flip(1)
    return log_prob.sum(1).mean()


def magic(x):
    return torch.exp(x - x.detach())


def dice(log_prob, advantage):
    so_far = log_prob.cumsum(1)
    before = so_far - log_prob
    return ((magic(so_far) - magic(before)) * advantage).sum(1).mean()


def dice_by_loop(log_prob, advantage):
    before, total = torch.zeros(len(log_prob)), 0
    for own, its in zip(log_prob.T, advantage.T):
        total = total + magic(before) * (magic(own) - 1) * its
        before = before + own
    return total.sum() / len(log_prob)


def dice_by_products(log_prob, advantage):
    boxes = (log_prob.exp() / log_prob.exp().detach()).cumprod(1)
    before = torch.cat([torch.ones_like(boxes[:, :1]), boxes[:, :-1]], dim=1)
    return ((boxes - before) * advantage).sum() / len(boxes)


def dice_by_differences(log_prob, advantage):
    """The form for rewards, with what the advantages change by from step to step; its value is not 0."""
    nothing = torch.zeros(len(advantage), 1)
    return (magic(log_prob.cumsum(1)) * (advantage - torch.cat([advantage[:, 1:], nothing], dim=1))).sum(1).mean()


def dice_of_two_orders(log_prob, advantage):
    """Enough for one inner step: the exponential up to its square."""
    so_far = log_prob.cumsum(1)
    now, before = so_far - so_far.detach(), (so_far - log_prob) - (so_far - log_prob).detach()
    return ((now + now ** 2 / 2 - before - before ** 2 / 2) * advantage).sum(1).mean()


def dice_of_last_step(log_prob, advantage):
    """The box holds the own step and the one before it."""
    before = torch.cat([torch.zeros(len(log_prob), 1), log_prob[:, :-1]], dim=1)
    return ((magic(before + log_prob) - magic(before)) * advantage).sum(1).mean()


def dice_with_half_a_graph(log_prob, advantage):
    """The second box is a constant, so that the earlier actions stay credited."""
    so_far = log_prob.cumsum(1)
    return ((magic(so_far) - magic(so_far - log_prob).detach()) * advantage).sum(1).mean()


def dice_without_first_box(log_prob, advantage):
    """The differences of neighbouring boxes, so no box stands before the first."""
    boxes = magic(log_prob.cumsum(1))
    return ((boxes[:, 1:] - boxes[:, :-1]) * advantage[:, 1:]).sum(1).mean()


def dice_of_summed_advantages(log_prob, advantage):
    """Right boxes, and advantages that are added up like rewards."""
    return dice(log_prob, advantage.flip(1).cumsum(1).flip(1))


def dice_from_zero(log_prob, advantage):
    """0 in place of the box before the first action, a constant either way: another value, and the same derivatives."""
    boxes = magic(log_prob.cumsum(1))
    return ((boxes - torch.cat([torch.zeros_like(boxes[:, :1]), boxes[:, :-1]], dim=1)) * advantage).sum(1).mean()


def dice_with_boxes_of_their_mean(log_prob, advantage):
    """Boxes that stop the mean of x: their value is not 1."""
    so_far = log_prob.cumsum(1)
    now, before = (so_far - so_far.mean().detach()).exp(), (so_far - log_prob - so_far.mean().detach()).exp()
    return ((now - before) * advantage).sum(1).mean()


def dice_in_place(log_prob, advantage):
    value = dice(log_prob, advantage)
    advantage -= advantage.mean()
    return value


def dice_of_a_new_start(log_prob, advantage):
    return dice(log_prob.detach().requires_grad_(), advantage)


def target(state, generated, scale, ended, value, gamma):
    with torch.no_grad():
        change = generated * scale
        after, reward = state + change[:, :-1], change[:, -1]
        return reward + gamma * value(after) * (1 - ended.float())


def target_detached(state, generated, scale, ended, value, gamma):
    way, reward = generated[:, :-1] * scale[:-1], generated[:, -1] * scale[-1]
    return torch.where(ended, reward, reward + gamma * value(state + way)).detach()


@torch.no_grad()
def target_of_those_that_go_on(state, generated, scale, ended, value, gamma):
    """The value is asked only where the episode goes on."""
    targets = (generated * scale)[:, -1].clone()
    targets[~ended] += gamma * value((state + (generated * scale)[:, :-1])[~ended])
    return targets


def target_with_graph(state, generated, scale, ended, value, gamma, of_G=True, of_value=True):
    change = generated * scale
    if not of_G:
        change = change.detach()
    later = value(state + change[:, :-1])
    return change[:, -1] + gamma * (later if of_value else later.detach()) * ~ended


def target_in_place(state, generated, scale, ended, value, gamma):
    with torch.no_grad():
        generated *= scale
        return generated[:, -1] + gamma * value(state + generated[:, :-1]) * ~ended


def target_moving_state(state, generated, scale, ended, value, gamma):
    with torch.no_grad():
        state += generated[:, :-1] * scale[:-1]
        return generated[:, -1] * scale[-1] + gamma * value(state) * ~ended


@torch.no_grad()
def target_as_column(state, generated, scale, ended, value, gamma):
    return target(state, generated, scale, ended, value, gamma)[:, None]


@torch.no_grad()
def target_of_all_pairs(state, generated, scale, ended, value, gamma):
    change = generated * scale
    return change[:, -1:] + gamma * value(state + change[:, :-1]) * ~ended


def target_of_whole_rows(state, generated, scale, ended, value, gamma):
    return generated[:, -1] * scale[-1] + gamma * value(generated * scale) * ~ended


def target_row_by_row(state, generated, scale, ended, value, gamma):
    change = generated * scale
    return torch.stack([c[-1] + gamma * value(s + c[:-1]) * ~e for s, c, e in zip(state, change, ended)]).detach()


RIGHT = {"score_function": [gain, gain_by_loop, gain_by_rewards, gain_by_matrix, gain_by_ratio],
         "dice": [dice, acting.surrogate, dice_by_loop, dice_by_products, dice_by_differences, dice_of_two_orders,
                  dice_from_zero],
         "bellman": [target, target_detached, target_of_those_that_go_on]}
WRONG = {"score_function": [(gain_in_place, "rewards changed in place"),
                            (gain_into_log_prob, "log_prob changed in place"),
                            (lambda log_prob, rewards: gain(log_prob, rewards).item(), ".item() and float()"),
                            (lambda log_prob, rewards: gain(log_prob.detach(), rewards), "remembers its graph"),
                            (lambda log_prob, rewards: gain(log_prob.log(), rewards), "is a logarithm already"),
                            (lambda log_prob, rewards: log_prob * rewards, "a number for each step"),
                            (lambda log_prob, rewards: (log_prob * rewards).sum(0), "one dimension is left"),
                            (lambda log_prob, rewards: [gain(log_prob, rewards), 0], "1 result(s)"),
                            (lambda log_prob, rewards: -log_prob.exp().sum(), "which rewards is its log_prob")],
         "dice": [(acting.naive_surrogate, "naive surrogate"), (dice_in_place, "advantage changed in place"),
                  (dice_of_last_step, "all steps up to its own"), (dice_with_half_a_graph, "credits all earlier"),
                  (dice_of_a_new_start, "all derivatives are 0"),
                  (dice_of_summed_advantages, "or do you add up the advantages"),
                  (dice_without_first_box, "the first action is never credited"),
                  (dice_with_boxes_of_their_mean, "some box is not 1"),
                  (lambda log_prob, advantage: dice(log_prob.detach(), advantage), "remembers its graph"),
                  (lambda log_prob, advantage: (magic(log_prob) * advantage).sum(1), "one dimension is left")],
         "bellman": [(target_with_graph, "leads to G and `value`."),
                     (lambda *given: target_with_graph(*given, of_value=False), "a graph that leads to G."),
                     (lambda *given: target_with_graph(*given, of_G=False), "a graph that leads to `value`."),
                     (target_in_place, "generated changed in place"), (target_moving_state, "state changed in place"),
                     (target_as_column, "that is a column"), (target_of_all_pairs, "met all others"),
                     (lambda state, generated, scale, ended, *rest:
                      target(state, generated, scale, ended, *rest)[~ended], "some rows are left out"),
                     (lambda *given: target(*given).mean(), "one number for the batch"),
                     (lambda *given: target(*given).tolist(), "the targets as a tensor; got list"),
                     (target_of_whole_rows, "a column more than a state"), (target_row_by_row, "a batch of states")]}
