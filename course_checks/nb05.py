"""Checks of the exercises of notebook 05, autopsy."""

import torch

from ._base import SURE, compare, done, finite_loss, players_of_pairs, require


def d_loss_of_pairs(function):
    """Check `function(G, D, real, example, z) -> scalar`: D's loss where G and D both take an example.

    -E log D(real, example) - E log(1 - D(G(z, example), example)). real, example float [B, 1, H, W], z float
    [B, z_dim]; D returns logits [B]. No graph may lead into G.
    """
    softplus = torch.nn.functional.softplus
    for scale, b in ((1.0, 5), (90.0, 6)):      # at first where all is harmless; then where D is sure
        G, D, real, example, z = players_of_pairs(scale, b)
        loss = finite_loss(function(G, D, real.clone(), example.clone(), z.clone()))
        fake, from_real = G(z, example).detach(), G(z, real).detach()
        r, f = D(real, example), D(fake, example)
        right, of_real, of_fake = softplus(-r).mean() + softplus(f).mean(), softplus(-r).mean(), softplus(f).mean()
        compare(loss, right.detach(), [(wrong.detach(), hint) for wrong, hint in (
            (right / 2, "both means are added, not averaged."),
            (b * right, "that is the sum. A mean does not change with the size of the batch."),
            (-right, "D minimises its loss: the value of the game has the other sign."),
            (of_real, "that is half of it: what does D say of G's drawings?"),
            (of_fake, "that is half of it: what does D say of the real drawings?"),
            (softplus(r).mean() + softplus(-f).mean(), "this rewards D for mistakes: which logits should be large?"),
            (of_real + softplus(-f).mean(), "G's drawings count as real here: that half is G's wish, not D's."),
            (of_real + softplus(D(from_real, example)).mean(), "G has seen the real drawing; what should it see?"),
            *((softplus(-D(*a)).mean() + softplus(D(*c)).mean(), "what does D see beside each image? The same example, "
               "real or generated.") for a, c in (((real, example), (fake, real)), ((real, real), (fake, example)),
                                                  ((real, fake), (fake, example)), ((real, real), (fake, fake)))),
            (softplus(-D(example, real)).mean() + softplus(D(example, fake)).mean(), "D takes the image first, then "
                                                                                     "the example."),
            ((1 - r.sigmoid()).mean() + f.sigmoid().mean(), "those are probabilities; where is the logarithm?"),
            (f.mean() - r.mean(), "that is the Wasserstein loss: no sigmoid, no logarithm."),
        )], "minus log D for real drawings, minus log(1 - D) for G's, each averaged, each beside its example."
            if scale == 1 else SURE)
        _check_only_d_learns(loss, right, of_real, of_fake, G, D)
    done("d_loss_of_pairs: the example for G and for D, finite at any logit, and nothing left behind in G.")


def _check_only_d_learns(loss, right, of_real, of_fake, G, D):
    require(G.weight.requires_grad, "a G that can still be trained", "a frozen G",
             "requires_grad_(False) stays after your function ends.")
    left, = torch.autograd.grad(loss.sum(), G.weight, retain_graph=True, allow_unused=True)
    require(left is None and G.weight.grad is None, "no way for the gradient into G", "one",
             "`backward` would go on through the generated drawings into G. Where can it be stopped?")
    slopes = [torch.autograd.grad(part.sum(), D.weight, retain_graph=True)[0]
              for part in (loss, right, of_real, of_fake)]
    compare(slopes[0], slopes[1], [
        (slopes[2], "the loss is right, but D learns nothing from G's drawings. Cut the graph before D, not after."),
        (slopes[3], "the loss is right, but D learns nothing from the real drawings. Was too much detached?"),
    ], "the loss is right, but its gradient in D is not. Is a constant added, or something clamped?")
