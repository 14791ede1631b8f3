"""Checks of the exercises of notebook 03, drawing characters."""

import copy
import itertools

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ._base import NotYet, check, check_unchanged, compare, done, one_number, require, returned


@check
def generator(function):
    """Check `function(z_dim) -> nn.Module`: a convolutional G, noise z [B, z_dim] -> images [B, 1, 28, 28] in [0, 1].

    G.z_dim is z_dim. In training mode its batch norm sees the whole batch, in evaluation mode each image is by itself.
    """
    for z_dim in (64, 10):
        G = _made(function, z_dim, "G")
        require(getattr(G, "z_dim", None) == z_dim, f"G.z_dim to be {z_dim}", f"{getattr(G, 'z_dim', 'no G.z_dim')}",
                "whoever samples noise for G looks there for its length. Where does your G keep it?")
        z, others = torch.randn(2, 6, z_dim, generator=torch.Generator().manual_seed(z_dim))
        given, from_noise = z.clone(), f"images from noise of shape [6, {z_dim}]"
        images = _output(G, given, from_noise, _layers_hint(z_dim))
        check_unchanged(z=(given, z))
        _check_images(images, 6)
        _check_pixels(images, _output(_louder(G), z, from_noise))
        _check_built(G, "G", 5_000)
        for layer in G.modules():
            if isinstance(layer, nn.ConvTranspose2d):
                sides, strides = layer.kernel_size, layer.stride
                require(not any(side % stride for side, stride in zip(sides, strides)),
                        "a side of each kernel that is a multiple of its stride",
                        f"side {sides[0]} at stride {strides[0]}", "some pixels get more stamps than their neighbours. "
                        "What did section 2 say about such kernels?")
        _check_weights(G, images, "G")
        for n in (2, 3):
            _check_images(_output(G, z[:n], f"images from noise of shape [{n}, {z_dim}]"), n)
        _check_noise(G, z)
        one, other = _among(G, z, others)
        require(not one.allclose(other, atol=1e-5), "an image that depends on the whole batch in training mode",
                "images that do not", "G has no batch statistics. Which layer gives a channel mean 0 and variance 1?")
        one, other = _among(G.eval(), z, others)
        require(one.allclose(other, atol=1e-4), "each image by itself in evaluation mode",
                "an image that changes with the rest of its batch",
                "after G.eval(), batch norm uses its running averages. Is it called in a way that prevents this?")
        _check_images(_output(G, z[:1], f"an image from noise of shape [1, {z_dim}] in evaluation mode"), 1)
    done("generator: from noise to images, with a gradient for every weight.")


@check
def discriminator(function):
    """Check `function(width) -> nn.Module`: a convolutional D, images [B, 1, 28, 28] in [0, 1] -> logits [B].

    width: of its first convolution. A logit depends on its own image alone, in either mode.
    """
    sizes = []
    for width in (32, 8):
        D = _made(function, width, "D")
        x, others = torch.rand(2, 6, 1, 28, 28, generator=torch.Generator().manual_seed(width))
        given, from_images = x.clone(), "logits of images [6, 1, 28, 28]"
        _check_logits(_output(D, given, from_images, _LAYERS), 6)
        check_unchanged(x=(given, x))
        _check_built(D, "D", 1_000)
        channels = [layer.out_channels for layer in D.modules() if isinstance(layer, nn.Conv2d)][:2]
        require(len(channels) < 2 or channels[1] == 2 * channels[0], "twice as many channels in the second convolution",
                f"{channels[0]} and then {channels[-1]}", "each image loses pixels, so more channels carry what it is. "
                "Which multiple of `width` has the second layer?")
        _check_activations(D, x)
        for n in (1, 2):
            _check_logits(_output(D, x[:n], f"logits of images [{n}, 1, 28, 28]", _LAYERS), n)
        for mode in ("training", "evaluation"):
            one, other = _among(D.train(mode == "training"), x, others)
            require(one.allclose(other, atol=1e-4), f"a logit that depends on its own image alone, in {mode} mode",
                    "one that changes with the other images", "some layer looks across the batch. Then R1's gradient "
                    "of one image contains the logits of the others. Which layer is it, and does D need it?")
        _check_slope(D.train(), x)
        loud = torch.cat([_output(_louder(_made(function, width, "D")), x, from_images).flatten() for _ in range(5)])
        require(bool(((loud < 0) | (loud > 1)).any()), "logits, which may be any number",
                "numbers between 0 and 1, even after the weights were multiplied by 20",
                "these look like probabilities. Which number do our losses take, and who applies the sigmoid?")
        sizes.append(sum(p.numel() for p in D.parameters()))
    require(sizes[0] > sizes[1], "more weights at width 32 than at width 8", f"{sizes[0]} and {sizes[1]}",
            "your function does not use its argument. Which layers are that wide?")
    done("discriminator: an image in, its logit out, and no other image has a say.")


