"""Right and wrong answers to the exercises of notebook 11."""

import torch


def slope_right(a, b):
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / a.square().sum()


def slope_by_lstsq(a, b):
    a, b = a - a.mean(), b - b.mean()
    return torch.linalg.lstsq(a.flatten()[:, None], b.flatten()[:, None]).solution[0, 0]


def slope_by_lstsq_of_large_numbers(a, b):
    rows = torch.stack([a.flatten(), torch.ones(a.numel())], dim=1)
    return torch.linalg.lstsq(rows, b.flatten()[:, None]).solution[0, 0]


def slope_by_cov(a, b):
    cov = torch.stack([a.flatten(), b.flatten()]).cov()
    return (cov[0, 1] / cov[0, 0]).item()


def slope_by_moments(a, b):
    return ((a * b).mean() - a.mean() * b.mean()) / (a.square().mean() - a.mean() ** 2)


def slope_in_place(a, b):
    a -= a.mean()
    return (a * (b - b.mean())).sum() / a.square().sum()


def slope_of_rows(a, b):
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / a.square().sum(1)


def slope_of_columns(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / a.square().sum(0)


def slope_as_mean_of_slopes(a, b):
    return slope_of_rows(a, b).mean()


def shuffled_by_a_cycle(settings, rng):
    order = torch.randperm(len(settings[0]), generator=rng)
    source = torch.empty_like(order)
    source[order] = order.roll(1)
    return tuple(part[source] for part in settings)


def shuffled_by_trying(settings, rng):
    own = torch.arange(len(settings[0]))
    while ((order := torch.randperm(len(own), generator=rng)) == own).any():
        pass
    return [part[order] for part in settings]


def shuffled_by_a_roll(settings, rng):
    far = int(torch.randint(1, len(settings[0]), (), generator=rng))
    return tuple(part.roll(far, 0) for part in settings)


def shuffled_in_place(settings, rng):
    new = shuffled_by_a_cycle(settings, rng)
    for part, moved in zip(settings, new):
        part.copy_(moved)
    return settings


def shuffled_within_rows(settings, rng):
    moved = shuffled_by_a_cycle(settings, rng)
    return moved[0].flip(2), moved[1], moved[2]


def shuffled_too_few(settings, rng):
    return tuple(part[1:] for part in shuffled_by_a_cycle(settings, rng))


def shuffled_by_global_chance(settings, rng):
    far = int(torch.randint(1, len(settings[0]), ())) if len(settings[0]) > 2 else 1
    return tuple(part.roll(far, 0) for part in settings)


def root_of(settings):
    values, vectors = torch.linalg.eigh(settings.T.cov())
    return vectors * values.clamp(min=0).sqrt()


def gaussian_right(settings, n, rng):
    z = torch.randn(n, settings.shape[1], generator=rng)
    return settings.mean(0) + z @ root_of(settings).T


def gaussian_by_symmetric_root(settings, n, rng):
    values, vectors = torch.linalg.eigh(settings.T.cov())
    return settings.mean(0) + torch.randn(n, len(values), generator=rng) @ (
        vectors @ values.clamp(min=0).sqrt().diag() @ vectors.T)


def gaussian_by_cholesky(settings, n, rng):
    cov = settings.T.cov() + 1e-3 * torch.eye(settings.shape[1])
    return settings.mean(0) + torch.randn(n, len(cov), generator=rng) @ torch.linalg.cholesky(cov).T


def gaussian_of_deviations(settings, n, rng):
    """A weighted sum of the rows' deviations needs no decomposition at all."""
    away = settings - settings.mean(0)
    return settings.mean(0) + torch.randn(n, len(away), generator=rng) @ away / (len(away) - 1) ** 0.5


def gaussian_by_cov_of_b(settings, n, rng):
    away = settings - settings.mean(0)
    return settings.mean(0) + torch.randn(n, len(away), generator=rng) @ away / len(away) ** 0.5


def gaussian_by_bare_cholesky(settings, n, rng):
    root = torch.linalg.cholesky(settings.T.cov())
    return settings.mean(0) + torch.randn(n, len(root), generator=rng) @ root.T


def gaussian_by_bare_root(settings, n, rng):
    values, vectors = torch.linalg.eigh(settings.T.cov())
    return settings.mean(0) + torch.randn(n, len(values), generator=rng) @ (vectors * values.sqrt()).T


def gaussian_without_mean(settings, n, rng):
    return gaussian_right(settings, n, rng) - settings.mean(0)


def gaussian_in_place(settings, n, rng):
    new = gaussian_right(settings, n, rng)
    settings -= settings.mean(0)
    return new


def posterior_right(x, between, within):
    return x @ torch.linalg.solve(between + within, between)


def posterior_by_inverse(x, between, within):
    return (between @ torch.linalg.inv(between + within) @ x.T).T


def posterior_by_precisions(x, between, within):
    """The way of textbooks: precisions add up, and the mean is weighted by them."""
    inv = torch.linalg.inv
    return x @ inv(within) @ inv(inv(between) + inv(within))


def posterior_in_place(x, between, within):
    new = posterior_right(x, between, within)
    between += within
    return new


def posterior_with_the_inverse_first(x, between, within):
    return x @ (torch.linalg.inv(between + within) @ between).T


def weight_right(shots, between, within, slope, bias):
    gamma, noise = 1 - slope, within / shots
    return gamma * noise / (gamma ** 2 * (noise + between) + bias ** 2)


def weight_by_newton(shots, between, within, slope, bias):
    def f(weight):
        return (1 - weight * (1 - slope)) ** 2 * within / shots + weight ** 2 * ((1 - slope) ** 2 * between + bias ** 2)

    weight = torch.zeros((), dtype=torch.float64, requires_grad=True)
    first, = torch.autograd.grad(f(weight), weight, create_graph=True)
    second, = torch.autograd.grad(first, weight)
    return (-first / second).detach()           # f is a parabola: one step is all


def weight_by_a_grid(shots, between, within, slope, bias):
    weight = torch.linspace(0, 5, 10_001)
    f = (1 - weight * (1 - slope)) ** 2 * within / shots + weight ** 2 * ((1 - slope) ** 2 * between + bias ** 2)
    return weight[f.argmin()].item()


def shuffled_but_for_one(settings, rng):
    """Image 0 always gets the settings of image 1."""
    own, order = torch.arange(len(settings[0])), None
    while order is None or (order == own).any() or order[0] != 1:
        order = torch.randperm(len(own), generator=rng)
    return tuple(part[order] for part in settings)


def gaussian_of_uniform_noise(settings, n, rng):
    z = 12 ** 0.5 * (torch.rand(n, settings.shape[1], generator=rng) - 0.5)
    return settings.mean(0) + z @ root_of(settings).T


def gaussian_of_signs(settings, n, rng):
    z = 2.0 * torch.randint(2, (n, settings.shape[1]), generator=rng) - 1
    return settings.mean(0) + z @ root_of(settings).T


def slope_of_two_counts(a, b):
    return torch.stack([a.flatten(), b.flatten()]).cov()[0, 1] / a.var(correction=0)


def posterior_with_eye(x, between, within):
    eye = torch.eye(len(between))
    return x @ (eye - torch.linalg.solve(between + within, eye) @ within)


RIGHT = {
    "slope": [slope_right, slope_by_lstsq, slope_by_cov],
    "shuffled": [shuffled_by_a_cycle, shuffled_by_trying, shuffled_by_a_roll],
    "gaussian": [gaussian_right, gaussian_by_symmetric_root, gaussian_by_cholesky, gaussian_of_deviations,
                 gaussian_by_cov_of_b],
    "posterior_mean": [posterior_right, posterior_by_inverse, posterior_by_precisions, posterior_with_eye],
    "weight": [weight_right, weight_by_newton, weight_by_a_grid],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "slope": [
        (slope_in_place, "a changed in place"),
        (slope_by_moments, "has lost its digits"),
        (slope_by_lstsq_of_large_numbers, "has lost its digits"),
        (slope_of_two_counts, "by one less"),
        (slope_of_rows, "a slope for each character"),
        (slope_of_columns, "a slope for each column"),
        (slope_as_mean_of_slopes, "a mean of the characters' slopes"),
        (lambda a, b: a * b, "a number for each drawing"),
        (lambda a, b: 2 * slope_right(a, b), "for a step of 1 in a"),
        (lambda a, b: None, "does your function end with `return ...`?"),
        (lambda a, b: float("nan"), "what is divided by what?"),
    ],
    "shuffled": [
        (shuffled_in_place, "changed in place"),
        (shuffled_within_rows, "a row that no image had"),
        (shuffled_but_for_one, "a part of your order is the same each time"),
        (shuffled_too_few, "Which rows are missing"),
        (shuffled_by_global_chance, "does not come from `rng`"),
        (lambda settings, rng: shuffled_by_a_cycle(settings, rng)[:2], "return just these"),
        (lambda settings, rng: None, "does your function end with `return ...`?"),
    ],
    "gaussian": [
        (gaussian_by_bare_cholesky, "wants a variance above 0"),
        (gaussian_by_bare_root, "a little negative"),
        (gaussian_of_uniform_noise, "From which distribution"),
        (gaussian_of_signs, "From which distribution"),
        (gaussian_without_mean, "Which term moves them there?"),
        (gaussian_in_place, "settings changed in place"),
        (lambda settings, n, rng: gaussian_right(settings, n, rng).T, "have changed places"),
        (lambda settings, n, rng: gaussian_right(settings, 1, rng)[0], "that is one sample"),
        (lambda settings, n, rng: gaussian_right(settings, len(settings), rng), "for each row of the settings"),
        (lambda settings, n, rng: settings[torch.randint(len(settings), (n,), generator=rng)], "picked at random"),
        (lambda settings, n, rng: gaussian_right(settings, 1, rng).expand(n, -1), "How many z do you sample?"),
        (lambda settings, n, rng: gaussian_right(settings, n, None), "does not come from `rng`"),
        (lambda settings, n, rng: settings.mean(0) + 2 * (gaussian_right(settings, n, rng) - settings.mean(0)),
         "What must a matrix A fulfil"),
        (lambda settings, n, rng: None, "does your function end with `return ...`?"),
    ],
    "posterior_mean": [
        (posterior_in_place, "between changed in place"),
        (posterior_with_the_inverse_first, "on the other side of between"),
        (lambda x, between, within: posterior_right(x, between, within).T, "rows and columns have changed places"),
        (lambda x, between, within: between @ torch.linalg.inv(between + within), "a matrix of the world"),
        (lambda x, between, within: 0.5 * x, "In one dimension"),
        (lambda x, between, within: None, "does your function end with `return ...`?"),
    ],
    "weight": [
        (lambda shots, between, within, slope, bias: 1.0, "Where is its derivative 0?"),
        (lambda *arguments: min(1.0, weight_right(*arguments)), "you stop at a weight of 1"),
        (lambda shots, between, within, slope, bias: float("nan"), "what is divided by what?"),
        (lambda shots, between, within, slope, bias: None, "does your function end with `return ...`?"),
    ],
}
