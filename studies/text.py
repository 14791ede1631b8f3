"""Does a generator of features help to name a language? For notebook 14: 5-way, 1-shot and 5-shot.

    python studies/text.py          (tunes on validation languages, then writes figures/results/text.jsonl)
    python studies/text.py tune     (prints what tuning finds, and stops)

A class is a language, a sample a name in it. An encoder of hashed pieces of words is trained as a ProtoNet on training
languages, then frozen. Every arm adds n copies, each of weight w, to the features of each class of the support. The
learners are class means (prototypes) and a logistic head, which begins at 0 and takes a few gradient steps.

* none; Gaussian: noise of the pooled within-class covariance; interpolation: towards another example of the class, at
  1-shot towards the nearest example of another class; real: more names of the language (the oracle)
* GAN, WGAN-GP and GAN, non-saturating (+ R1): G(z, x, task) against D(feature, x, task), on pairs of names
* GAN for the task: WGAN-GP, and the learner's loss on queries is added to G's (Wang et al. 2018)
* controls, the cheap explanations: regression (the same network without noise or D, by squared error: a mean),
  shrinkage (each copy is the mean of the task's support), whitening (no copies; features scaled by the within-class
  covariance, what many Gaussian copies teach), and the GAN with its differences shuffled among the task's examples

All knobs are chosen on validation languages, by a seed of their own, for each learner and number of shots. Then the
test languages are looked at once, with five seeds; each has an encoder and generators of its own. All arms of all seeds
see the same episodes. Intervals: over episodes, of means over seeds; beside them the mean of each seed.
"""

import argparse
import itertools
import time
from functools import partial
from typing import NamedTuple

import torch
from torch.nn.functional import cross_entropy, normalize, one_hot

import shared
from course_lib import datasets, episodes, flows, gan, learners, losses, penalties, quality, runtime
from course_lib.networks.features import FeatureDiscriminator, FeatureGenerator, TextEncoder
from course_tools import records

N_WAY, N_EXTRA, N_EPISODES, SHOTS, SEEDS, TUNING_SEED = 5, 20, 400, (1, 5), range(5), 100
WORLDS = ("all scripts", "Latin")
ENCODER_STEPS, WGAN_STEPS, D_STEPS, NS_STEPS, REGRESSION_STEPS = 800, 800, 3, 1500, 500
HEAD_RATE, TEMPERATURE = 0.1, 10         # the latter makes the logits of `query_loss` as large as the encoder's


def languages():
    """{split: {world: `ImageClasses`}}."""
    splits = {split: datasets.load("names", split=split) for split in ("train", "val", "test")}
    return {split: {"all scripts": classes, "Latin": classes.take(
        i for i, script in enumerate(classes.alphabets) if script == "Latin")} for split, classes in splits.items()}


def encoder_and_rest(train, seed):
    """A function of counts [B, ...] that returns features [B, F]; and features [C, M, F] of training languages.

    A `TextEncoder` learns from two of three training languages; generators learn from the features of the others, for
    languages that trained the encoder have features in tighter heaps than new ones. Features have mean 0 and, averaged
    over the F numbers, variance 1 among those.
    """
    runtime.seed_everything(seed)
    encoder = TextEncoder()
    order = sorted(range(len(train.names)), key=lambda i: (train.alphabets[i], train.names[i]))
    learners.train_protonet(encoder, train.take(i for n, i in enumerate(order) if n % 3), n_steps=ENCODER_STEPS,
                            rng=runtime.rng(seed), outer_lr=1e-3)
    rest = train.take(order[::3])
    with torch.no_grad():
        features = encoder.eval().features(rest.ink)
    mean, std = features.mean(0), features.var(0).mean().sqrt()

    @torch.no_grad()
    def encode(x):
        return (encoder.features(x) - mean) / std
    return encode, encode(rest.ink).unflatten(0, rest.images.shape[:2])


class Tasks(NamedTuple):
    """T tasks as features."""

    support: torch.Tensor       # [T, N, K, F]
    more: torch.Tensor          # [T, N, N_EXTRA, F], further real ones
    query: torch.Tensor         # [T, N*Q, F]
    labels: torch.Tensor        # [T, N*Q]


