"""From synthetic voices to people: what augments the training of a learner of words, and what is the generator's share?

    COURSE_DATA=... python studies/speech.py tune       (strengths, on the people who validate; seed 0)
    COURSE_DATA=... python studies/speech.py test       (half an hour on one core; writes speech.jsonl)

A ProtoNet is trained on the words of `spoken`, which two programs say, and on nothing else. It is tested on the Free
Spoken Digit Dataset: no digit is among the words, and no person's voice among the voices. Three of the six people
validate, the other three test. (An earlier pilot of the features had looked at all six.) In 5-way 1-shot episodes, the
example and the queries are of two different people, or of one.

All networks see `speech.liftered` pictures. The arms differ in what stands in for each training picture: itself; a copy
by `speech.classical`; the picture behind masks; a copy by a generator of warps; either of G's and the classical copies.
G is trained against a discriminator on pairs of voices saying one word. "G, across programs" sees pairs of one voice of
eSpeak NG and one of Flite, which differ more. "Regression" is notebook 12's, without a discriminator. "Real voices" is
the oracle: the digits of the people who validate, in place of the words.
"""

import argparse

import torch

import shared
from course_lib import (
    checkpoints,
    datasets,
    flows,
    gan,
    learners,
    losses,
    networks,
    pairs,
    placements,
    runtime,
    speech,
)
from course_lib.episodes import Episodes
from little_data import RATES
from other_generators import nearest_of_four

SEEDS = (0, 1)
FOLDER = runtime.project_root() / "runs" / "speech"
STEPS, G_STEPS, N_EPISODES, Q = 400, 600, 200, 10
FACTORS = (1.0, 2.0)           # of classical copies also 0.5, of G also 4
STRENGTH = {"classical": 1.0, "G": 2.0, "G, across programs": 1.0, "regression": 1.0}      # from `tune`
N_ESPEAK = 20           # the first voices of `spoken` are eSpeak NG's, the others Flite's
GENERATORS = ("G", "G, across programs", "regression")
ARMS = ("none", "classical", "masks", *GENERATORS, "G + classical", "real voices")
SPEAKERS = {"val": (0, 1, 2), "test": (3, 4, 5)}


def digits(use):
    """Real digits of the people for this use: uint8 [10, 3, 50, 1, 28, 28]."""
    return datasets.load("spoken-digits").images.view(10, 6, 50, 1, 28, 28)[:, list(SPEAKERS[use])]


def new_network():
    return speech.Liftered(networks.ConvNet(1, width=64, keep_map=True))


def episodes_of(images, n, rng, one_person):
    """n 5-way 1-shot `Episodes`; support and queries are of one person or, unless one_person, of two."""
    n_digits, n_people, n_each = images.shape[:3]
    classes = torch.rand(n, n_digits, generator=rng).topk(5).indices                            # [T, 5]
    who = torch.rand(n, n_people, generator=rng).topk(2).indices                                # [T, 2]
    takes = torch.rand(n, 5, n_each, generator=rng).topk(1 + Q).indices                         # [T, 5, 1 + Q]
    support = images[classes[:, :, None], who[:, :1, None], takes[:, :, :1]].flatten(1, 2)
    query = images[classes[:, :, None], who[:, :1 if one_person else 2][:, -1:, None], takes[:, :, 1:]].flatten(1, 2)
    labels = torch.arange(5)
    return Episodes(support.float() / 255, labels.expand(n, 5), query.float() / 255,
                    labels.repeat_interleave(Q).expand(n, 5 * Q))


def across(classes, n_words=12, n_tasks=2):
    """A `draw` for `gan.fit` as `pairs.sampler`, but of each pair one voice is eSpeak NG's and one is Flite's."""
    themes = [torch.tensor([i for i, a in enumerate(classes.alphabets) if a == theme])
              for theme in dict.fromkeys(classes.alphabets)]

    def draw(rng):
        chosen = torch.randint(len(themes), (n_tasks,), generator=rng).tolist()
        words = torch.stack([themes[t][torch.randperm(len(themes[t]), generator=rng)[:n_words]] for t in chosen])
        espeak = torch.randint(N_ESPEAK, words.shape, generator=rng)
        flite = torch.randint(N_ESPEAK, classes.images.shape[1], words.shape, generator=rng)
        swap = torch.rand(words.shape, generator=rng) < 0.5
        x, real = (classes.images[words, voice].float() / 255 for voice in (
            torch.where(swap, flite, espeak), torch.where(swap, espeak, flite)))
        return real.flatten(0, 1), x.flatten(0, 1)[:, None], x
    return draw


def generator(kind, seed):
    """A G of warps, trained on pairs of voices that say one word: adversarially, or by regression (`flows.fit`)."""
    path, G = FOLDER / f"{kind}-{seed}.safetensors", networks.WarpGenerator()
    if path.exists():
        return checkpoints.load_into(G, path).eval()
    runtime.seed_everything(seed)
    G, words = networks.WarpGenerator(), datasets.load("spoken")
    draw = across(words) if "across" in kind else pairs.sampler(words, n_tasks=2)
    if kind == "regression":
        G = flows.fit(G, draw, n_steps=G_STEPS, rng=runtime.rng(seed), lr=3e-3, objective=nearest_of_four)
    else:
        G = gan.fit(G, networks.PairDiscriminator(), draw, n_steps=G_STEPS, loss=losses.NON_SATURATING,
                    penalty=pairs.PENALTY, lr=RATES, betas=(0.0, 0.99), ema=0.99, rng=runtime.rng(seed)).G
    checkpoints.save(path, G.state_dict(), dataset="spoken", profile="cpu", seed=seed, kind="warp", steps=G_STEPS,
                     made_by="studies/speech.py")
    return G


