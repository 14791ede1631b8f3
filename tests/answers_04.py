"""Right and wrong answers to the exercises of notebook 04."""

import torch


def paired_right(x, y, n, rng):
    rows = torch.randint(len(x), (n,), generator=rng)
    return x[rows], y[rows]


def paired_by_multinomial(x, y, n, rng):
    rows = torch.multinomial(torch.ones(len(x)), n, replacement=True, generator=rng)
    return [x.index_select(0, rows), y.index_select(0, rows)]


def paired_from(rows):
    """The pairs at `rows(M, n, rng)`."""
    def my_batch(x, y, n, rng):
        chosen = rows(len(x), n, rng)
        return x[chosen], y[chosen]
    return my_batch


def paired_then(change):
    """The right batch, then changed by `change(batch_x, batch_y)`."""
    return lambda x, y, n, rng: change(*paired_right(x, y, n, rng))


def paired_two_draws(x, y, n, rng):
    return (x[torch.randint(len(x), (n,), generator=rng)], y[torch.randint(len(x), (n,), generator=rng)])


def paired_shuffled_labels(x, y, n, rng):
    batch_x, batch_y = paired_right(x, y, n, rng)
    return batch_x, batch_y[torch.randperm(n, generator=rng)]


def paired_positions(x, y, n, rng):
    rows = torch.randint(len(x), (n,), generator=rng)
    return x[rows], rows


def scale_right(h, y, scale, shift):
    return h * scale[y][:, :, None, None] + shift[y][:, :, None, None]


def scale_by_loop(h, y, scale, shift):
    out = torch.empty_like(h)
    for i, label in enumerate(y):
        for c in range(h.shape[1]):
            out[i, c] = h[i, c] * scale[label, c] + shift[label, c]
    return out


def scale_placed(place):
    """The rows of y, their dimensions arranged by `place`."""
    return lambda h, y, scale, shift: h * place(scale[y]) + place(shift[y])


def scale_normalised_again(h, y, scale, shift):
    return scale_right(torch.nn.functional.batch_norm(h, None, None, training=True), y, scale, shift)


def projection_right(h, y, psi, embedding):
    return psi(h) + (embedding[y] * h).sum(1)


def projection_with(use):
    """`use` gets the unconditional logits [B], the chosen rows of the embedding [B, F], and h [B, F]."""
    return lambda h, y, psi, embedding: use(psi(h), embedding[y], h)