@check
def frechet(function):
    """Check `function(a, b) -> number`: the Fréchet distance of two Gaussians with independent features.

    a float [N, F], b float [M, F]: sum over features of (mean_a - mean_b)^2 + (std_a - std_b)^2.
    """
    rng = torch.Generator().manual_seed(6)        # with it all mistakes below give different numbers
    for n_a, n_b, f in ((400, 400, 5), (300, 500, 3)):      # equal sizes let mistakes run
        a, b = (torch.randn(n, f, generator=rng) @ torch.randn(f, f, generator=rng)
                + torch.randn(f, generator=rng) for n in (n_a, n_b))
        given = a.clone(), b.clone()
        came = one_number(_one(function(*given), "the distance", {f: "one term for each feature. What does the trace "
                          "do with them?"}), "the distance")
        check_unchanged(a=(given[0], a), b=(given[1], b))
        compare(came, _differences(lambda means, stds: (means**2 + stds**2).sum())(a, b), MISTAKES["frechet"], (a, b),
                "take each feature by itself. How far apart are its two means, and its two standard deviations?",
                tolerance=0.01)
    done("frechet: how far apart two sets of features are, by the mean and the standard deviation of each feature.")


@check
def coverage(function):
    """Check `function(real, fake, k) -> number`: the share of real points whose ball contains a fake.

    real float [N, F], fake float [M, F]; a ball's radius is the distance to the k-th nearest other real point.
    """
    rng = torch.Generator().manual_seed(369)      # with it all mistakes below give different numbers
    for n, m, k in ((60, 45, 3), (40, 50, 2)):
        # far from 0, where cdist's rounding makes many a point differ from itself
        real, fake = torch.randn(n, 4, generator=rng) + 10, torch.randn(m, 4, generator=rng) * 0.7 + 10.5
        given = real.clone(), fake.clone()
        came = one_number(_one(function(*given, k), "the coverage", {
            n: "one answer for each real point. Which fraction of them is it?",
            m: "one answer for each fake. Whose fraction is asked for?"}), "the coverage")
        check_unchanged(real=(given[0], real), fake=(given[1], fake))
        compare(came, _in_ball(real, fake, k).any(1).double().mean(), MISTAKES["coverage"], (real, fake, k),
                "take one real point. How far is it to the neighbour that sets its radius, and to the nearest fake?")
    done("coverage: the share of real points with a fake in their neighbourhood.")


@check
def memorisation(function):
    """Check `function(fake, training, held_out) -> number`: how likely a fake is nearer to training than a held-out.

    Flat images, float [N, P], [M, P], [L, P]; nearer by the Euclidean distance to the nearest training image.
    """
    rng = torch.Generator().manual_seed(33)
    for n, t, h in ((14, 11, 17), (20, 16, 12)):
        fake, training, held_out = (torch.rand(size, 9, generator=rng) for size in (n, t, h))
        fake[::3] = 0.95 * training[:len(fake[::3])] + 0.05 * fake[::3]     # every third is nearly a copy
        given = fake.clone(), training.clone(), held_out.clone()
        came = one_number(_one(function(*given), "the probability", {
            (n, h): "one answer for each pair. In which fraction of the pairs is it so?",
            n: "one answer for each fake. It is to be compared with every held-out image."}), "the probability")
        check_unchanged(fake=(given[0], fake), training=(given[1], training), held_out=(given[2], held_out))
        right = _nearer(_nearest(fake, training), _nearest(held_out, training))
        compare(came, right, MISTAKES["memorisation"], (fake, training, held_out),
                "you need two lists of distances to the training set. Sample one distance from each. How often is the "
                "fake's the smaller?")
    done("memorisation: how often a fake lies nearer to the training set than a fresh real image does.")