def draw_tasks(classes, k_shot, seed, n_tasks=N_EPISODES):
    """`Episodes` with N_EXTRA more support samples, in counts. The same seed brings the same ones."""
    return episodes.sample(classes, n_way=N_WAY, k_shot=k_shot + N_EXTRA, q_query=10, n_tasks=n_tasks,
                           rng=runtime.rng(seed))


def as_features(function, tasks, k_shot):
    """`Tasks` by a function of counts [B, ...] that returns features [B, F]."""
    support, query = (function(x.flatten(0, 1)).view(*x.shape[:2], -1) for x in (tasks.support_x, tasks.query_x))
    support = support.unflatten(1, (N_WAY, -1))
    return Tasks(support[:, :, :k_shot], support[:, :, k_shot:], query, tasks.query_y)


# Learners: (tasks, copies [T, N, n, F], weight of a copy, knob) -> right or wrong [T, N*Q]

def weighted(tasks, copies, weight):
    """Features [T, N, K+n, F], and what each weighs [K+n]."""
    together = torch.cat([tasks.support, copies], dim=2)
    return together, torch.cat([torch.ones(tasks.support.shape[2]), torch.full((copies.shape[2],), float(weight))])


def prototypes(tasks, copies, weight, steps=None):
    x, weights = weighted(tasks, copies, weight)
    means = (x * weights[:, None]).sum(2) / weights.sum()                               # [T, N, F]
    return torch.cdist(tasks.query, means).argmin(2) == tasks.labels


def head(tasks, copies, weight, steps):
    x, weights = weighted(tasks, copies, weight)
    x = torch.cat([x, torch.ones_like(x[..., :1])], dim=3)                              # a feature for the bias
    y = one_hot(torch.arange(N_WAY), N_WAY).float()[:, None].expand(-1, x.shape[2], -1).flatten(0, 1)
    share = (weights / weights.sum() / N_WAY).repeat(N_WAY)[:, None]                    # [N*(K+n), 1]
    x, w = x.flatten(1, 2), x.new_zeros(len(x), x.shape[3], N_WAY)
    for _ in range(steps):
        w = w - HEAD_RATE * x.mT @ (share * ((x @ w).softmax(2) - y))
    return (tasks.query @ w[:, :-1] + w[:, -1:]).argmax(2) == tasks.labels


LEARNERS = {"prototypes": (prototypes, (0,)), "logistic head": (head, (10, 40))}


# Arms: (support [T, N, K, F], n, rng) -> copies [T, N, n, F]

def in_turn(support, n):
    return support[:, :, torch.arange(n) % support.shape[2]]


def nothing(support, n, rng):
    return support[:, :, :0]


def gaussian(root, scale, support, n, rng):
    examples = in_turn(support, n)
    return examples + scale * torch.randn(examples.shape, generator=rng) @ root.T


def interpolation(reach, support, n, rng):
    """Each example moved towards another by up to `reach` of the way: one of its class, or at 1-shot the nearest."""
    examples = in_turn(support, n)
    if support.shape[2] > 1:
        other = in_turn(support.roll(1 + int(torch.randint(support.shape[2] - 1, (), generator=rng)), 2), n)
    else:
        flat = support[:, :, 0]
        apart = torch.cdist(flat, flat) + 1e6 * torch.eye(support.shape[1])
        nearest = apart.argmin(2)[:, :, None].expand(-1, -1, flat.shape[2])
        other = flat.gather(1, nearest)[:, :, None].expand_as(examples)
    return examples.lerp(other, reach * torch.rand(*examples.shape[:3], 1, generator=rng))


def shrinkage(support, n, rng):
    return support.mean((1, 2), keepdim=True).expand(-1, support.shape[1], n, -1)


@torch.no_grad()
def generated(G, support, n, rng, shuffled=False, reach=1.0):
    """n copies by G of each class, of its examples in turn; shuffled: with the difference made for another class."""
    examples = in_turn(support, n)
    x = examples.flatten(0, 2)[:, None]                                                 # [T*N*n, 1, F]
    made = G(reach * gan.noise(G, len(x), rng), x, support.flatten(1, 2)).view_as(examples)
    return examples + (made - examples).roll(1, 1) if shuffled else made


