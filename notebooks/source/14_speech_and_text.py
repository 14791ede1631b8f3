# %% [markdown]
# # 14 · Speech and text
#
# **The question.** Does the idea need images?
#
# A generator makes more examples out of one. That sentence does not say *picture*, so this notebook
# takes the idea to two other media. A spoken word becomes a picture of its sound, and the generator
# of notebook 08 warps it in time and in pitch. A name in one of many languages becomes a row of
# features, and a generator makes features. Both times the question is that of notebook 09. Do the
# copies help the learner, and do they help more than the simplest other methods?
#
# **You need** notebooks 02, 06, 08, 09, 11 and 13. **Time**: 55 minutes, and about 45 more with the
# three exercises.
#
# The parameters are those of notebook 00. Recordings of your own join the test in section 3, if you
# set `dataset = "folder:/path"`. The folder has one subfolder for each word, with its `.wav` files
# inside. Real digits, spoken by six people, join with `dataset = "spoken-digits"`.

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))

# %%
import zlib

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display

from course_checks import nb14 as checks
from course_files import names as name_files
from course_lib import (
    augmentations, checkpoints, datasets, episodes, gan, learners, losses, networks, penalties,
    placements, quality, runtime, speech,
)
from course_lib.networks.features import FeatureDiscriminator, FeatureGenerator, TextEncoder
from course_tools import notebook, plots, records

sizes, device, results = notebook.setup("14_speech_and_text", profile, dataset, device, seed,
                                        split="test")
train, test = (datasets.load("spoken", split=split).to(device) for split in ("train", "test"))
heard = {"new words, synthetic": test}
if dataset not in ("glyphs", "spoken"):
    heard[datasets.short_name(dataset)] = datasets.load(dataset).to(device)
for name, classes in heard.items():
    notebook.at_least(name, "drawings of each class", classes.images.shape[1], 3)
    notebook.at_least(name, "classes", len(classes.names), 5)

# %% [markdown]
# # Part I · Speech
#
# ## 1 · A word is a picture
#
# Sound is pressure over time, thousands of numbers a second. Your ear does not follow each of them.
# It hears how strong each *pitch* (frequency) is at each *moment*, and `course_files/sound.py`
# computes just that. It cuts the recording into windows of 32 ms. In each window it takes the power
# in 28 bands of pitch, which are as wide as the ear's (the **mel** scale). Then it takes the
# logarithm. The result is stretched to 28 moments, so it is a picture of 28×28.
#
# The set `spoken` comes with the course. It has 150 words of one syllable in 28 voices. No person
# was recorded. Two programs speak, in several accents, speeds and pitches. A class is a word, and a
# drawing is a voice.

# %%
rows = torch.tensor([test.names.index(word) for word in test.names[:4]])
figure, axes = plt.subplots(1, 4, figsize=(11, 3.7))
for ax, row in zip(axes, rows.tolist()):
    voices = torch.linspace(0, test.images.shape[1] - 1, 9).long()
    plots.sheet(test.images[row, voices].view(3, 3, 1, 28, 28).cpu(), ax, title=test.names[row])
    ax.set(xlabel="time →")
axes[0].set_ylabel("pitch →")
figure.get_layout_engine().set(wspace=0.05)
figure.suptitle("Four words, each in nine voices (dark is loud)", fontsize=17)
plots.save(figure, "14_words")
plt.show()

# %% [markdown]
# The dark bands are *formants*, the resonances of the mouth. They make the vowel, and they move
# when the tongue moves. Voices differ in three ways. The bands lie higher or lower, because one
# mouth is longer than another. They come earlier or later. And the whole word is louder or softer.
#
# ## 2 · What simple methods can do
#
# Before you use a network, take away what does not belong to the word. `speech.liftered` keeps the
# broad shape of each moment's spectrum and subtracts the mean over time. To filter a spectrum in
# this way is called to *lifter* it, which is *filter* with its first letters turned round. The
# speech recognisers of the 1980s began like this. Their second tool is **dynamic time warping**.
# Two people do not say a word at the same speed, so moment 5 of one sound may be moment 8 of the
# other. Let $c_{ij}$ be the distance between moment $i$ of the one sound and moment $j$ of the
# other. You walk through both sounds in order. The cheapest way from the beginning to moments $i$
# and $j$ costs
#
# $$ C_{ij} = c_{ij} + \min\,(C_{i-1,\,j},\ C_{i,\,j-1},\ C_{i-1,\,j-1}), \qquad C_{00} = c_{00}. $$
#
# ### Exercise 1 · Dynamic time warping (★★, very important, 20 minutes)
#
# `apart` `[T, S]` holds the distances $c_{ij}$. Return the cost of the cheapest way from the first
# corner to the last, a tensor with one number. No way leads through places outside the table, so
# let their cost be infinite.