def _one(came, name, hints):
    """The one result; `hints` are for tensors of more numbers, by their shape or, of one dimension, by their length."""
    came, = returned(came, name)
    if isinstance(came, torch.Tensor) and came.numel() > 1:
        shape = tuple(came.shape)
        hint = hints.get(shape, hints.get(shape[0] if len(shape) == 1 else None, "what joins them to one number?"))
        require(False, f"{name} as one number", f"a tensor of shape {list(shape)}", hint)
    return came


_LAYERS = "some layer gets another shape than it was made for. Print the shape after each. Where is it wrong?"


def _layers_hint(z_dim):
    return _LAYERS if z_dim == 64 else f"z_dim is {z_dim} here. Does a 64 stand in your code that should be z_dim?"


def _made(function, argument, name):
    """A network made by the student's function, in training mode."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(argument)
        network, other = function(argument), function(argument)
    hints = {type(None): "does your function end with `return ...`?",
             type: "that is the class. How do you make a network of it?",
             list: "a list of layers is no network yet. Which module calls one layer after the other?"}
    require(isinstance(network, nn.Module), f"{name}, an nn.Module", type(network).__name__,
            hints.get(type(network), "return the network itself, and nothing else."))
    shared = {id(p) for p in network.parameters()} & {id(p) for p in other.parameters()}
    require(not shared, "a new network at each call", "the same weights twice", "make the layers inside the function.")
    return network.train()


def _output(network, x, what, hint=_LAYERS, chance=0):
    """network(x). An error in one of its layers is explained."""
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(chance)
            came = network(x)
    except NotImplementedError:
        raise
    except (RuntimeError, ValueError) as error:
        raise NotYet(f"expected {what}; got {type(error).__name__}: {' '.join(str(error).split())}. Hint: {hint}"
                     ) from error
    require(isinstance(came, torch.Tensor), what, type(came).__name__, "does its `forward` return one tensor?")
    return came


def _among(network, x, others):
    """The output for x[0] beside the rest of x, and beside `others`; the network itself is left as it was."""
    return [_output(copy.deepcopy(network), batch, "an output")[0].detach()
            for batch in (x, torch.cat([x[:1], others[1:]]))]


def _louder(network):
    """A copy with weights 20 times as large."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        for p in network.parameters():
            p *= 20
    return network


def _check_images(images, n):
    *first, height, width = images.shape if images.dim() > 1 else (*images.shape, 0, 0)
    hint = "the first dimension counts the images, the second the channels. Where do yours get lost?"
    if images.dim() == 2:
        hint = "these are rows of numbers. Where does a row become an image?"
    elif images.dim() == 4 and (height, width) != (28, 28):
        hint = ("the side is wrong. A transposed convolution makes (side - 1) * stride - 2 * padding + kernel of it. "
                "Follow the side from layer to layer.")
    elif images.dim() == 4 and first[0] == n:
        hint = "how many channels does a grey image have?"
    require(images.shape == (n, 1, 28, 28), f"images of shape [{n}, 1, 28, 28]", f"{list(images.shape)}", hint)


def _check_pixels(images, loud):
    low, high = loud.min().item(), loud.max().item()
    hint = ("the last layer ends between -1 and 1, and our pixels between 0 and 1." if -1 <= low < 0 and high <= 1 else
            "the last layer can return any number. Which function ends between 0 and 1?")
    require(low >= 0 and high <= 1, "pixels between 0 and 1, even with weights 20 times as large",
            f"pixels from {low:.3g} to {high:.3g}", hint)
    cut = ((images == 0) | (images == 1)).float().mean().item()
    require(low < 0.4 and high > 0.6, "pixels near 0 and near 1 with weights 20 times as large",
            f"pixels from {low:.3g} to {high:.3g}", "if all numbers that reach the last function have the same sign, "
            "half of the greys never come. What stands before that function?")
    require(cut < 0.01, "pixels between 0 and 1", f"{100 * cut:.0f} % of them at exactly 0 or 1",
            "a pixel that is cut off gets no gradient. Which function comes near 0 and 1 without a cut?")


