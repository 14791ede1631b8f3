"""Right and wrong answers to the exercises of notebook 13."""

import math

import torch
from torch.nn.functional import cosine_similarity

from course_lib import statistics


def shots(n_images, beta, alpha):
    """One class at a time, with numbers in place of tensors."""
    sizes, beta, alpha = n_images.tolist(), beta.item(), alpha.tolist()
    q = min(10, min(sizes) // 2)
    support = min(500, sum(math.ceil(round(beta * min(100, size - q), 6)) for size in sizes))
    total = sum(math.exp(a) * size for a, size in zip(alpha, sizes))
    return q, torch.tensor([min(math.floor(math.exp(a) * size / total * (support - len(sizes))) + 1, size - q)
                            for a, size in zip(alpha, sizes)])


def shots_of_tensors(n_images, beta, alpha):
    q = torch.minimum(n_images.min() // 2, torch.tensor(10))
    n_support = (beta * (n_images - q).clamp(max=100)).ceil().sum().clamp(max=500)
    share = (alpha + n_images.log()).softmax(0)
    return [q.item(), torch.minimum(torch.floor(share * (n_support - n_images.numel())).long() + 1, n_images - q)]


def queries_of_each(n_images, beta, alpha):
    return (n_images // 2).clamp(max=10), shots(n_images, beta, alpha)[1]


def queries_without_limit(n_images, beta, alpha):
    return int(n_images.min()) // 2, shots(n_images, beta, alpha)[1]


def shots_as_floats(n_images, beta, alpha):
    q, k = shots(n_images, beta, alpha)
    return q, k.double()


def shots_in_place(n_images, beta, alpha):
    q, k = shots(n_images, beta, alpha)
    n_images -= q
    return q, k


def shots_with_float_queries(n_images, beta, alpha):
    q, k = shots(n_images, beta, alpha)
    return float(q), k


def standing(means, halves):
    p = torch.erfc((1.96 * means / halves).abs() / math.sqrt(2))
    return statistics.holm(p, 0.05)


def standing_by_normal(means, halves):
    normal = torch.distributions.Normal(0.0, 1.0)
    return statistics.holm(2 * normal.cdf(-(means.abs().double() / halves.double()) * 1.96), alpha=0.05)


def standing_with_signs(means, halves):
    return statistics.holm(torch.erfc(1.96 * means / halves / math.sqrt(2)), 0.05)


def standing_twice_the_root(means, halves):
    return statistics.holm(torch.erfc((1.96 * means / halves).abs() * math.sqrt(2)), 0.05)


def cosines(gradients):
    flat = torch.stack([torch.cat([part.reshape(-1) for part in each]) for each in gradients])
    return cosine_similarity(flat.unsqueeze(1), flat.unsqueeze(0), dim=2)


def cosines_one_by_one(gradients):
    def inner(a, b):
        return sum((x * y).sum() for x, y in zip(a, b))
    rows = [[inner(a, b) / (inner(a, a) * inner(b, b)) ** 0.5 for b in gradients] for a in gradients]
    return torch.tensor(rows)


def cosines_in_place(gradients):
    for each in gradients:
        length = sum(part.square().sum() for part in each) ** 0.5
        for part in each:
            part /= length
    return cosines(gradients)


RIGHT = {"shots": [shots, shots_of_tensors], "standing": [standing, standing_by_normal],
         "cosines": [cosines, cosines_one_by_one]}
WRONG = {"shots": [(queries_of_each, "the smallest class decides"), (queries_without_limit, "never more than 10"),
                   (shots_as_floats, "whole numbers"), (shots_in_place, "changed in place"),
                   (shots_with_float_queries, "q as a whole number"),
                   (lambda n, beta, alpha: shots(n, beta, alpha)[::-1], "q comes first"),
                   (lambda n, beta, alpha: shots(n, beta, alpha)[1], "2 result(s)")],
         "standing": [(lambda m, h: torch.erfc(m.abs() / h), "True or False"),
                      (lambda m, h: standing(m, h).tolist(), "as a tensor; got list"),
                      (lambda m, h: m > 0, "What is z in your code"),
                      (standing_with_signs, "Which sign may a distance have"),
                      (standing_twice_the_root, "By what is z divided"),
                      (lambda m, h: standing(m, h) & (m > 0), "your losses never stand")],
         "cosines": [(cosines_in_place, "changed in place"), (lambda g: cosines(g)[0], "a row and a column"),
                     (lambda g: cosines(g).tolist(), "as a tensor; got list"),
                     (lambda g: torch.cov(torch.cat([part.flatten()[None] for part in g[0]], dim=1).T @ torch.cat(
                         [part.flatten()[None] for part in g[0]], dim=1)), "sums over the worlds")]}
