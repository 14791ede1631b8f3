"""Right and wrong answers to the exercises of notebook 14."""

import zlib

import torch


def counts(name, n):
    text, found = f" {name} ", torch.zeros(n)
    for size in (1, 2, 3):
        for start in range(len(text) - size + 1):
            found[zlib.crc32(text[start:start + size].encode()) % n] += 1
    return found


def counts_by_bincount(name, n):
    text = " " + name + " "
    pieces = [text[i:i + size] for i in range(len(text)) for size in (1, 2, 3) if i + size <= len(text)]
    return torch.bincount(torch.tensor([zlib.crc32(p.encode("utf-8")) % n for p in pieces]), minlength=n)


def counts_of_used_columns(name, n):
    found = counts(name, n)
    return found[found > 0]


def counts_with_words_cut(name, n):
    """A space at either end of each word, twice between words."""
    return sum(counts(word, n) for word in f"{name} x".split())


def counts_by_code_points(name, n):
    text, found = f" {name} ", torch.zeros(n)
    for size in (1, 2, 3):
        for start in range(len(text) - size + 1):
            found[sum(map(ord, text[start:start + size])) % n] += 1
    return found


def counts_past_the_end(name, n):
    text, found = f" {name} ", torch.zeros(n)
    for start in range(len(text)):
        for size in (1, 2, 3):
            found[zlib.crc32(text[start:start + size].encode()) % n] += 1
    return found


def pooled(features):
    within = features - features.mean(1, keepdim=True)
    n_classes, n_names = features.shape[:2]
    return torch.einsum("cmf,cmg->fg", within, within) / (n_classes * (n_names - 1))


def pooled_by_difference(features):
    """E[x x'] - E[x] E[x]': right on paper, and without digits where the mean is large."""
    n_classes, n_names = features.shape[:2]
    means = features.mean(1)
    return (torch.einsum("cmf,cmg->fg", features, features) - n_names * means.T @ means) / (n_classes * (n_names - 1))


def mean_of_covariances(features):
    return torch.stack([each.T.cov() for each in features]).mean(0)


def pooled_in_place(features):
    features -= features.mean(1, keepdim=True)
    return features.flatten(0, 1).T @ features.flatten(0, 1) / (features.shape[0] * (features.shape[1] - 1))


def covariance_of_each(features):
    return torch.stack([each.T.cov() for each in features])


def dtw(apart):
    T, S = apart.shape
    best = apart.new_full((T + 1, S + 1), torch.inf)
    best[0, 0] = 0
    for i in range(T):
        for j in range(S):
            best[i + 1, j + 1] = apart[i, j] + min(best[i, j + 1], best[i + 1, j], best[i, j])
    return best[T, S]


def dtw_by_rows(apart):
    """Plain numbers, from the end to the start."""
    rows, n = apart.tolist(), apart.shape[1]
    after = [float("inf")] * (n + 1)
    for number, row in enumerate(reversed(rows)):
        now = [float("inf")] * (n + 1)
        for j in reversed(range(n)):
            last = number == 0 and j == n - 1
            now[j] = row[j] + (0 if last else min(now[j + 1], after[j], after[j + 1]))
        after = now
    return after[0]


def dtw_in_place(apart):
    cost = dtw(apart)
    apart += 1
    return cost


def dtw_never_there(apart):
    return torch.tensor(float("inf"))


RIGHT = {"dtw": [dtw, dtw_by_rows],
         "hashed_counts": [counts, counts_by_bincount],
         "pooled_covariance": [pooled, mean_of_covariances]}
WRONG = {"dtw": [(dtw_in_place, "changed in place"), (dtw_never_there, "infinitely far"),
                 (lambda apart: apart.cumsum(0), "you return the whole table"),
                 (lambda apart: apart.sum(0), "as one number")],
         "hashed_counts": [(counts_of_used_columns, "also for the empty ones"),
                           (counts_with_words_cut, "miss, or count twice"),
                           (lambda name, n: counts(name, n).tolist(), "as a tensor; got list"),
                           (lambda name, n: counts(name, n)[None], "a table of one row"),
                           (lambda name, n: counts(name, n).log1p(), "miss, or count twice"),
                           (counts_by_code_points, "in a wrong column"),
                           (counts_past_the_end, "Where must the loop stop")],
         "pooled_covariance": [(pooled_in_place, "changed in place"), (pooled_by_difference, "loses its digits"),
                               (lambda x: pooled(x).tolist(), "as a tensor; got list"),
                               (covariance_of_each, "how does one come from all"),
                               (lambda x: pooled(x).diag(), "those are variances alone")]}