RIGHT = {
    "paired_batch": [paired_right, paired_by_multinomial],
    "conditional_scale": [scale_right, scale_by_loop, lambda h, y, scale, shift: (
        torch.einsum("bchw,bc->bchw", h, scale[y]) + shift[y, :, None, None])],
    "projection": [projection_right, projection_with(lambda base, e, h: base + torch.einsum("bf,bf->b", e, h)),
                   lambda h, y, psi, embedding: psi(h) + (h @ embedding.T)[torch.arange(len(y)), y]],
}
WRONG = {       # (answer, words of the message that fit this mistake and no other)
    "paired_batch": [
        (paired_two_draws, "follow each back to its place"),
        (lambda x, y, n, g: (paired_right(x, y, n, g)[0], y[:n]), "follow each back to its place"),
        (paired_positions, "follow each back to its place"),
        (paired_shuffled_labels, "in another order"),
        (paired_then(lambda x, y: (x, y.sort().values)), "in another order"),
        (paired_from(lambda m, n, g: torch.randint(m, (n,))), "which call samples without"),
        (paired_from(lambda m, n, g: torch.arange(n) % m), "begin anew each time"),
        (paired_from(lambda m, n, g: torch.randint(m, (n,), generator=g.manual_seed(0))), "begin anew each time"),
        (paired_from(lambda m, n, g: torch.randint(m - 1, (n,), generator=g)), "can your code never reach"),
        (paired_from(lambda m, n, g: torch.randint(n, (n,), generator=g) % m), "can your code never reach"),
        (paired_from(lambda m, n, g: (torch.randint(m, (1,), generator=g) + torch.arange(n)) % m), "be sampled again"),
        (paired_from(lambda m, n, g: torch.randperm(m, generator=g)[:n]), "n may exceed the size of x"),
        (paired_from(lambda m, n, g: torch.randint(m, (n, 1), generator=g)), "n whole images, one number for each"),
        (paired_then(lambda x, y: (x, torch.nn.functional.one_hot(y, 5))), "one number for each"),
        (paired_then(lambda x, y: (x, y.float())), "labels are for indexing"),
        (paired_then(lambda x, y: (x / 255, y)), "where do they change"),
        (paired_then(lambda x, y: x), "return just these"),
        (paired_then(lambda x, y: (x, y.tolist())), "torch.tensor makes one of numbers"),
        (lambda x, y, n, g: paired_right(x, y.copy_(y.flip(0)).flip(0), n, g), "writes into an old"),
        (lambda x, y, n, g: paired_right(x.mul_(2) / 2, y, n, g), "writes into an old"),
    ],
    "conditional_scale": [
        (lambda h, y, scale, shift: scale_right(h, y, scale.detach(), shift), "but scale cannot learn"),
        (lambda h, y, scale, shift: scale_right(h, y, scale, shift.data), "but shift cannot learn"),
        (lambda h, y, scale, shift: scale_right(h.detach(), y, scale, shift), "but h cannot learn"),
        (lambda h, y, scale, shift: scale_right(h, y, torch.tensor(scale.tolist()), shift), "but scale cannot learn"),
        (torch.no_grad()(scale_right), "cut the graph"),
        (lambda h, y, scale, shift: scale_right(h, y, scale, shift).detach(), "cut the graph"),
        (lambda h, y, scale, shift: h.mul_(scale[y][:, :, None, None]).add_(shift[y][:, :, None, None]),
         "writes into an old"),
        (lambda h, y, scale, shift: scale_right(h, y, scale.add_(1) - 1, shift), "writes into an old"),
        (lambda h, y, scale, shift: torch.einsum("bchw,bc->bhw", h, scale[y]), "none is joined with another"),
        (lambda h, y, scale, shift: h[:, :, None] * scale[y][:, :, None, None, None], "none is joined with another"),
        (lambda h, y, scale, shift: (h, scale[y]), "return just these"),
        *((wrong, "one image and one channel") for wrong in (
            scale_normalised_again, scale_placed(lambda v: v @ v.T), scale_placed(lambda v: v.mean((0, 1))),
            lambda h, y, scale, shift: scale_right(h, y, scale.T, shift.T),
            lambda h, y, scale, shift: h @ scale[y].T + shift[y].T, lambda h, *_: h)),
    ],
    "projection": [
        (projection_with(lambda base, e, h: base + (e.detach() * h).sum(1)), "but embedding cannot learn"),
        (lambda h, y, psi, embedding: projection_right(h, y, psi, torch.nn.Embedding.from_pretrained(embedding).weight),
         "but embedding cannot learn"),
        (projection_with(lambda base, e, h: base + (e * h.detach()).sum(1)), "but h cannot learn"),
        (lambda h, y, psi, embedding: projection_right(h, y, lambda h: psi(h.detach()), embedding), "h cannot learn"),
        (projection_with(lambda base, e, h: base.detach() + (e * h).sum(1)), "but psi cannot learn"),
        (torch.no_grad()(projection_right), "cut the graph"),
        (lambda h, y, psi, embedding: psi(h) + h.mul_(embedding[y]).sum(1), "writes into an old"),
        (lambda h, y, psi, embedding: psi(h) + (embedding.mul_(2)[y] / 2 * h).sum(1), "writes into an old"),
        (lambda h, y, psi, embedding: torch.tensor(projection_right(h, y, psi, embedding).tolist()), "cut the graph"),
        (projection_with(lambda base, e, h: [a.item() for a in base + (e * h).sum(1)]), "torch.stack"),
        (projection_with(lambda base, e, h: (base + (e * h).sum(1)).sum()), "no sum over the batch"),
        (projection_with(lambda base, e, h: (base + (e * h).sum(1))[:, None]), "no further dimension"),
        (projection_with(lambda base, e, h: base + e @ h.T), "that is a table"),
        (projection_with(lambda base, e, h: base + (e * h).sum(1, keepdim=True)), "that is a table"),
        (projection_with(lambda base, e, h: base[:, None] + e * h), "that is a table"),
        (lambda h, y, psi, embedding: psi(h)[:, None] + h @ embedding.T, "that is a table"),
        *((wrong, "each image has two numbers") for wrong in (
            projection_with(lambda base, e, h: base * (e * h).sum(1)),
            projection_with(lambda base, e, h: base + torch.nn.functional.cosine_similarity(e, h)),
            lambda h, y, psi, embedding: psi(h + embedding[y]), lambda h, y, psi, embedding: psi(h * embedding[y]),
            lambda h, y, psi, embedding: psi(h) + (embedding.flip(0)[:len(h)] * h).sum(1))),
    ],
}