def masked(width=6):
    """SpecAugment's masks: a stretch of time and a band of pitch, of 0 to `width` pixels, go dark."""
    def augmentation(x, rng, task=None):
        for dim in (-1, -2):
            n, each = x.shape[dim], (*x.shape[:2], 1)
            wide = torch.randint(width + 1, each, device=x.device, generator=rng)
            start = (torch.rand(each, device=x.device, generator=rng) * (n - wide + 1)).long()
            place = torch.arange(n, device=x.device)
            hidden = (place >= start) & (place < start + wide)                          # [T, M, n]
            x = x.masked_fill(hidden[:, :, None, None] if dim == -1 else hidden[:, :, None, :, None], 0)
        return x
    return augmentation


def augmentation_of(arm, seed, factor=None):
    """What stands in for a training picture."""
    of_old = speech.classical(factor or STRENGTH["classical"])
    masks = masked()
    if arm in ("none", "real voices"):
        return None
    if arm in ("classical", "masks"):
        return of_old if arm == "classical" else masks
    of_G = shared.scaled(generator(arm.split(" +")[0], seed), factor or STRENGTH[arm.split(" +")[0]])
    if arm in GENERATORS:
        return of_G

    def either(x, rng, task=None):
        coin = torch.rand(*x.shape[:2], 1, 1, 1, generator=rng) < 0.5
        return torch.where(coin, of_G(x, rng, task), speech.classical(STRENGTH["classical"])(x, rng))
    return either


def learner(arm, seed, factor=None):
    """The network of an arm; from its file where there is one."""
    path = FOLDER / f"{arm}-{factor or STRENGTH.get(arm, 'chosen')}-{seed}.safetensors"
    network = new_network()
    if path.exists():
        return checkpoints.load_into(network, path).eval()
    runtime.seed_everything(seed)
    network, augmentation = new_network(), augmentation_of(arm, seed, factor)
    classes = datasets.load("spoken")
    if arm == "real voices":
        classes = datasets.ImageClasses(digits("val").flatten(1, 2), ("digits",) * 10, tuple("0123456789"))
    learners.train_protonet(network, classes, n_steps=STEPS, n_way=40, rng=runtime.rng(seed),
                            place=placements.in_training(augmentation) if augmentation else None)
    checkpoints.save(path, network.state_dict(), dataset="spoken", profile="cpu", seed=seed, kind="ProtoNet",
                     augmentation=arm, steps=STEPS, made_by="studies/speech.py")
    return network.eval()


@torch.no_grad()
def accuracies(labels_of, tasks):
    return (labels_of(tasks) == tasks.query_y).double().mean(1)


def tune():
    """Print the accuracy of each strength on the people who validate, seed 0, across two people."""
    tasks = episodes_of(digits("val"), N_EPISODES, runtime.rng(0), one_person=False)
    tried = [("none", None), *((arm, f) for arm in ("classical", *GENERATORS) for f in FACTORS), ("masks", None),
             ("G + classical", None)]
    for arm, factor in tried:
        found = accuracies(learners.protonet(learner(arm, 0, factor)), tasks)
        print(arm, factor, f"{100 * found.mean():.1f}", flush=True)


def nearest_liftered(tasks):
    support, query = (speech.liftered(x) for x in (tasks.support_x, tasks.query_x))
    return learners.nearest_neighbour(tasks._replace(support_x=support, query_x=query))


def with_dtw(network):
    """A learner that adds the costs of a ProtoNet and of `speech.dtw`, each over its own mean in the task."""
    def labels(tasks):
        far = -learners.protonet_logits(network.features, tasks)                                # [T, 5 Q, 5]
        bent = torch.stack([speech.dtw_costs(q, s) for q, s in zip(tasks.query_x, tasks.support_x)])
        return (far / far.mean((1, 2), keepdim=True) + bent / bent.mean((1, 2), keepdim=True)).argmin(2)
    return labels


PAIRS = (("classical", "none"), ("masks", "none"), ("G", "none"),
         ("G", "classical"), ("G + classical", "classical"), ("real voices", "G + classical"),
         ("classical", "time warping"), ("classical, with time warping", "classical"),
         ("classical, with time warping", "time warping"))


def test(seeds):
    results = shared.results("speech", profile="cpu", seed=0, device="cpu", dataset="spoken, spoken-digits")
    for who, one_person in (("two people", False), ("one person", True)):
        found = {}
        for seed in seeds:
            tasks = episodes_of(digits("test"), N_EPISODES, runtime.rng(10 + seed), one_person)
            tried = {arm: learners.protonet(learner(arm, seed)) for arm in ARMS}
            tried |= {"nearest": learners.nearest_neighbour, "nearest, liftered": nearest_liftered,
                      "time warping": speech.dtw, "classical, with time warping": with_dtw(learner("classical", seed))}
            for arm, labels_of in tried.items():
                found.setdefault(arm, []).append(accuracies(labels_of, tasks))
            print(who, seed, {arm: round(100 * each[-1].mean().item(), 1) for arm, each in found.items()}, flush=True)
        found = {arm: torch.cat(each) for arm, each in found.items()}
        for arm, values in found.items():
            results.add("accuracy", values, unit="accuracy", arm=arm, setting="inductive", who=who, seeds=len(seeds),
                        by_seed=[round(part.mean().item(), 4) for part in values.split(N_EPISODES)])
        for one, other in PAIRS:
            results.add("accuracy, difference", found[one] - found[other], unit="accuracy", arm=f"{one} - {other}",
                        setting="inductive", who=who, seeds=len(seeds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["tune", "test"])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    options = parser.parse_args()
    tune() if options.what == "tune" else test(options.seeds)
