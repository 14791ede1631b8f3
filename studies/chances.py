"""Where could a generator earn its place? Five chances, on real characters, beside the strongest simple baseline.

    COURSE_DATA=... python studies/chances.py       (half an hour on one core; writes figures/results/chances.jsonl)

Everything learns from Balinese, Early Aramaic and Latin and from `glyphs`, and is scored on Greek and Korean, in the
same 60 episodes of 20-way 1-shot, drawings normalised. The baseline is the learner of `course challenge`, smaller: a
ProtoNet trained on classical copies of both worlds, which averages 16 classical copies at test time, and matching,
added up. Intervals are over episodes, of means over two seeds. All of this is exploratory, on development alphabets.

copies        by a generator that learned from the three alphabets, or from these and `glyphs`, at test time.
strokes       for training: a third of the tasks hold new characters, with strokes of two characters of one alphabet,
              drawn by a pen that repeats people's movements. The generator of `strokes.py` moves and bends each stroke
              on its own; the control does without it.
new classes   for training: half of the tasks hold characters that nobody drew. A character becomes another one when
              all its drawings are warped alike: by the generator with one far-reaching z for each character, or by one
              strong classical warp for each.
D as comparator   D(image, example, task), trained to tell "the same character" from another character of the alphabet,
              and, if asked, from the generator's copies. Its logit is what a match is worth.
deformation   what bending costs: how far the matched pixels are moved, once as an affine map moves them and once
              beyond it, weighed against matching's own cost. Four weights, fitted on the three alphabets.
"""

import itertools
from functools import partial

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, pad

import shared
import strokes
from course_lib import augmentations, checkpoints, datasets, gan, learners, maml, networks, pairs, placements, runtime
from course_lib.datasets import ImageClasses
from course_lib.episodes import sample
from course_lib.statistics import paired_difference
from course_tools import records
from course_tools.challenge import GENTLE, N_VERSIONS, together
from shared import Kind, load
from trial import classical, copies_by, of

FOLDER = runtime.project_root() / "runs" / "chances"
TRAIN, TEST = ("Balinese", "Early_Aramaic", "Latin"), ("Greek", "Korean")
KIND, N_EPISODES, SEEDS, STEPS, ITERATIONS = Kind(20, 1, 5, within_alphabet=True), 60, range(2), 800, 800


def worlds():
    """(the three alphabets and their quarter turns, the simulated ones, the two that are scored), normalised."""
    real = datasets.load("omniglot-small1").normalised()
    return of(real, TRAIN).turned(), datasets.load("glyphs").normalised(), of(real, TEST)


def both(one, other):
    """Two sets of classes as one."""
    n = min(one.images.shape[1], other.images.shape[1])
    return ImageClasses(torch.cat([one.images[:, :n], other.images[:, :n]]), one.alphabets + other.alphabets,
                        one.names + other.names)


def generator(name, classes):
    path = FOLDER / f"G-{name}.safetensors"
    if not path.exists():
        runtime.seed_everything(0)
        trained = pairs.train_generator(networks.WarpGenerator(), networks.PairDiscriminator(), classes,
                                        n_steps=ITERATIONS, rng=runtime.rng(0), path=path.with_suffix(".part"))
        checkpoints.save(path, trained.G.state_dict())
    return load(networks.WarpGenerator, path)


# New classes: all drawings of one character are warped alike


