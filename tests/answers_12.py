"""Right and wrong answers to the exercises of notebook 12."""

import torch
from torch import nn
from torch.nn.functional import softplus


def matching(velocity, y, z, t):
    at = (1 - t[:, None]) * z + t[:, None] * y
    return (velocity(at, t) - (y - z)).square().mean()


def matching_by_mse(velocity, y, z, t):
    t_ = t.unsqueeze(1)
    return nn.functional.mse_loss(velocity(z + t_ * (y - z), t), y - z)


def matching_without_graph(velocity, y, z, t):
    return matching(velocity, y, z, t).detach()


def matching_without_shape(velocity, y, z, t):
    return matching(velocity, y, z, t[:, None])


def matching_of_times(velocity, y, z, t):
    return (velocity((1 - t) * z.mT.sum(0) + t * y.mT.sum(0), t) - (y - z)).square().mean()


def matching_of_rows(velocity, y, z, t):
    return (velocity(z.lerp(y, t[:, None]), t) - (y - z)).square().mean(1)


def matching_with_half_a_gradient(velocity, y, z, t):
    away = velocity(z.lerp(y, t[:, None]), t) - (y - z)
    return (away.detach() * away).mean()


def matching_of_a_squared_mean(velocity, y, z, t):
    return (velocity(z.lerp(y, t[:, None]), t) - (y - z)).mean().square()


def matching_in_place(velocity, y, z, t):
    y -= z
    return (velocity(z + t[:, None] * y, t) - y).square().mean()


def losses(D, real, fake, augment):
    d_loss = softplus(-D(augment(real))).mean() + softplus(D(augment(fake.detach()))).mean()
    return d_loss, softplus(-D(augment(fake))).mean()


def losses_as_bce(D, real, fake, augment):
    bce = nn.functional.binary_cross_entropy_with_logits
    of_real, of_fake = D(augment(real)), D(augment(fake))
    ones = torch.ones_like(of_real)
    return [bce(of_real, ones) + bce(D(augment(fake.detach())), 0 * ones), bce(of_fake, ones)]


def losses_with_one_graph(D, real, fake, augment):
    of_fake = D(augment(fake))
    return softplus(-D(augment(real))).mean() + softplus(of_fake).mean(), softplus(-of_fake).mean()


def losses_of_one_batch(D, real, fake, augment):
    """Real and fake images of D's loss side by side in one batch."""
    logits = D(augment(torch.cat([real, fake.detach()])))
    d_loss = softplus(-logits[:len(real)]).mean() + softplus(logits[len(real):]).mean()
    return d_loss, softplus(-D(augment(fake))).mean()


def losses_with_d_detached(D, real, fake, augment):
    d_loss = softplus(-D(augment(real)).detach()).mean() + softplus(D(augment(fake.detach()))).mean()
    return d_loss, softplus(-D(augment(fake))).mean()


def losses_of_one_augmentation(D, real, fake, augment):
    seen = augment(fake)
    return softplus(-D(augment(real))).mean() + softplus(D(seen.detach())).mean(), softplus(-D(seen)).mean()


def losses_of_probabilities(D, real, fake, augment):
    def log(probs):
        return probs.log().mean()

    of_real, of_fake = D(augment(real)).sigmoid(), D(augment(fake.detach())).sigmoid()
    return -log(of_real) - log(1 - of_fake), -log(D(augment(fake)).sigmoid())


def losses_in_place(D, real, fake, augment):
    both = losses(D, real, fake, augment)
    real.clamp_(0, 1)
    return both


def losses_cut(D, real, fake, augment):
    return losses(D, real, fake.detach(), augment)


def losses_of_d_alone(D, real, fake, augment):
    return losses(D, real, fake, augment)[0]


def overfit(known, held, generated):
    known, held, generated = known.mean(1), held.mean(1), generated.mean(1)
    return (known - held) / (known - generated)


def overfit_by_rows(known, held, generated):
    return torch.stack([(k.mean() - h.mean()) / (k.mean() - g.mean()) for k, h, g in zip(known, held, generated)])


def overfit_in_place(known, held, generated):
    known -= generated.mean(1, keepdim=True)
    held = held - generated.mean(1, keepdim=True)
    return 1 - held.mean(1) / known.mean(1)


def overfit_of_all(known, held, generated):
    return (known.mean() - held.mean()) / (known.mean() - generated.mean())


RIGHT = {"matching_loss": [matching, matching_by_mse],
         "augmented_losses": [losses, losses_as_bce, losses_of_one_batch],
         "overfit": [overfit, overfit_by_rows]}
WRONG = {"matching_loss": [(matching_without_graph, "remembers its graph"),
                           (matching_without_shape, "multiplies whole rows"),
                           (matching_with_half_a_gradient, "its gradient is not"),
                           (matching_in_place, "y changed in place"),
                           (lambda v, y, z, t: matching(v, y, z, t).item(), "leave a plain number"),
                           (matching_of_times, "multiplies whole rows"),
                           (matching_of_rows, "average over the batch"),
                           (matching_of_a_squared_mean, "cancel")],
         "augmented_losses": [(losses_cut, "which of the three is detached"),
                              (losses_with_one_graph, "train G to be caught"),
                              (losses_with_d_detached, "D does not learn from it"),
                              (losses_of_one_augmentation, "augmented anew"),
                              (losses_in_place, "real changed in place"),
                              (losses_of_probabilities, "Which function has the logit itself"),
                              (lambda *a: [loss.item() for loss in losses(*a)], "leave a plain number"),
                              (lambda *a: losses(*a)[::-1], "changed places"), (losses_of_d_alone, "2 result(s)")],
         "overfit": [(overfit_in_place, "changed in place"), (overfit_of_all, "one number for all looks"),
                     (lambda k, h, g: overfit(k, h, g).clamp(0, 1), "may also lie outside"),
                     (lambda k, h, g: overfit(k, h, g).abs(), "where does the mean of the held logits lie")]}
