"""N-way K-shot episodes: small classification tasks cut out of a set of classes, many at a time.

And episodes of any number of ways and shots, one at a time.
"""

import math
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


def sample_varied(classes, *, rng):
    """Draw one episode as Meta-Dataset does: ways, queries and the shots of each class differ from one to the next.

    5 to 50 ways, each number equally likely, at most as many as there are classes; shots and queries by `shots`.
    Returns `Episodes` of one task, T = 1: support_x [1, the sum of all shots, 1, H, W], class by class, no padding.
    rng: on the images' device. Raises ValueError for fewer than 5 classes or 2 drawings. Source: Triantafillou et al.
    2020, "Meta-Dataset", section 3.2.
    """
    (n_classes, n_drawings), device = classes.images.shape[:2], classes.images.device
    if n_classes < 5 or n_drawings < 2:
        raise ValueError(f"varied episodes need 5 classes of 2 drawings; there are {n_classes} of {n_drawings}. Load "
                         f"split 'all', add classes, or use `sample` with n_way<={n_classes}.")
    n_way = int(torch.randint(5, min(50, n_classes) + 1, (), device=device, generator=rng))
    beta = 1 - torch.rand((), device=device, generator=rng)                                         # in (0, 1]
    alpha = math.log(0.5) + math.log(4) * torch.rand(n_way, device=device, generator=rng)         # factors 1/2 to 2
    q_query, k_shots = shots(torch.full((n_way,), n_drawings, device=device), beta, alpha)
    drawn = _draw_classes(classes, n_way, 1, False, rng)[0]                                         # [N]
    keys = torch.rand(n_way, n_drawings, device=device, generator=rng)
    rows = drawn[:, None] * n_drawings + keys.argsort(1)                                            # [N, M]
    chosen = torch.arange(n_drawings - q_query, device=device) < k_shots[:, None]
    support_x, query_x = _gather(classes, rows[:, q_query:][chosen][None], rows[:, :q_query].flatten()[None])
    labels = torch.arange(n_way, device=device)
    return Episodes(support_x, labels.repeat_interleave(k_shots)[None],
                    query_x, labels.repeat_interleave(q_query)[None])


def one_of(worlds, rng):
    """One of the worlds, each as likely. Where there is but one, rng stays as it is."""
    n = len(worlds)
    return worlds[int(torch.randint(n, (), device=rng.device, generator=rng))] if n > 1 else worlds[0]


def shots(n_images, beta, alpha):
    """How many queries each class has, an int, and how many examples each has, [N], in an episode of Meta-Dataset.

    n_images [N]: of each class. beta in (0, 1]: how large the support is. alpha [N]: log weights of the classes.
    Queries: half the images of the smallest class, at most 10. Support: at most 100 of a class and 500 in all, shared
    out by weight and size, at least one for each.
    """
    q_query = min(10, int(n_images.min()) // 2)
    n_support = min(500, int((beta * (n_images - q_query).clamp(max=100)).ceil().sum()))
    share = alpha.exp() * n_images / (alpha.exp() * n_images).sum()
    k_shots = (share * (n_support - len(n_images))).floor().long() + 1
    return q_query, k_shots.minimum(n_images - q_query)


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