def alike_by_G(G, x, support_x, rng):
    """x [1, N*K, 1, H, W], class by class: one z for each class, three times as far as in training."""
    n_way = support_x.shape[1]
    z = 3 * gan.noise(G, n_way, rng)
    settings = G.settings(z, support_x[0][:, None], support_x)
    return networks.warp(x[0], *(part.repeat_interleave(x.shape[1] // n_way, dim=0) for part in settings))[None]


def alike_by_chance(x, support_x, rng):
    """The same by one classical warp for each class, twice as strong as usual."""
    state, n_way = rng.get_state(), support_x.shape[1]
    parts = [x[:, i::x.shape[1] // n_way] for i in range(x.shape[1] // n_way)]      # each drawing once, by class
    made = []
    for part in parts:
        rng.set_state(state)                                                        # the same warps again
        made.append(classical(2.0)(part, rng))
    return torch.stack(made, dim=2).flatten(1, 2)


@torch.no_grad()
def new_classes(alike, tasks, rng):
    """Every second task holds characters that nobody drew; then every drawing is varied as usual."""
    if torch.rand((), generator=rng) < 0.5:
        state = rng.get_state()
        query_x = alike(tasks.query_x, tasks.support_x, rng)
        rng.set_state(state)                                                        # the same warp of a class again
        support_x = alike(tasks.support_x, tasks.support_x, rng)
        tasks = tasks._replace(support_x=support_x, query_x=query_x)
    return placements.in_training(classical(0.5))(tasks, rng)


def of_strokes():
    """{what: the world that a third of the training tasks are of}."""
    drawn, path = strokes.read(TRAIN), FOLDER / "G-strokes.safetensors"
    if not path.exists():
        strokes.train_generator(drawn, n_steps=ITERATIONS, seed=0, path=path)
    G = load(strokes.StrokeGenerator, path)
    new, rng = strokes.new_characters(drawn, 300, runtime.rng(0)), runtime.rng(1)
    found = {"new characters of strokes": new, "new characters of strokes, moved by G": strokes.by_G(G, new, 20, rng)}
    return {what: strokes.world(each).turned() for what, each in found.items()}


def network(name, seed, place, *more):
    def make():
        return networks.ConvNet(1, width=64, keep_map=True)

    path = FOLDER / f"{name}-{seed}.safetensors"
    if not path.exists():
        real, simulated, _ = worlds()
        runtime.seed_everything(seed)
        trained = learners.train_protonet(make(), real, simulated, *more, n_steps=STEPS, place=place,
                                          rng=runtime.rng(seed), path=path.with_suffix(".part"))
        checkpoints.save(path, trained.state_dict())
    return load(make, path)


def distances(net, tasks, augmentation=None, versions=1):
    """[Q, N] of one task, in mean features."""
    features_of = placements.mean_features(net, augmentation, versions, runtime.rng(0))
    return -learners.protonet_logits(lambda features: features, features_of(tasks))[0]


# D as comparator


def comparator(name, G, generated):
    """D(image, example, task) trained on pairs: the same character, another one of the alphabet, a generated copy."""
    path = FOLDER / f"D-{name}.safetensors"
    if not path.exists():
        real, simulated, _ = worlds()
        runtime.seed_everything(0)
        D, vary = networks.PairDiscriminator(width=48), classical(0.5)

        def draw(rng):
            classes = (real, simulated)[int(torch.randint(2, (), generator=rng))]
            return sample(classes, n_way=16, k_shot=1, q_query=2, n_tasks=4, rng=rng, within_alphabet=True)

        def gradient(D, tasks, rng):
            x, y = vary(tasks.support_x, rng), vary(tasks.query_x, rng)              # [4, 16, ...], [4, 32, ...]
            x2 = x.repeat_interleave(2, dim=1)
            images, examples = [y, y], [x2, x2.roll(2 * int(torch.randint(1, 16, (), generator=rng)), 1)]
            if generated:
                images.append(copies_by(G)(x2, rng, x)), examples.append(x2)
            images, examples = torch.cat(images, dim=1), torch.cat(examples, dim=1)
            logits = D(images.flatten(0, 1), examples.flatten(0, 1)[:, None], x).view(images.shape[:2])
            same = torch.zeros_like(logits)
            same[:, :y.shape[1]] = 1
            loss = binary_cross_entropy_with_logits(logits, same, pos_weight=torch.tensor(logits.shape[1] / 32 - 1))
            loss.backward()
            return loss.detach()

        rng = runtime.rng(0)
        maml.fit(D, draw, gradient=partial(gradient, rng=rng), n_steps=2 * STEPS, rng=rng, outer_lr=1e-3,
                 path=path.with_suffix(".part"))
        checkpoints.save(path, D.state_dict())
    return load(partial(networks.PairDiscriminator, width=48), path)


@torch.no_grad()
def compared(D, tasks):
    """[Q, N]: minus the logit of each query beside each support image, both ways."""
    q, n = tasks.query_x.shape[1], tasks.support_x.shape[1]
    query, support = tasks.query_x[0].repeat_interleave(n, 0), tasks.support_x[0].repeat(q, 1, 1, 1)
    one, other = (D(a, b[:, None], tasks.support_x) for a, b in ((query, support), (support, query)))
    return -(one + other).view(q, n)


# What a deformation costs


def deformation(query, support, reach=2, size=20):
    """[Q, S, 4]: what matching leaves unexplained; how far the matched pixels move affinely, and beyond; ink apart."""
    a, b = (learners.slopes(torch.nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True))
            for x in (query, support))
    ink = (query.mean((1, 2, 3))[:, None] - support.mean((1, 2, 3))).square()
    one, other = _moves(a, b, reach), _moves(b, a, reach).transpose(0, 1)
    return torch.cat([one + other, ink[..., None]], dim=2)


def _moves(a, b, reach):
    size, padded = a.shape[2], pad(b, [reach] * 4)
    steps = [(down, right) for down in range(2 * reach + 1) for right in range(2 * reach + 1)]
    costs = torch.stack([torch.cdist(*(x.flatten(2).permute(2, 0, 1) for x in (
        a, padded[:, :, down:down + size, right:right + size]))).square() for down, right in steps])   # [25, P, A, B]
    # a pixel with no slopes moves anywhere at no cost: let it stay
    least, which = (costs + 1e-4 * torch.tensor([(d - reach) ** 2 + (r - reach) ** 2 for d, r in steps])
                    [:, None, None, None]).min(0)
    moved = (torch.tensor(steps, dtype=a.dtype) - reach)[which].permute(1, 2, 0, 3)                    # [A, B, P, 2]
    weight = a.square().sum(1).flatten(1)                                                              # [A, P]
    place = torch.linspace(-1, 1, size)
    where = torch.stack([torch.ones(size * size), *(p.flatten() for p in torch.meshgrid(place, place,
                                                                                        indexing="ij"))], 1)
    normal = torch.einsum("ap,pi,pj->aij", weight, where, where) + 1e-3 * torch.eye(3)
    fitted = torch.linalg.solve(normal[:, None], torch.einsum("ap,pi,abpk->abik", weight, where, moved))
    affine = torch.einsum("pi,abik->abpk", where, fitted)
    energies = [torch.einsum("ap,abpk->ab", weight, part.square()) for part in (affine, moved - affine)]
    return torch.stack([least.sum(0), *energies], dim=2)


def fitted_weights(tasks):
    """The weights [4] with which the costs of `deformation` name the queries of these episodes best."""
    costs = [deformation(task.query_x[0], task.support_x[0]) for task in tasks]
    scale = torch.stack([c.std((0, 1)) for c in costs]).mean(0)
    weights = torch.tensor([1.0, 0.0, 0.0, 0.0], requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100)

    def closure():
        optimiser.zero_grad()
        loss = torch.stack([cross_entropy(-(c / scale) @ weights, task.query_y[0])
                            for c, task in zip(costs, tasks)]).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    return (weights / scale).detach()


def main():
    results = shared.results("chances", profile="cpu", device="cpu", dataset="omniglot-small1", split="Greek, Korean",
                             seed="all")
    real, simulated, val = worlds()
    Gs = {"three alphabets": generator("real", real), "both worlds": generator("both", both(real, simulated))}
    rng = runtime.rng(0)
    tasks = [sample(val, **KIND._asdict(), n_tasks=1, rng=rng) for _ in range(N_EPISODES)]
    upright = of(real, [f"{name}, turned 0" for name in TRAIN])
    background = [sample(upright, **KIND._asdict(), n_tasks=1, rng=rng) for _ in range(20)]
    plain = placements.in_training(classical(0.5))
    G = Gs["three alphabets"]
    places = {"network": [plain], "network, new classes by G": [partial(new_classes, partial(alike_by_G, G))],
              "network, new classes by chance": [partial(new_classes, alike_by_chance)],
              **{f"network, {what}": [plain, world] for what, world in of_strokes().items()}}
    errors = {}

    def keep(name, costs):
        wrong = torch.stack([(c.argmin(1) != task.query_y[0]).double().mean() for c, task in zip(costs, tasks)])
        errors.setdefault(name, []).append(wrong)
        print(name, f"{100 * wrong.mean():.1f}", flush=True)

    def fused(*parts):
        return [together(*(c[None] for c in each))[0] for each in zip(*parts)]

    matching = [learners.matching_costs(task.query_x[0], task.support_x[0]) for task in tasks]
    keep("matching", matching)
    weights = fitted_weights(background)
    print("weights", [round(w, 5) for w in weights.tolist()])
    bent = [deformation(task.query_x[0], task.support_x[0]) @ weights for task in tasks]
    keep("matching, deformation costs", bent)
    compare = {}
    for name, generated in (("D", False), ("D, copies refused", True)):
        D = comparator(name, G, generated)
        compare[name] = [compared(D, task) for task in tasks]
        keep(name, compare[name])
        keep(f"matching + {name}", fused(matching, compare[name]))
    for seed, (name, place) in itertools.product(SEEDS, places.items()):
        net = network(name, seed, *place)
        gentle = [distances(net, task, GENTLE, N_VERSIONS) for task in tasks]
        base = fused(matching, gentle)
        keep(name, gentle)
        keep(f"matching + {name}", base)
        if name == "network":
            keep("network, no copies", [distances(net, task) for task in tasks])
            for of_what, G_of in Gs.items():
                by_G = [distances(net, task, augmentations.generated(G_of), N_VERSIONS) for task in tasks]
                keep(f"network, copies by G of {of_what}", by_G)
                keep(f"matching + network, copies by G of {of_what}", fused(matching, by_G))
            keep("matching, deformation costs + network", fused(bent, gentle))
            for D_name, found in compare.items():
                keep(f"matching + network + {D_name}", fused(matching, gentle, found))
    errors = {name: torch.stack(runs).mean(0) for name, runs in errors.items()}
    for name, values in errors.items():
        results.add("error", values, unit="error", setting="inductive", arm=name)
    for name, values in errors.items():
        other = {"network": "network", "matching": "matching"}.get(name.split(",")[0].split(" +")[0], "matching")
        other = "matching + network" if name.startswith("matching") and "network" in name else other
        if name != other:
            record = results.add("error, difference", paired_difference(values, errors[other]), unit="error",
                                 setting="inductive", arm=f"{name} - {other}")
            print(f"{name} - {other}: {records.percent(record)}", flush=True)


if __name__ == "__main__":
    main()