def _check_logits(logits, n):
    hint = "one number for each image: no further dimension, and no mean over the batch."
    if logits.shape == (n, 1):
        hint = "there is a dimension too many, and in a loss [B, 1] beside [B] becomes a table. How do you drop it?"
    elif logits.dim() == 0 and n == 1:
        hint = "with one image, squeeze() drops the dimension of the batch as well. Which dimension did you mean?"
    require(logits.shape == (n,), f"logits of shape [{n}]", f"{list(logits.shape)}", hint)


def _check_built(network, name, least):
    n_weights = sum(p.numel() for p in network.parameters())
    require(n_weights >= least, f"{name} of at least {least:,} weights", f"{n_weights:,}",
            "layers in a plain list of Python are not found. If yours are found, they have few channels.")
    convolutions = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    require(convolutions, f"convolutions in {name}", "none", "linear layers alone learn each place by itself. Which "
            "layer uses one kernel at all places of an image?")
    require(n_weights <= 3_000_000, f"{name} of at most 3,000,000 weights", f"{n_weights:,}",
            "that trains too slowly for a laptop. Which layer has most of them, and how many channels does it need?")


def _check_weights(network, output, name):
    """Every weight must have a share in the output."""
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(0))
    require(output.requires_grad, f"an output of {name} that remembers its graph", "one without",
            "without a graph nothing learns. Is something detached, or made under no_grad?")
    network.zero_grad()
    (output * weights).sum().backward()
    for key, p in network.named_parameters():
        reached = p.grad is not None and (p.dim() < 2 or bool((p.grad != 0).any()))     # a bias may be cancelled later
        require(reached, f"a gradient for every weight of {name}", f"none for {key}",
                "this layer cannot learn. Is it used, and is nothing detached behind it?")


def _check_noise(G, z):
    G = copy.deepcopy(G).eval()
    z = z.clone().requires_grad_()
    images = _output(G, z, "images")
    gradient, = torch.autograd.grad(images.square().sum(), z, allow_unused=True)
    silent = 0 if gradient is None else int((gradient == 0).all(0).sum())
    require(gradient is not None and silent == 0, "images that depend on all numbers of the noise",
            "images that do not depend on the noise" if gradient is None else f"{silent} numbers without effect",
            "follow z from the first layer to the pixels. Where does it get lost?")
    again = _output(G, z, "images", chance=1)
    require(again.allclose(images), "the same images from the same noise in evaluation mode", "others",
            "G samples something itself. All chance is to come from z.")


class _Calls(TorchFunctionMode):
    """Collects the functions of torch that are called, by name, and the slopes of leaky ReLUs."""

    def __init__(self):
        super().__init__()
        self.names, self.slopes = [], []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name, kwargs = getattr(function, "__name__", "").strip("_"), kwargs or {}
        self.names.append(name)
        if name == "leaky_relu":
            self.slopes.append(args[1] if len(args) > 1 else kwargs.get("negative_slope", 0.01))
        return function(*args, **kwargs)


_NO_CURVE = {"flatten", "reshape", "view", "squeeze", "size", "dim", "get", "len", "dropout", "adaptive_avg_pool2d",
             "avg_pool2d", "mean"}


def _check_activations(D, x):
    """Leaky ReLUs of slope 0.2, one after each convolution. Other ways to write a leaky ReLU pass."""
    with _Calls() as calls:
        _output(D, x, "logits")
    require("relu" not in calls.names, "leaky ReLUs in D", "a plain ReLU",
            "a plain ReLU passes no gradient where its input is negative, and G learns only through D.")
    other = [slope for slope in calls.slopes if slope != 0.2]
    require(not other, "leaky ReLUs of slope 0.2", f"slope {(other or [0])[0]}",
            "PyTorch has a slope of its own if you name none. Which slope does the text ask for?")
    layers = [i for i, name in enumerate(calls.names) if name in ("conv2d", "linear")]
    require(all(set(calls.names[i + 1:j]) - _NO_CURVE for i, j in itertools.pairwise(layers)
                if calls.names[i] == "conv2d"),
            "a leaky ReLU after each convolution of D", "a convolution with no function behind it",
            "this convolution and the next layer would be one linear layer. What belongs behind each convolution?")