def sampler(features, n_tasks=16):
    """A `draw` for `gan.fit`: real [B, F], x [B, 1, F], task [T, N, F] from features [C, M, F]."""
    n_classes, n_names = features.shape[:2]

    def draw(rng):
        classes = torch.rand(n_tasks, n_classes, generator=rng).topk(N_WAY).indices
        rows = torch.rand(n_tasks, N_WAY, n_names, generator=rng).topk(2).indices
        drawn = features[classes[:, :, None], rows]                                     # [T, N, 2, F]
        return drawn[:, :, 0].flatten(0, 1), drawn[:, :, 1:].flatten(0, 1), drawn[:, :, 1:].flatten(1, 2)
    return draw


def wgan(draw, seed, n_steps=WGAN_STEPS, d_steps=D_STEPS):
    runtime.seed_everything(seed)
    return gan.fit(FeatureGenerator(), FeatureDiscriminator(), draw, n_steps=n_steps, loss=losses.WASSERSTEIN,
                   penalty=penalties.gradient_penalty, d_steps=d_steps, lr=(1e-3, 1e-3), betas=(0.5, 0.9), ema=0.99,
                   rng=runtime.rng(seed)).G


def non_saturating(draw, seed, n_steps=NS_STEPS):
    runtime.seed_everything(seed)
    return gan.fit(FeatureGenerator(), FeatureDiscriminator(), draw, n_steps=n_steps, loss=losses.NON_SATURATING,
                   penalty=penalties.lazily(partial(penalties.r1, gamma=1.0), every=4), lr=(1e-3, 2e-3),
                   betas=(0.0, 0.99), ema=0.99, rng=runtime.rng(seed)).G


def squared_error(G, real, x, task, rng):
    """Without noise: the best G is the mean of other names' features, given the example and the task."""
    return (G(torch.zeros(len(x), G.z_dim), x, task) - real).square().mean()


def regression(draw, seed, n_steps=REGRESSION_STEPS):
    runtime.seed_everything(seed)
    return flows.fit(FeatureGenerator(), draw, n_steps=n_steps, rng=runtime.rng(seed), lr=1e-3, objective=squared_error)


def query_loss(G, real, x, task, rng, n=4):
    """What prototypes of examples and n copies lose on the other names, the copies weighing as much as an example."""
    copies = sum(G(gan.noise(G, len(x), rng), x, task) for _ in range(n)) / n
    means = (x[:, 0] + copies) / 2
    logits = -torch.cdist(real.unflatten(0, (-1, N_WAY)), means.unflatten(0, (-1, N_WAY))).square() / TEMPERATURE
    return cross_entropy(logits.flatten(0, 1), torch.arange(N_WAY).repeat(len(logits)))


def for_the_task(draw, seed, n_steps=WGAN_STEPS, d_steps=D_STEPS):
    """`wgan`, with the learner's loss on queries added to G's. Source: Wang et al. 2018."""
    runtime.seed_everything(seed)
    G, D, rng = FeatureGenerator(), FeatureDiscriminator(), runtime.rng(seed)
    g_optimiser, d_optimiser = (torch.optim.Adam(net.parameters(), 1e-3, (0.5, 0.9)) for net in (G, D))
    for _ in runtime.progress(range(n_steps), desc="for the task"):
        for _ in range(d_steps):
            real, *condition = draw(rng)
            gan.d_step(G, D, real, condition, loss=losses.WASSERSTEIN, optimiser=d_optimiser, rng=rng,
                       penalty=penalties.gradient_penalty)
        fake = G(gan.noise(G, len(real), rng), *condition)
        loss = losses.wasserstein_g(D(fake, *condition)) + query_loss(G, real, *condition, rng)
        g_optimiser.zero_grad()
        loss.backward()
        g_optimiser.step()
    return G.eval()


def roots(features, kept=0.5):
    """A root of the pooled within-class covariance of features [C, M, F], and the inverse root of a softened one,
    scaled so that the variance of features, averaged over the F numbers, is 1 after it."""
    within = (features - features.mean(1, keepdim=True)).flatten(0, 1)
    covariance = within.T @ within / (len(within) - len(features))
    values, vectors = torch.linalg.eigh(covariance)
    soft = kept * values + (1 - kept) * values.mean()
    white = vectors * soft.rsqrt() @ vectors.T
    return vectors * values.clamp(min=0).sqrt(), white / (features @ white).flatten(0, 1).var(0).mean().sqrt()