# %%
def my_dtw(apart):
    """The cost of the cheapest way through distances [T, S], from [0, 0] to [-1, -1]."""
    ### BEGIN SOLUTION
    T, S = apart.shape
    best = apart.new_full((T + 1, S + 1), torch.inf)
    best[0, 0] = 0
    for i in range(T):
        for j in range(S):
            before = torch.stack([best[i, j + 1], best[i + 1, j], best[i, j]])
            best[i + 1, j + 1] = apart[i, j] + before.min()
    return best[T, S]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.dtw(my_dtw)

# %% [markdown]
# ## 3 · From synthetic voices to people
#
# Here is a ProtoNet, trained on 90 of the words for half a minute. It is tested on 30 words that it
# has never heard, in 5-way 1-shot episodes. One arm trains on the pictures as they are. The other
# puts a warped copy in place of every picture, so time runs unevenly, and the mouth is longer or
# shorter (`speech.classical`). **Predict**: by how many points do warped copies change the accuracy
# on new words, spoken by the same voices?

# %%
def trained(augmentation=None):
    runtime.seed_everything(seed)
    network = speech.Liftered(networks.ConvNet(1, width=32, keep_map=True)).to(device)
    place = placements.in_training(augmentation) if augmentation else None
    learners.train_protonet(network, train, n_way=30, place=place,
                            n_steps=sizes.pick(smoke=5, cpu=300, gpu=2_000),
                            rng=runtime.rng(seed, device))
    return learners.protonet(network.eval())


tried = {"nearest in pixels": learners.nearest_neighbour, "time warping": speech.dtw,
         "ProtoNet": trained(), "ProtoNet, warped copies": trained(speech.classical())}
