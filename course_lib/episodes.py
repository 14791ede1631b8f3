"""N-way K-shot episodes: small classification tasks cut out of a set of classes, many at a time."""

from typing import NamedTuple

import torch

from .runtime import positive, progress


class Episodes(NamedTuple):
    """T tasks. Labels run from 0 to N-1 and mean nothing outside their own task."""

    support_x: torch.Tensor     # [T, N*K, 1, H, W] float in [0, 1], class by class
    support_y: torch.Tensor     # [T, N*K] int64
    query_x: torch.Tensor       # [T, N*Q, 1, H, W]
    query_y: torch.Tensor       # [T, N*Q]


def sample(classes, *, n_way, k_shot, q_query, n_tasks, rng, within_alphabet=False):
    """Draw `n_tasks` episodes of `n_way` classes with `k_shot` support and `q_query` query images each.

    classes: `datasets.ImageClasses` with images [C, M, 1, H, W]. rng: a torch.Generator on the images' device.
    No class comes twice in an episode and no image is both support and query. Every class is equally likely, also
    with `within_alphabet`, where all classes of an episode come from one alphabet. Returns `Episodes`, on the images'
    device. Raises ValueError for sizes that do not fit the classes. Protocol: Vinyals et al. 2016, "Matching networks
    for one shot learning"; within alphabets: Lake et al. 2015.
    """
    images = classes.images
    n_drawings = images.shape[1]
    _check_sizes(classes, n_way, k_shot, q_query, n_tasks, within_alphabet)
    drawn = _draw_classes(classes, n_way, n_tasks, within_alphabet, rng)                            # [T, N]
    keys = torch.rand(n_tasks, n_way, n_drawings, device=images.device, generator=rng)
    drawings = keys.topk(k_shot + q_query).indices                                                  # [T, N, K+Q]
    rows = drawn[:, :, None] * n_drawings + drawings                                                # [T, N, K+Q]
    support_x, query_x = _gather(classes, rows[:, :, :k_shot], rows[:, :, k_shot:])
    labels = torch.arange(n_way, device=images.device)
    return Episodes(support_x, labels.repeat_interleave(k_shot).repeat(n_tasks, 1),
                    query_x, labels.repeat_interleave(q_query).repeat(n_tasks, 1))


def _draw_classes(classes, n_way, n_tasks, within_alphabet, rng):
    """Class numbers [T, N], no class twice in a row: the N largest of one random key per class, a loopless shuffle."""
    n_classes, device = len(classes.alphabets), classes.images.device
    keys = torch.rand(n_tasks, n_classes, device=device, generator=rng)
    if within_alphabet:     # a class drawn evenly names the alphabet; classes of others lose their key
        number = {name: i for i, name in enumerate(dict.fromkeys(classes.alphabets))}
        alphabets = torch.tensor([number[name] for name in classes.alphabets], device=device)
        first = torch.randint(n_classes, (n_tasks, 1), device=device, generator=rng)
        keys = keys.masked_fill(alphabets != alphabets[first], -1.0)
    return keys.topk(n_way).indices


def _gather(classes, *parts):
    """For each part, image numbers [T, N, K]: the images, float [T, N*K, 1, H, W]. One gather for all parts."""
    x = classes.ink.index_select(0, torch.cat([part.flatten() for part in parts]))
    return [chunk.view(len(part), -1, *classes.images.shape[2:])
            for part, chunk in zip(parts, x.split([part.numel() for part in parts]))]


def _check_sizes(classes, n_way, k_shot, q_query, n_tasks, within_alphabet):
    positive(n_way=n_way, k_shot=k_shot, q_query=q_query, n_tasks=n_tasks)
    n_classes, n_drawings = classes.images.shape[:2]
    if n_way > n_classes:
        raise ValueError(f"{n_way}-way episodes need {n_way} classes; there are {n_classes}. Use n_way<={n_classes}.")
    if k_shot + q_query > n_drawings:
        raise ValueError(f"{k_shot}-shot episodes with {q_query} queries need {k_shot + q_query} drawings of a class; "
                         f"there are {n_drawings}. Use k_shot + q_query <= {n_drawings}.")
    if within_alphabet:
        counts = {name: classes.alphabets.count(name) for name in dict.fromkeys(classes.alphabets)}
        smallest = min(counts, key=counts.get)
        if n_way > counts[smallest]:
            raise ValueError(f"{n_way}-way episodes need {n_way} classes; {smallest!r} has {counts[smallest]}. "
                             f"Use n_way<={counts[smallest]} or within_alphabet=False.")


def accuracies(learner, classes, *, n_way, k_shot, q_query, n_episodes, rng, within_alphabet=False, chunk=50):
    """The accuracy of `learner` on each of `n_episodes` episodes: float [n_episodes] in [0, 1].

    learner: a function of `Episodes` that returns predicted labels [T, N*Q]. Episodes are drawn `chunk` at a time.
    Raises ValueError for labels of another shape, and for sizes that do not fit.
    """
    positive(n_episodes=n_episodes, chunk=chunk)
    if n_way == 1:
        raise ValueError("1-way episodes measure nothing: there is one name to give. Use n_way>=2, or more classes.")
    scores = []
    for start in progress(range(0, n_episodes, chunk), desc="episodes"):
        tasks = sample(classes, n_way=n_way, k_shot=k_shot, q_query=q_query, rng=rng, within_alphabet=within_alphabet,
                       n_tasks=min(chunk, n_episodes - start))
        labels = learner(tasks)
        if labels.shape != tasks.query_y.shape:         # logits, say, or the labels of one task
            raise ValueError(f"the learner returned {list(labels.shape)}, not labels {list(tasks.query_y.shape)}.")
        scores.append((labels == tasks.query_y).float().mean(1).cpu())
    return torch.cat(scores)