GANS = {"GAN, WGAN-GP": wgan, "GAN, non-saturating": non_saturating, "GAN for the task": for_the_task}
IMITATORS = ("Gaussian", *GANS, "regression", "GAN, shuffled")


def arms_of(features, seed):
    """{arm: {knob: function (support, n, rng)}}, trained on features [C, M, F] of training languages."""
    draw, (root, _) = sampler(features), roots(features)
    nets = {name: train(draw, seed) for name, train in (GANS | {"regression": regression}).items()}
    mean = partial(generated, nets["regression"], reach=0.0)
    return {"none": {0: nothing}, "Gaussian": {s: partial(gaussian, root, s) for s in (0.5, 1.0)},
            "interpolation": {r: partial(interpolation, r) for r in (0.25, 0.5)},
            **{name: {r: partial(generated, nets[name], reach=r) for r in (0.5, 1.0)} for name in GANS},
            "regression": {0: mean}, "shrinkage": {0: shrinkage}, "whitening": {0: nothing},
            "GAN, shuffled": {r: partial(generated, nets["GAN, WGAN-GP"], reach=r, shuffled=True) for r in (0.5, 1.0)},
            "real": {0: None}}


class Choice(NamedTuple):
    knob: float         # the arm's own: noise, reach
    n: int              # copies of a class
    weight: float       # of a copy; an example weighs 1
    steps: int          # of the head


def choices(arm, knobs, learner, k_shot):
    """All settings that tuning tries for an arm."""
    numbers = (1,) if arm in ("regression", "shrinkage") else (4, N_EXTRA)
    sizes = [(n, total * k_shot / n) for n in numbers for total in (0.25, 1.0, 4.0)]
    sizes = {"none": [(0, 0.0)], "whitening": [(0, 0.0)], "real": [(N_EXTRA, 1.0)]}.get(arm, sizes)
    return [Choice(knob, n, w, steps) for knob, (n, w), steps in itertools.product(knobs, sizes, LEARNERS[learner][1])]


def right(arm, functions, choice, learner, tasks, white, seed):
    """The accuracy on each task [T] of an arm under a `Choice`."""
    if arm == "whitening":
        tasks = Tasks(tasks.support @ white, tasks.more, tasks.query @ white, tasks.labels)
    copies = tasks.more if arm == "real" else functions[choice.knob](tasks.support, choice.n, runtime.rng(seed))
    return LEARNERS[learner][0](tasks, copies, choice.weight, choice.steps).float().mean(1)


def tune(splits):
    """{(arm, learner, k_shot): Choice}, the best on validation languages, by the mean over both worlds; and all tried.

    The latter is {(arm, learner, k_shot, Choice): accuracies on episodes}.
    """
    encode, features = encoder_and_rest(splits["train"]["all scripts"], TUNING_SEED)
    _, white = roots(features)
    chosen, tried, arms = {}, {}, arms_of(features, TUNING_SEED)
    for k_shot in SHOTS:
        tasks = [as_features(encode, draw_tasks(splits["val"][world], k_shot, TUNING_SEED, 200), k_shot)
                 for world in WORLDS]
        for arm, learner in itertools.product(arms, LEARNERS):
            values = {choice: torch.cat([right(arm, arms[arm], choice, learner, each, white, 0) for each in tasks])
                      for choice in choices(arm, arms[arm], learner, k_shot)}
            scores = {choice: value.mean().item() for choice, value in values.items()}
            chosen[arm, learner, k_shot] = best = max(scores, key=scores.get)
            tried |= {(arm, learner, k_shot, choice): value for choice, value in values.items()}
            print(k_shot, learner, arm, f"{100 * scores[best]:.1f}", tuple(best),
                  f"least {100 * min(scores.values()):.1f}", flush=True)
    return chosen, tried