def _check_slope(D, x):
    """D's slope reaches the weights and the images, and can be differentiated again, as R1 does."""
    x = x.clone().requires_grad_()
    logits = _output(D, x, "logits of images", _LAYERS)
    _check_weights(D, logits, "D")
    gradient, = torch.autograd.grad(_output(D, x, "logits").sum(), x, create_graph=True, allow_unused=True)
    require(gradient is not None and bool((gradient.flatten(1) != 0).any(1).all()), "a slope of D at every image",
            "none", "G learns only through D. What stands between the image and D's first layer?")
    wrong = [p for p in D.parameters() if p.dim() > 1]
    again = torch.autograd.grad(gradient.square().sum(), wrong, allow_unused=True)
    require(any(g is not None and bool((g != 0).any()) for g in again), "a slope that can be changed by training (R1)",
            "one that cannot", "R1 differentiates the slope again. Is something detached?")


def _differences(combine):
    """`combine` gets the differences of the means and of the standard deviations, each [F]."""
    return lambda a, b: combine(a.mean(0) - b.mean(0), a.std(0) - b.std(0))


def _radii(points, k):
    """The distance of each point to its k-th nearest other point, [N]."""
    return torch.cdist(points, points).sort(1).values[:, k]         # place 0 is the point itself


def _in_ball(points, others, k):
    """Whether other m lies in the ball of point n, [N, M]."""
    return torch.cdist(points, others) <= _radii(points, k)[:, None]


def _with_radii(radii):
    """Coverage with balls of other `radii(real, fake, k)`, [N]."""
    def coverage(real, fake, k):
        return (torch.cdist(real, fake) <= radii(real, fake, k)[:, None]).any(1).double().mean()
    return coverage


def _radii_without_equals(real, fake, k):
    distances = torch.cdist(real, real)
    return distances.where(distances > 0, torch.inf).kthvalue(k, dim=1).values


def _nearest(images, training):
    return torch.cdist(images, training).min(1).values


def _nearer(ours, theirs):
    """How likely one of `ours` is smaller than one of `theirs`."""
    return (ours[:, None] < theirs).double().mean()


def _both(distances):
    """`distances(images, training)` of fakes and of held-out images, compared rightly."""
    return lambda fake, training, held_out: _nearer(distances(fake, training), distances(held_out, training))


def _summed_up(summary):
    """The right distances of fakes and of held-out images, summed up by `summary`."""
    return lambda fake, training, held_out: summary(_nearest(fake, training), _nearest(held_out, training))


