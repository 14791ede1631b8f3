# %% [markdown]
# # 03 · Drawing characters
#
# **The question.** Does adversarial training work on images, and how do you know?
#
# A generator of *images* is easy to admire and hard to judge. You will train one on characters, watch it learn, and hold
# it against four rulers: how near it comes to the real thing (**fidelity**), how much of the real thing it covers
# (**diversity**), whether it merely copies (**memorisation**), and what lies between two of its drawings. Then you will
# cheat on purpose and see which ruler notices.
#
# **You need** notebooks 01 and 02. **Time**: 40 minutes, and about 45 more with the three exercises.
#
# | parameter | means |
# |---|---|
# | `profile`, `dataset`, `device`, `seed` | as in notebook 00 |
# | `retrain` | `False`: the long run of section 4 is loaded from a checkpoint; `True`: you train it (half an hour on a laptop) |

# %% tags=["parameters"]
import os

profile = os.environ.get("COURSE_PROFILE", "cpu")
dataset = os.environ.get("COURSE_DATASET", "glyphs")
device = os.environ.get("COURSE_DEVICE", "auto")
seed = int(os.environ.get("COURSE_SEED", "0"))
retrain = os.environ.get("COURSE_RETRAIN", "0") == "1"

# %%
from functools import partial

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from torch.nn.functional import avg_pool2d

from course_lib import checks, data, evaluate, gan, losses, networks, plots, runtime

plots.use_style()
sizes = runtime.profile(profile)
device = runtime.device(device)
results = evaluate.Results("03_drawing_characters", dataset=dataset, split="train", profile=profile, seed=seed,
                           device=device)

# %% [markdown]
# ## 1 · The data, and what we keep from the generator
#
# All drawings of the training alphabets, labels thrown away: this generator is told nothing but "draw something of this
# kind". Of every class we hold some drawings back. Nothing is trained on them; they are what *new real drawings* look
# like, and every ruler below needs them.

# %%
classes = data.load(dataset, split="train").to(device)
n_classes, n_drawings = classes.images.shape[:2]
ink = classes.ink.view(n_classes, n_drawings, 1, 28, 28)                         # [C, M, 1, 28, 28] in [0, 1]
order = torch.randperm(n_drawings, generator=runtime.generator(0))             # which are held out: the same for all seeds
n_held = n_drawings // 5
training, held_out = ink[:, order[n_held:]].flatten(0, 1), ink[:, order[:n_held]].flatten(0, 1)
print(f"{n_classes} classes: {len(training)} drawings to train on, {len(held_out)} held out")

# %% [markdown]
# ## 2 · Two networks that mirror each other
#
# $G$ unfolds 64 numbers into an image: a linear map to $7 \times 7$, then two convolutions that double the side. $D$
# folds an image up again, by strides. Both are those of DCGAN (Radford et al. 2016), made small enough for a laptop.
#
# **Predict** before you run: which of the two has more parameters, and where do they sit?

# %% tags=["nbval-check-output"]
G, D = networks.ImageGenerator(), networks.ImageDiscriminator()
z = torch.randn(5, G.z_dim)
print("noise", tuple(z.shape), "-> images", tuple(G(z).shape), "-> logits", tuple(D(G(z)).shape))
for name, network in (("G", G), ("D", D)):
    print(name, f"{sum(p.numel() for p in network.parameters()):8,d} parameters, the largest layer",
          max(network.named_parameters(), key=lambda pair: pair[1].numel())[0])

# %% [markdown]
# The first layer of $G$ is a table of 64 rough sketches, each $7 \times 7$ with 64 channels; the noise mixes them.

# %% [markdown]
# ## 3 · Train
#
# Notebook 02 found that the non-saturating loss with a gradient penalty on real data (R1) is hard to break. We take it as
# it is. `gan.fit` only schedules: draw a batch, one `gan.d_step`, one `gan.g_step`, over and over. It returns a copy
# of $G$ whose weights are a running average of the last few hundred turns: single turns jitter, their average is calmer.

# %%
def draw(generator):
    """A batch of training drawings."""
    return (training[torch.randint(len(training), (sizes.batch,), generator=generator, device=device)],)


def train(turns, path=None, watch=None):
    """G after so many turns against D. With a path, an interrupted run goes on from there."""
    runtime.seed_everything(seed)
    G, D = networks.ImageGenerator().to(device), networks.ImageDiscriminator().to(device)
    return gan.fit(G, D, draw, n_steps=turns, loss=losses.NON_SATURATING, penalty=partial(losses.r1, gamma=1.0),
                   lr=(2e-3, 2e-3), betas=(0.0, 0.99), ema=0.995, generator=runtime.generator(seed, device),
                   watch=watch, path=path, made={"dataset": dataset, "profile": profile, "seed": seed})
