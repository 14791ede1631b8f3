"""The generators that notebooks 08 to 11 load: G(z, example, task), trained on the train alphabets of `glyphs`.

    python studies/generators.py            (40 minutes on one core; goes on where it was stopped)
    python studies/generators.py --only warp "warp, normalised" --profile gpu       (ten times as long, on cuda)

Five kinds, 4000 iterations each: the warp generator, on drawings as they are and on normalised ones; a generator of
pixels; and two warp generators that lack something. In *warp, no task* neither player sees the task. In *warp,
unconditional D* the discriminator sees single drawings. The settings were chosen on Greek and Korean after training on
the other three alphabets of omniglot-small1.
"""

import argparse
from functools import partial

from course_lib import checkpoints, datasets, networks, pairs, runtime
from shared import DEVICE, LONGER

FOLDER = runtime.project_root() / "runs" / "generators"
KINDS = {"warp": networks.WarpGenerator, "pixel": networks.PixelGenerator,
         "warp, no task": partial(networks.WarpGenerator, task=False),
         "warp, unconditional D": networks.WarpGenerator, "warp, normalised": networks.WarpGenerator}
ITERATIONS = 4000


def train(kind, options):
    """Train one of KINDS, unless that is done, from where it was stopped."""
    path = FOLDER / f"{kind.replace(', ', '-').replace(' ', '-')}_glyphs.safetensors"
    if path.exists():
        return
    unconditional, device = "unconditional" in kind, DEVICE[options.profile]
    classes = datasets.load("glyphs", split="train").to(device)
    if "normalised" in kind:
        classes = classes.normalised()
    runtime.seed_everything(0)
    G = KINDS[kind]().to(device)
    D = networks.PairDiscriminator(task=kind not in ("warp, no task", "warp, unconditional D"),
                                   pair=not unconditional).to(device)
    iterations = LONGER[options.profile] * ITERATIONS
    trained = pairs.train_generator(G, D, classes, n_steps=iterations,
                                    penalty=pairs.R1 if unconditional else pairs.PENALTY,
                                    rng=runtime.rng(0, device), path=path.with_suffix(".part"), made={"kind": kind})
    made = {"dataset": "glyphs", "profile": options.profile, "seed": 0, "iterations": iterations, "kind": kind,
            "made_by": "studies/generators.py"}
    checkpoints.save(path, trained.G.state_dict(), **made)
    checkpoints.save(path.with_stem(path.stem + "_D"), D.state_dict(), **made)
    losses = [round(x[-200:].mean().item(), 3) for x in (trained.d_loss, trained.g_loss)]
    print(kind, iterations, losses, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[*KINDS], choices=[*KINDS])
    parser.add_argument("--profile", choices=tuple(LONGER), default="cpu")
    options = parser.parse_args()
    for kind in options.only:
        train(kind, options)


if __name__ == "__main__":
    main()