MISTAKES = {
    "frechet": [
        (lambda a, b: ((a.mean(0) - b.mean(0))**2 + (a.var(0) - b.var(0))**2).sum(),
         "you compare variances. What does the formula compare once it is simplified, variance or standard deviation?"),
        (lambda a, b: ((a.mean(0) - b.mean(0))**2 + a.var(0) + b.var(0)).sum(),
         "the last term of the trace is missing. By your formula, how far is a set from itself?"),
        (lambda a, b: ((a.mean(0) - b.mean(0))**2).sum() + (a.std() - b.std())**2,
         "you take one standard deviation for all features together. The formula has one for each feature."),
        (_differences(lambda means, stds: (means**2).sum()),
         "you compare only the means. Two sets with the same middle can still differ. In what?"),
        (_differences(lambda means, stds: (stds**2).sum()),
         "you leave out the means, so a set and the same set moved elsewhere would be alike."),
        (_differences(lambda means, stds: (means**2 + stds**2).sum().sqrt()), "you take a root. Does the formula?"),
        (_differences(lambda means, stds: (means**2 + stds**2).mean()),
         "you average over the features. What does the trace do with them?"),
        (_differences(lambda means, stds: (means + stds).sum()),
         "nothing is squared here, so a feature that is too high cancels one that is too low."),
        (_differences(lambda means, stds: (means.abs() + stds.abs()).sum()),
         "you take absolute values. In the formula, large differences count for more than this."),
        (lambda a, b: (a.mean() - b.mean())**2 + (a.std() - b.std())**2,
         "this is one mean and one standard deviation for all features. The formula has them for each feature."),
        (lambda a, b: (a.mean(1) - b.mean(1)).square().sum() + (a.std(1) - b.std(1)).square().sum(),
         "you average over the wrong dimension. Which dimension counts the images, which the features?"),
    ],
    "coverage": [
        (_with_radii(lambda real, fake, k: _radii(real, k - 1)),
         "the balls are too small. Which real point is the nearest to a real point?"),
        (_with_radii(_radii_without_equals),
         "a point's distance to itself may be rounded to more than 0. Leave the point out by its place in the table, "
         "not by `> 0`."),
        (_with_radii(lambda real, fake, k: _radii(real, k + 1)),
         "the balls are too large. Are neighbours counted from 0, or from 1?"),
        *((_with_radii(wrong), "one side is squared, the other is not.") for wrong in (
            lambda real, fake, k: _radii(real, k).sqrt(), lambda real, fake, k: _radii(real, k).square())),
        (lambda real, fake, k: _in_ball(real, fake, k).any(0).double().mean(),
         "that is a share of fakes (precision). Whose share is asked for?"),
        (lambda real, fake, k: _in_ball(fake, real, k).any(0).double().mean(),
         "that is recall. Around which points are the balls?"),
        (lambda real, fake, k: _in_ball(fake, real, k).any(1).double().mean(), "real and fake have changed places."),
        (lambda real, fake, k: _in_ball(real, fake, k).sum() / (k * len(fake)),
         "that is density, where every fake in a ball counts. How many fakes must a ball contain for coverage?"),
        (lambda real, fake, k: _in_ball(real, fake, k).double().mean(),
         "that is a share of pairs. How many fakes must a ball contain for coverage?"),
        (lambda real, fake, k: _in_ball(real, fake, k).any(1).sum(),
         "that is how many real points have a fake in their ball. Which share of all is it?"),
        (_with_radii(lambda real, fake, k: torch.cdist(real, fake).kthvalue(k, dim=1).values),
         "every ball contains a fake. What sets the radius, and should the fakes have a say in it?"),
    ],
    "memorisation": [
        (lambda fake, training, held_out: _nearer(_nearest(held_out, training), _nearest(fake, training)),
         "the comparison is reversed. By your number, copies would score low."),
        (_summed_up(lambda ours, theirs: (ours[:, None] < theirs).sum()),
         "that is how many pairs. Which share of all pairs is it?"),
        (lambda fake, training, held_out: _nearer(_nearest(fake, held_out), _nearest(held_out, training)),
         "you compare the fakes with the held-out images. Nearer to which set of images is asked for?"),
        (_both(lambda images, training: torch.cdist(images, training).mean(1)),
         "you average over the training images. A copy is near one training image and far from the others."),
        (_both(lambda images, training: torch.cdist(images, training).min(0).values),
         "you have one number for each training image. Is a distance asked for each fake, or each of training?"),
        (_both(lambda images, training: torch.cdist(images, training).argmin(1)),
         "these are positions in the training set, not distances."),
        *((_summed_up(wrong), "that is a ratio of distances. Asked for is how often one is the smaller.") for wrong in (
            lambda ours, theirs: ours.mean() / theirs.mean(), lambda ours, theirs: theirs.mean() / ours.mean())),
        *((_summed_up(lambda ours, theirs, one=one: (ours < one(theirs)).double().mean()),
           "held-out images differ from each other, and you use one number for all.")
          for one in (torch.median, torch.mean, torch.min, torch.max)),
        *((_summed_up(wrong), "that is a single comparison. How often is it so, over all pairs that could be sampled?")
          for wrong in (lambda ours, theirs: (ours.mean() < theirs.mean()).double(),
                        lambda ours, theirs: (ours.mean() > theirs.mean()).double())),
    ],
}