n_episodes = sizes.pick(smoke=20, cpu=200, gpu=2_000)
lines = ["| tested on | " + " | ".join(tried) + " |", "|---" * (len(tried) + 1) + "|"]
for name, classes in heard.items():
    found = [results.add("5-way 1-shot", episodes.accuracies(
        learner, classes, n_way=5, k_shot=1, q_query=2, n_episodes=n_episodes,
        rng=runtime.rng(seed + 1, device)), arm=arm, world=name, setting="inductive",
        unit="accuracy") for arm, learner in tried.items()]
    lines.append(f"| {name} | " + " | ".join(map(records.percent, found)) + " |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# The networks were trained on these very voices, so warped copies have little to add here, and may
# even cost points. People are another matter. `studies/speech.py` trained on all 150 synthetic
# words and tested on real people, with the **Free Spoken Digit Dataset**. It has ten digits, and
# none of them is among the words. The strengths of the copies were chosen with three of the people.
# The numbers below are of the other three. There are two kinds of episodes. In *two people*, one
# person speaks the example and another the queries. In *one person*, the same person speaks all,
# and so teaches the machine five words.
#
# The copies are made in three ways. There are classical warps, and there are masks, which make
# parts of the picture dark (*SpecAugment*). The third is a **generator**, the $G$ of notebook 08
# without any change. A warp of the picture is a warp of time and pitch, so the form of $G$ fits
# speech. The discriminator sees pairs of voices that say the same word. *G across programs* sees
# only pairs of voices from different programs.

# %%
path = runtime.project_root() / "checkpoints" / "G-spoken_worlds.safetensors"
G = checkpoints.load_into(networks.WarpGenerator().to(device).eval(), path, device)
of_G, rng = augmentations.generated(G), runtime.rng(seed + 2, device)
tasks = episodes.sample(test, n_way=5, k_shot=1, q_query=4, n_tasks=1, rng=rng)
x = tasks.support_x                                                     # [1, 5, 1, 28, 28]
sheets = {"other voices": tasks.query_x[0].view(5, 4, 1, 28, 28),
          "copies by G": torch.stack([of_G(x, rng)[0] for _ in range(4)], dim=1),
          "classical copies": torch.stack([speech.classical()(x, rng)[0] for _ in range(4)], dim=1)}
figure, axes = plt.subplots(1, 3, figsize=(12, 4.5))
for ax, (name, images) in zip(axes, sheets.items()):
    plots.sheet(torch.cat([x[0, :, None], images], dim=1).cpu(), ax, title=name)
figure.get_layout_engine().set(wspace=0.08)
figure.suptitle("Other voices differ from the example (first column) by more than a warp",
                fontsize=17)
plots.save(figure, "14_copies")
plt.show()

# %% [markdown]
# Three more arms stand beside these. *Regression* is the $G$ of notebook 12 that learns without a
# discriminator. *Classical + time warping* adds the distances of a ProtoNet to the costs of time
# warping. *Trained on people* learns from the digits of the three people with whom the strengths
# were chosen. **Predict**: what gains the most for real people? Is it liftered features for the
# nearest neighbour, classical warps for the ProtoNet, or $G$ in place of classical warps?

# %%
folder = runtime.project_root() / "figures" / "results"
spoken = records.read(folder / "speech.jsonl")
by_arm = {(r["name"], r["arm"], r["who"]): r for r in spoken}
ARMS = ["nearest", "nearest, liftered", "time warping", "none", "masks", "classical",
        "G", "G, across programs", "regression", "G + classical", "classical, with time warping",
        "real voices"]
NAMES = {"nearest": "nearest in pixels", "nearest, liftered": "nearest, liftered",
         "none": "ProtoNet, no copies", "classical": "ProtoNet, classical warps",
         "G": "ProtoNet, copies by G", "regression": "ProtoNet, regression",
         "G, across programs": "ProtoNet, G across programs",
         "G + classical": "ProtoNet, G + classical",
         "classical, with time warping": "ProtoNet, classical + time warping",
         "masks": "ProtoNet, masks",
         "real voices": "ProtoNet, trained on people"}

# %%
def method(arm):
    """The colour of an arm."""
    found = [name for name in ("classical", "regression", "real") if arm.startswith(name)]
    return plots.METHODS[found[0] if found else "GAN" if arm.startswith("G") else "none"]


figure, ax = plt.subplots(figsize=(9.5, 6.4))
for who, mark in (("two people", "o"), ("one person", "s")):
    for i, arm in enumerate(ARMS):
        r = by_arm["accuracy", arm, who]
        ax.errorbar(100 * r["value"], -i, xerr=50 * (r["high"] - r["low"]), fmt=mark,
                    markersize=9, color=method(arm), mfc=method(arm) if mark == "o" else "white")
    ax.text(100 * by_arm["accuracy", ARMS[0], who]["value"], 0.6, f"example and query\nby {who}",
            ha="center", fontsize=12)
ax.set(yticks=[-i for i in range(len(ARMS))], yticklabels=[NAMES.get(arm, arm) for arm in ARMS],
       xlabel="accuracy in %, 5-way 1-shot, real digits (chance: 20 %)", xlim=(46, 92),
       ylim=(0.6 - len(ARMS), 1.6))
two = {arm: 100 * by_arm["accuracy", arm, "two people"]["value"] for arm in ARMS}
figure.suptitle(f"From one person to another, ProtoNet names {two['none']:.0f} % without copies,\n"
                f"{two['classical']:.0f} % with classical warps and {two['G']:.0f} % with copies "
                "by G", fontsize=15)
plots.save(figure, "14_people")
plt.show()

# %%
def points(record):
    """A difference of accuracies, for people: '+2.1 ± 0.4'."""
    return f"{100 * record['value']:+.1f} ± {50 * (record['high'] - record['low']):.1f}"


DIFFERENCE = "accuracy, difference"
pairs_of_arms = list(dict.fromkeys(r["arm"] for r in spoken if r["name"] == DIFFERENCE))
lines = ["| difference (points) | two people | one person |", "|---|---|---|"]
lines += [f"| {pair} | " + " | ".join(points(by_arm[DIFFERENCE, pair, who]) for who in (
    "two people", "one person")) + " |" for pair in pairs_of_arms]
display(Markdown("\n".join(lines)))

# %% [markdown]
# The intervals are over the episodes of two seeds. They do not cover another choice of people, because
# the three who were tested stay the same.
#
# * **Classical warps bring about five points, and the generator none.** A likely reason is what it
#   was shown. Its pairs are two voices of programs, so $G$ learned how *programs* differ. Classical
#   warps were written by people who know how *people* differ. A generator can only know the
#   variation that is in its data.
# * **Other pairs or another loss do not mend that.** Pairs across the two programs and the
#   regression of notebook 12 do no better. Nor does $G$ add anything to classical warps.
# * **The old method is as good as the network.** From one person to another, time warping without
#   any training is level with the best ProtoNet that programs trained. With examples of one
#   person, it is ahead. The two make different mistakes: across two people, they are better
#   together than either alone.
# * **The step between people is the hard one.** If you teach the machine five words yourself, it
#   understands you in more than eight of ten cases. Across two people, it understands about six of
#   ten. Even a network trained on other people's digits gets only a little farther. It had three
#   voices to learn from.

# %% [markdown]
# # Part II · Text
#
# ## 4 · Names as rows of counts
#
# A name is no picture. A name cannot be bent, and half a letter is no letter. Still the task makes
# sense: *which language is this name?* You get one name or five names of each of five languages.
# The set `names` holds the names of countries, languages, months and weekdays, from Unicode's
# collection CLDR. A class is a language, and a sample is a name. A name that two languages share
# ("angola") is left out, because no learner could say whose it is. **Predict**: which languages are
# hard to tell apart?
#
# ### Exercise 2 · Pieces of words as numbers (★, important, 10 minutes)
#
# The spelling of a language shows in short pieces, such as *sch*, *ção* or *ij*. Put a space at both
# ends of the name, and take all its pieces of 1, 2 and 3 characters, a lone space included. There are
# far too many pieces for a column each. So each piece goes to column `zlib.crc32(piece.encode()) % n`,
# and pieces may share a column (*feature hashing*, Weinberger et al. 2009). Return the counts, a
# tensor `[n]`. Python's own `hash` will not do, because it gives other numbers each time that Python
# starts.

# %%
def my_hashed_counts(name, n):
    """How often the pieces of 1, 2 and 3 characters of ' name ' fall in each column: [n]."""
    ### BEGIN SOLUTION
    text, counts = f" {name} ", torch.zeros(n)
    for size in (1, 2, 3):
        for start in range(len(text) - size + 1):
            counts[zlib.crc32(text[start:start + size].encode()) % n] += 1
    return counts
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.hashed_counts(my_hashed_counts)

# %% [markdown]
# `datasets.load("names")` does this for every name, with 512 columns. A row of counts is kept as a
# picture of one row, so every sampler of this course works as it is. Each language has a script, as
# each character had an alphabet. One letter is enough to tell Greek from Thai, so the hard task is
# that of the languages in Latin letters.

# %%
spoken_of = name_files.read()
text_train, text_val = (datasets.load("names", split=split).to(device)
                        for split in ("train", "val"))
latin = text_val.take(i for i, script in enumerate(text_val.alphabets) if script == "Latin")
for language in latin.names[:5]:
    print(f"{language:12}", ", ".join(spoken_of[language][:4]))
print(f"{len(text_train.names)} languages train, {len(text_val.names)} validate, "
      f"{len(latin.names)} of them in Latin letters")

# %% [markdown]
# ## 5 · An encoder, and what it makes of new languages
#
# A small network turns counts into 64 numbers. It learns as the prototypical network of notebook 06
# did, on tasks of training languages. **Predict**: is it better on languages that it trained on, or
# on new ones, and by how many points?
#
# The encoder learns from two of every three training languages. The others are kept for the
# generator. The encoder puts the names of a language that it knows into a tight cluster. A
# generator trained on tight clusters would learn the wrong spread.

# %%
order = sorted(range(len(text_train.names)),
               key=lambda i: (text_train.alphabets[i], text_train.names[i]))
known, rest = (text_train.take(i for n, i in enumerate(order) if (n % 3 > 0) == taught)
               for taught in (True, False))
runtime.seed_everything(seed)
encoder = learners.train_protonet(TextEncoder().to(device), known, outer_lr=1e-3,
                                  n_steps=sizes.pick(smoke=5, cpu=800, gpu=2_000),
                                  rng=runtime.rng(seed, device)).eval()
with torch.no_grad():
    mean = encoder.features(rest.ink).mean(0)
    std = encoder.features(rest.ink).var(0).mean().sqrt()


@torch.no_grad()
def encoded(classes):
    """Features of all names, [C, M, 64]: mean 0, variance 1 on average, among `rest`."""
    return ((encoder.features(classes.ink) - mean) / std).unflatten(0, classes.images.shape[:2])


features = {name: encoded(classes)
            for name, classes in (("known", known), ("rest", rest), ("new", text_val))}

# %%
def share_within(x):
    """The share of the variance that lies within languages."""
    return (x.var(1).mean() / x.flatten(0, 1).var(0).mean()).item()


for name, classes in (("known", known), ("rest", rest), ("new", text_val)):
    scores = episodes.accuracies(learners.protonet(encoder), classes, n_way=5, k_shot=1, q_query=10,
                                 n_episodes=sizes.pick(smoke=4, cpu=200, gpu=1_000),
                                 rng=runtime.rng(seed, device))
    record = results.add("accuracy, text", scores, unit="accuracy", setting="inductive", arm=name,
                         world="names")
    print(f"{name:6} {records.percent(record)}, "
          f"{100 * share_within(features[name]):.0f} % of the variance within languages")

# %% [markdown]
# ### Exercise 3 · The noise of names (★★, important, 15 minutes)
#
# The simplest generator of features adds Gaussian noise to the example. Its covariance is the
# **pooled within-class covariance**. It tells how names vary around the mean of their own language,
# averaged over languages. `features` is `[C, M, F]`. Return the unbiased estimate, `[F, F]`.
# Remember that the mean of each language is estimated from its own $M$ names, as the mean is in
# `torch.cov`.

# %%
def my_pooled_covariance(features):
    """The pooled within-class covariance of features [C, M, F]: [F, F], without bias."""
    ### BEGIN SOLUTION
    within = features - features.mean(1, keepdim=True)
    n_classes, n_names = features.shape[:2]
    return torch.einsum("cmf,cmg->fg", within, within) / (n_classes * (n_names - 1))
    ### END SOLUTION


# %% tags=["nbval-check-output"]
checks.pooled_covariance(my_pooled_covariance)

# %% [markdown]
# ## 6 · A GAN of features
#
# *f-CLSWGAN* (Xian et al. 2018) lets a GAN generate features instead of pictures. Its critic $D$
# has no sigmoid. It is trained to be high at real features and low at generated ones, and to have a
# slope of 1 between them (notebook 02):
#
# $$ \max_D \; \mathbb{E}\, D(f, x) - \mathbb{E}\, D(G(z, x), x)
#    - \lambda\, \mathbb{E} \bigl( \lVert \nabla_{\hat f} D(\hat f, x) \rVert - 1 \bigr)^2. $$
#
# Here $x$ is the example, and $f$ is another name of the same language. $\hat f$ is a random point
# between a real and a generated feature, and $\lambda$ is the weight of the penalty. $G$ is trained
# to raise $D(G(z, x), x)$. In the code, $G$ and $D$ also see the task's examples.
#
# The GAN of Xian and others knows a class by its description. Ours knows it by the example. As in
# the *Delta-encoder* (Schwartz et al. 2018), $G$ makes a **difference** that is added to the
# example. Three things differ from notebook 08:
#
# * The $G$ of notebook 08 warped ink, and could do little else. A feature can move anywhere, so
#   only $D$ keeps it in its class.
# * In notebook 08, a look at the copies told us what went wrong. Nobody can look at 64 numbers.
# * In notebook 08, each step had to pass pictures through convolutions. Here two small matrices are
#   enough, so the GAN is trained in seconds.

# %%
def draw(rng, n_tasks=16, n_way=5):
    """Pairs of names: real [B, 64], example [B, 1, 64], and their task's examples [T, 5, 64]."""
    x = features["rest"]
    classes = torch.rand(n_tasks, len(x), generator=rng, device=device).topk(n_way).indices
    rows = torch.rand(n_tasks, n_way, x.shape[1], generator=rng, device=device).topk(2).indices
    pairs_of = x[classes[:, :, None], rows]                                     # [T, 5, 2, 64]
    return pairs_of[:, :, 0].flatten(0, 1), pairs_of[:, :, 1:].flatten(0, 1), pairs_of[:, :, 1]


runtime.seed_everything(seed)
feature_G = gan.fit(FeatureGenerator().to(device), FeatureDiscriminator().to(device), draw,
                    n_steps=sizes.pick(smoke=5, cpu=800, gpu=3_000), d_steps=3,
                    loss=losses.WASSERSTEIN, penalty=penalties.gradient_penalty, lr=(1e-3, 1e-3),
                    betas=(0.5, 0.9), ema=0.99, rng=runtime.rng(seed, device)).G.eval()

# %% [markdown]
# You cannot look at a copy, so ask which **real** name of the new languages lies nearest to it.
# **Predict**: is it a name of the same language? Is it a name of the same *thing*?

# %%
x, shown = features["new"], latin.names[:5]
examples = x[[text_val.names.index(language) for language in shown], 0]         # [5, 64]
with torch.no_grad():
    copies = torch.stack([feature_G(gan.noise(feature_G, 5, runtime.rng(i, device)),
                                    examples[:, None], examples[None]) for i in range(3)], dim=1)
others = x[:, 1:]                                                               # no example
near = torch.cdist(copies.flatten(0, 1), others.flatten(0, 1)).argmin(1).view(5, 3).tolist()
lines = ["| language | example | real names nearest to three copies |", "|---|---|---|"]
for language, row in zip(shown, near):
    found = [(text_val.names[i // others.shape[1]], 1 + i % others.shape[1]) for i in row]
    lines.append(f"| {language} | {spoken_of[language][0]} | " + ", ".join(
        f"{spoken_of[other][number]} ({other})" for other, number in found) + " |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# The metrics of notebook 08 need no eyes. The *distance to the truth* is the energy distance of
# copies of one name to other names of its language. *Diversity* is the mean distance of two copies,
# divided by that of two real names. *Class preservation* asks whether the real name nearest to a
# copy is of the right language. All languages are new to the encoder and to $G$. The baseline is
# Gaussian noise with the covariance of exercise 3. The last line compares real names with
# themselves, so its distance is about 0, and can be a little below. **Predict**: which is nearer to
# the truth, the GAN or the Gaussian noise?

# %%
within = (features["rest"] - features["rest"].mean(1, keepdim=True)).flatten(0, 1)
values, vectors = torch.linalg.eigh(within.T @ within / (len(within) - len(features["rest"])))
root = vectors * values.clamp(min=0).sqrt()
x = x[:len(x) // 5 * 5]
examples, truth, n = x[:, 0], x[:, x.shape[1] // 2:], x.shape[1] // 2
rng = runtime.rng(seed + 1, device)
with torch.no_grad():
    of_G = torch.stack([feature_G(gan.noise(feature_G, len(x), rng), examples[:, None],
                                  examples.unflatten(0, (-1, 5))) for _ in range(n)], dim=1)
noisy = torch.randn(len(x), n, 64, generator=rng, device=device) @ root.T

# %%
reference = x[:, 1:x.shape[1] // 2]                                             # [C, R, 64]
language = torch.arange(len(x), device=device)
for name, made in (("the example itself", examples[:, None].expand(-1, n, -1)),
                   ("Gaussian noise", examples[:, None] + noisy), ("the GAN", of_G),
                   ("other real names", truth)):
    nearest = torch.cdist(made.flatten(0, 1), reference.flatten(0, 1)).argmin(1)
    right = (nearest.view(made.shape[:2]) // reference.shape[1] == language[:, None]).float()
    off = torch.stack([quality.energy_distance(*both) for both in zip(made, truth)]).cpu()
    wide = torch.stack([torch.pdist(a).mean() / torch.pdist(b).mean()
                        for a, b in zip(made, truth)]).cpu()
    record = results.add("class preservation, text", right.mean(1).cpu(), unit="accuracy",
                         setting="-", arm=name, world="names")
    print(f"{name:18}  distance {off.mean():4.2f}  diversity {wide.mean():.2f}  "
          f"nearest name of the language: {records.percent(record)}")

# %% [markdown]
# ## 7 · Does it help to name a language?
#
# `studies/text.py` asked this with five encoders and five sets of generators. Each arm adds copies
# to the features of the support. Two learners use them. One takes class means (prototypes), and the
# other is a logistic head that takes some gradient steps. For every arm, validation languages
# decided the number of copies, their weight and strength, and the steps of the head. Then all arms
# saw the same episodes of test languages. The arms are:
#
# * *Gaussian*: noise with the within-class covariance.
# * *Interpolation*: a point between two examples of the class. If the class has one example only,
#   the point is between it and the nearest example of another class.
# * *GAN*: with the loss WGAN-GP or the non-saturating one. In the *GAN for the task*, the loss of
#   $G$ also contains the learner's loss on queries. In *shuffled*, each class gets the differences
#   that $G$ made for another class of the task.
# * *Regression*: the same network without noise and without a critic, trained by squared error. Its
#   one copy is a mean.
# * *Shrinkage*: the copy is the mean of the task's examples.
# * *Whitening*: no copies, but features scaled by the within-class covariance.
# * *Real*: twenty more real names of each language.
#
# **Predict** with notebook 11: what can copies add to a mean? What can they add to a head?

# %%
stored = records.read(folder / "text.jsonl")
text_study = {(r["name"], r["arm"], r.get("world"), r.get("k_shot")): r
              for r in stored if "while tuning" not in r["name"]}
ARMS = ["Gaussian", "interpolation", "GAN, WGAN-GP", "GAN, non-saturating", "GAN for the task",
        "GAN, shuffled", "regression", "shrinkage", "whitening", "real"]
TEXT_LEARNERS = ("prototypes", "logistic head")


def gain_of(arm, learner, world, k_shot):
    return text_study[f"gain, {learner}", arm, world, k_shot]


for world in ("all scripts", "Latin"):
    head = [f"{learner}, {k}-shot" for learner in TEXT_LEARNERS for k in (1, 5)]
    lines = [f"| {world} | " + " | ".join(head) + " |", "|---" * 5 + "|"]
    for arm in ("none", *ARMS):
        lines.append(f"| {arm}{', accuracy' if arm == 'none' else ', gain'} | " + " | ".join(
            points(gain_of(arm, learner, world, k)) if arm != "none" else
            records.percent(text_study[f"accuracy, {learner}", arm, world, k])
            for learner in TEXT_LEARNERS for k in (1, 5)) + " |")
    display(Markdown("\n".join(lines)))

# %%
tuned = [r for r in stored if r["name"] == "while tuning, prototypes" and r["k_shot"] == 1]
plain = next(r["value"] for r in tuned if r["arm"] == "none")
best = {arm: gain_of(arm, "prototypes", "all scripts", 1) for arm in ("GAN, WGAN-GP", "real")}


def colour_of(arm):
    """The colour of an arm: of GANs, of the regression, and one for all others."""
    known = [name for name in ("GAN", "regression") if arm.startswith(name)]
    return plots.METHODS[known[0] if known else "none"]


# %%
figure, axes = plt.subplots(1, 2, figsize=(13, 5.4), width_ratios=(1, 1.25))
for arm in ("Gaussian", "GAN, WGAN-GP", "regression"):
    line = [(r["copies"] * r["weight"], 100 * (r["value"] - plain)) for r in tuned
            if r["arm"] == arm and r["knob"] in (0, 1.0)]
    axes[0].plot(*zip(*line), "o-", color=colour_of(arm))
    axes[0].annotate(arm.split(",")[0], line[-1], xytext=(8, 0), va="center", fontsize=14,
                     textcoords="offset points", color=colour_of(arm))
axes[0].set(xscale="log", xlim=(0.2, 18), xticks=(0.25, 1, 4), xticklabels=("¼", "1", "4"),
            ylabel="points gained", xlabel="weight of all copies (the example: 1)",
            title="validation, 1-shot, class means")
axes[0].minorticks_off()
for i, arm in enumerate(ARMS[:-1]):
    for learner, mark, shift in zip(TEXT_LEARNERS, "os", (0.15, -0.15)):
        r, colour = gain_of(arm, learner, "all scripts", 1), colour_of(arm)
        axes[1].errorbar(100 * r["value"], shift - i, xerr=50 * (r["high"] - r["low"]), fmt=mark,
                         markersize=8, color=colour, mfc=colour if mark == "o" else "white")
axes[1].set(yticks=[-i for i in range(len(ARMS) - 1)], yticklabels=ARMS[:-1],
            xlabel="points gained (dot: class means, square: head)", title="test, 1-shot")
for line in (axes[0].axhline, axes[1].axvline):
    line(0, color="black", linestyle=":", lw=1.5)
figure.suptitle(f"1-shot class means gain {points(best['GAN, WGAN-GP'])} points by the GAN, and "
                f"{points(best['real'])} by twenty real names", fontsize=16)
plots.save(figure, "14_text")
plt.show()

# %% [markdown]
# Each number is a mean over five seeds, and its interval covers other samples of the 400 episodes.
# It does not cover another choice of test languages.
#
# * **The GAN helps a little, in one place.** Its copies bring 1-shot class means about half a
#   point. The logistic head gains nothing from them, and with five examples no gain is clear.
#   Real names bring some sixteen points, so copies are no substitute for them.
# * **It helps because its copies have a good mean.** The regression has no noise and no critic.
#   It brings class means more than the GAN does, and the head, too. A mean needs no variety
#   (notebook 11), so the GAN's variety only costs something.
# * **It looks at the example.** With shuffled differences, the gain is gone. Among all scripts it
#   is more than a step towards the mean of the task, for that step alone costs accuracy there.
#   Among languages in Latin letters, that step brings class means as much as the GAN does.
# * **Again, copies near the truth need not be useful.** The GAN is much nearer to the truth than
#   Gaussian noise and as diverse as real names. But a copy's nearest real name is seldom of its own
#   language. Give the copies four times the weight of the example, and they take points away (left
#   panel).
# * **The loss matters less than the form.** WGAN-GP is ahead of the non-saturating game by about
#   half a point. If the learner's own loss is added to $G$'s, no change can be seen here.
# * **Scaled features can do more than copies.** With five examples, whitening brings both learners
#   about half a point. With one example, class means lose as much by it.
# * **The encoder is weak.** With one example, it is some five points better than class means of
#   the raw counts (in RESULTS.md). With five examples it is no better. A hundred languages teach
#   it little about others.

# %% [markdown]
# # Part III · Three media
#
# Ink, voice and text come together here. The dot is the gain from the generator's copies over no
# copies at all. The square is their gain over the **strongest simple rival**. This rival is
# classical warps for ink and for voice, and the *regression* for text. The row of ink is the trial
# of notebook 09, on real characters. In the row of voice, one person speaks the example and another
# the queries. The row of text is 1-shot with class means. **Predict**: in how many of the three
# does the square stand clearly to the right of 0?

# %%
trial = {r["arm"]: r for r in records.read(folder / "trial.jsonl") if r["name"] == "difference"}
rival = text_study["against regression, prototypes", "GAN, WGAN-GP", "all scripts", 1]
media = {"ink": (trial["GAN - no augmentation"], trial["GAN - classical"]),
         "voice": tuple(by_arm[DIFFERENCE, f"G - {other}", "two people"]
                        for other in ("none", "classical")),
         "text": (gain_of("GAN, WGAN-GP", "prototypes", "all scripts", 1), rival)}
figure, ax = plt.subplots(figsize=(10, 4.6))
for i, both in enumerate(media.values()):
    for r, mark, shift in zip(both, "os", (0.15, -0.15)):
        ax.errorbar(100 * r["value"], shift - i, xerr=50 * (r["high"] - r["low"]), fmt=mark,
                    markersize=11, color=plots.METHODS["GAN"],
                    mfc=plots.METHODS["GAN"] if mark == "o" else "white")
        if i == 0:
            ax.text(-1.4, shift, "over no copies" if mark == "o" else
                    "over the strongest simple rival", ha="right", va="center", fontsize=14)
ax.axvline(0, color="black", linestyle=":", lw=1.5)
ax.set(yticks=[0, -1, -2], yticklabels=list(media), xlabel="points gained by G's copies",
       ylim=(-2.5, 0.6))
helped = [medium for medium, (plain, _) in media.items() if plain["low"] > 0]
won = [medium for medium, (_, other) in media.items() if other["low"] > 0]
figure.suptitle(f"G's copies help in {len(helped)} of 3 media"
                + (f" ({', '.join(helped)})" if helped else "")
                + f", and beat the strongest\nsimple rival in {len(won) or 'none'}", fontsize=16)
plots.save(figure, "14_media")
plt.show()

# %%
def accuracy(arm, who="two people"):
    return records.percent(by_arm["accuracy", arm, who])


one = accuracy("classical", "one person")

# %% [markdown]
# ## The answer

# %%
display(Markdown(
    "**No, a generator can copy voices and names as well.** But its copies clearly help in only "
    f"**{len(helped)}** of the three media, and clearly win over the strongest simple rival in "
    f"**{len(won)}**. What carries over from ink to voice is the *form* of the copies, a warp, and "
    "a warp needs no training.\n\n"
    "* **Voice.** A word in another person's voice is named correctly in "
    f"**{accuracy('none')}** of the cases without copies, in **{accuracy('G')}** with copies by a "
    f"generator of warps, and in {accuracy('classical')} with classical warps. So the generator "
    f"brings **{points(media['voice'][0])}** points over no copies, and "
    f"{points(media['voice'][1])} over classical warps.\n"
    f"* **Text.** For names in features, the generator brings **{points(media['text'][0])}** "
    f"points, and {points(media['text'][1])} over a regression, whose one copy is a mean. Twenty "
    f"more real names would bring {points(gain_of('real', 'prototypes', 'all scripts', 1))}.\n"
    f"* When one person gives the examples and the queries, {one} are named correctly with "
    "classical warps.\n"
    "* The numbers of voice are 5-way 1-shot with real digits, after training on synthetic words "
    "alone."))

# %% [markdown]
# **Read next.** Park, Chan, Zhang and others 2019, *SpecAugment: a simple data augmentation method
# for automatic speech recognition* (arXiv 1904.08779). Xian, Lorenz, Schiele & Akata 2018, *Feature
# generating networks for zero-shot learning* (arXiv 1712.00981). Wang, Girshick, Hebert &
# Hariharan 2018, *Low-shot learning from imaginary data* (arXiv 1801.05401). Schwartz, Karlinsky,
# Shtok and others 2018, *Delta-encoder* (arXiv 1806.04734).