def imitation(functions, encode, classes):
    """Energy distance to the truth, diversity (people: 1), both [C], of N copies of one name of each language."""
    x = encode(classes.ink).unflatten(0, classes.images.shape[:2])
    x = x[:len(x) // N_WAY * N_WAY]                                                     # [C, M, F]
    n = x.shape[1] // 2
    copies = functions(x[:, :1].unflatten(0, (-1, N_WAY)), n, runtime.rng(0)).flatten(0, 1)
    truth = x[:, n:]
    return (torch.stack([quality.energy_distance(*both) for both in zip(copies, truth)]),
            torch.stack([torch.pdist(a).mean() / torch.pdist(b).mean() for a, b in zip(copies, truth)]))


def told(choice):
    """A Choice as a record tells it, where n is the number of values."""
    return {"copies" if key == "n" else key: value for key, value in choice._asdict().items()}


def raw(x):
    return normalize(x.flatten(1))


def test(splits, chosen, tried):
    """Write accuracies, gains, and fractions of the gap to real names, of every arm."""
    results = shared.results("text", profile="cpu", device="cpu", dataset="names", split="test", seed="all")
    drawn = {(world, k): draw_tasks(splits["test"][world], k, 0) for world in WORLDS for k in SHOTS}
    found, imitations, seconds = {}, {}, []
    for seed in SEEDS:
        start = time.process_time()
        encode, features = encoder_and_rest(splits["train"]["all scripts"], seed)
        _, white = roots(features)
        arms = arms_of(features, seed)
        for arm in IMITATORS:
            imitations.setdefault(arm, []).append(imitation(arms[arm][max(arms[arm])], encode,
                                                            splits["test"]["all scripts"]))
        for (world, k), counts in drawn.items():
            tasks = as_features(encode, counts, k)
            for arm, learner in itertools.product(arms, LEARNERS):
                found.setdefault((world, k, learner, arm), []).append(
                    right(arm, arms[arm], chosen[arm, learner, k], learner, tasks, white, 1000 + seed))
        seconds.append(time.process_time() - start)
        print(f"seed {seed}: {seconds[-1]:.0f} s", flush=True)
    for (world, k), tasks in drawn.items():
        tasks = as_features(raw, tasks, k)
        near = torch.cdist(tasks.query, tasks.support.flatten(1, 2)).argmin(2) // k == tasks.labels
        means = prototypes(tasks, tasks.support[:, :, :0], 1)
        for arm, answers in (("nearest neighbour", near), ("class means", means)):
            results.add("accuracy, counts", answers.float().mean(1), unit="accuracy", setting="inductive", arm=arm,
                        world=world, k_shot=k, n_way=N_WAY, seeds=1)
    for (world, k, learner, arm), runs in found.items():
        runs, plain = torch.stack(runs), torch.stack(found[world, k, learner, "none"])
        about = {"unit": "accuracy", "setting": "inductive", "arm": arm, "world": world, "k_shot": k, "n_way": N_WAY,
                 "seeds": len(runs), **told(chosen[arm, learner, k])}
        results.add(f"accuracy, {learner}", runs.mean(0), **about, by_seed=runs.mean(1).tolist())
        if arm == "none":
            continue
        gain = results.add(f"gain, {learner}", (runs - plain).mean(0), **about, by_seed=(runs - plain).mean(1).tolist())
        results.add(f"gain over seeds, {learner}", (runs - plain).mean(1), **about)
        for rival in ("Gaussian", "regression", "whitening", "GAN, WGAN-GP"):
            if arm.startswith("GAN") and arm != rival:
                rival_runs = torch.stack(found[world, k, learner, rival])
                results.add(f"against {rival}, {learner}", (runs - rival_runs).mean(0), **about,
                            by_seed=(runs - rival_runs).mean(1).tolist())
        print(world, k, learner, arm, records.percent(gain), flush=True)
    for arm, pairs in imitations.items():
        for what, values in zip(("distance to the truth", "diversity"), zip(*pairs)):
            values = torch.stack(values)
            results.add(what, values.mean(0), unit="ratio", setting="-", arm=arm, by_seed=values.mean(1).tolist())
    for (arm, learner, k, choice), values in tried.items():
        if learner == "prototypes" and choice.n != 4:
            results.add(f"while tuning, {learner}", values, unit="accuracy", setting="inductive", arm=arm, k_shot=k,
                        split="val", seed=TUNING_SEED, n_way=N_WAY, **told(choice))
    results.add("seconds", torch.tensor(seconds), unit="seconds", setting="-")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("tune", "test"), default="test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    splits = languages()
    chosen, tried = tune(splits)
    if options.what == "test":
        test(splits, chosen, tried)


if __name__ == "__main__":
    main()
