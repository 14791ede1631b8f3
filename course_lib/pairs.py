"""Training G(z, example, task) on pairs: two drawings of one character, beside their task."""

from functools import partial

from . import episodes, gan, losses, penalties


def sampler(*worlds, n_tasks=4, n_way=12):
    """A `draw` for `gan.fit`: a function of rng that returns pairs of drawings of one character, and their task.

    It returns real [B, 1, H, W], example [B, 1, 1, H, W] and task [n_tasks, n_way, 1, H, W], B = n_tasks * n_way. All
    are of one of the worlds, `ImageClasses`, each as often. Each task is of one alphabet, and its examples are its
    support. n_way: at most, for no alphabet may be smaller.
    """
    smallest = [min(classes.alphabets, key=classes.alphabets.count) for classes in worlds]
    ways = [min(n_way, classes.alphabets.count(name)) for classes, name in zip(worlds, smallest, strict=True)]
    if min(ways) < 2:
        raise ValueError(f"pairs need 2 classes of an alphabet, not {min(ways)}. Add to "
                         f"{smallest[ways.index(min(ways))]!r}, or leave it out.")

    def draw(rng):
        classes, n_way = episodes.one_of([*zip(worlds, ways)], rng)
        tasks = episodes.sample(classes, n_way=n_way, k_shot=1, q_query=1, n_tasks=n_tasks, rng=rng,
                                within_alphabet=True)
        return tasks.query_x.flatten(0, 1), tasks.support_x.flatten(0, 1)[:, None], tasks.support_x
    return draw


R1 = penalties.lazily(partial(penalties.r1, gamma=1.0), every=4)
PENALTY = penalties.total(penalties.mismatch, R1)


def train_generator(G, D, *worlds, n_steps, rng, penalty=PENALTY, **options):
    """G(z, example, task) against D(image, example, task) on pairs of one or more `ImageClasses`; a `gan.TrainedGAN`.

    Both change in place. options: those of `gan.fit`. The rates were chosen on other alphabets than those tested on.
    """
    return gan.fit(G, D, sampler(*worlds), n_steps=n_steps, loss=losses.NON_SATURATING, penalty=penalty,
                   lr=(2e-4, 4e-4), betas=(0.0, 0.99), ema=0.998, rng=rng, **options)
