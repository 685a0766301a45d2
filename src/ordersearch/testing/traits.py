"""What a trait claims, looked at on the real layer, in training and in evaluation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ordersearch.ops import OpSpec, Trait
from ordersearch.testing.layers import CHANNELS, SEEDS, SIZES, TOLERANCE, inputs, layer

_MODES = {True: "in training", False: "in evaluation"}
_N_MOMENTS = 3000


class RealOp:
    """An op's layer as a function of its input alone: what it draws and remembers is the same at every call.

    Args:
        op: The op.
        dims: Dimensions of the maps; 0 for features.
        seed: Of its parameters and of what it draws.
        training: Whether it is in training mode.
        key: What the seed counts for; by default, this op.
    """

    def __init__(self, op: OpSpec, dims: int, seed: int, *, training: bool, key: str = "") -> None:
        self.op, self.dims, self.seed, self.training = op, dims, seed, training
        self._layer = layer(op, dims, seed, key=key).train(training)
        self._remembers = any(True for _ in self._layer.buffers())

    def __call__(self, x: Tensor) -> Tensor:
        """What the layer makes of ``x``."""
        with torch.no_grad():
            made: Tensor = (copy.deepcopy(self._layer) if self._remembers else self._layer)(x.clone())
        return made

    def inputs(self, offset: int = 0) -> Tensor:
        """Random values; others for another offset."""
        return inputs(self.dims, self.seed + offset).detach()


Claim = Callable[[RealOp], str]
"""Looks for a contradiction to a claim: what is wrong, as the end of a sentence, or ""."""


def contradiction(claim: Claim, op: OpSpec, dims: int, *, seeds: Iterable[int] = SEEDS) -> str:
    """What the layer shows against the claim, with the mode it is in; "" where nothing was found."""
    for seed in seeds:
        for training, mode in _MODES.items():
            if told := claim(RealOp(op, dims, seed, training=training)):
                return f"{mode} {told}"
    return ""


def _differs(a: Tensor, b: Tensor, what: str) -> str:
    if a.shape != b.shape:
        return f"{what}: shapes {tuple(a.shape)} and {tuple(b.shape)}"
    scale = max(1.0, float(a.abs().max()), float(b.abs().max()))
    worst = float((a - b).abs().max())
    return f"{what}: they differ by {worst:.2g}" if not worst <= TOLERANCE * scale else ""


def _falls(lower: Tensor, higher: Tensor, x: Tensor, y: Tensor) -> str:
    """Where a larger input gives a smaller output."""
    fall = lower - higher
    worst = int(fall.argmax())
    if float(fall.flatten()[worst]) <= TOLERANCE * max(1.0, float(lower.abs().max())):
        return ""
    small, large = (float(value.flatten()[worst]) for value in (x, y))
    made, then = (float(value.flatten()[worst]) for value in (lower, higher))
    return f"it makes {made:.4g} of {small:.4g} and {then:.4g} of {large:.4g}, which is larger"


def _elementwise(real: RealOp) -> str:
    x, other = real.inputs(), real.inputs(9)
    kept = torch.rand(x.shape, generator=torch.Generator().manual_seed(real.seed)) < 0.5
    one, changed = real(x), real(torch.where(kept, x, other))
    if one.shape != x.shape:
        return f"it makes shape {tuple(one.shape)} of {tuple(x.shape)}"
    return _differs(one[kept], changed[kept], "a value changes when another one of the input does")


def _grid(real: RealOp) -> Tensor:
    values = torch.linspace(-8, 8, 1281, dtype=torch.float64)
    return values.reshape(-1, *[1] * (1 + real.dims)).expand(-1, CHANNELS, *[2] * real.dims)


def monotone(real: RealOp) -> str:
    """Each value alone decides on its own, and a larger one never gives less."""
    x = _grid(real)
    y = real(x)
    return _elementwise(real) or _falls(y[:-1], y[1:], x[:-1], x[1:])


def homogeneous(real: RealOp) -> str:
    """A factor that is not negative passes through."""
    x = real.inputs()
    told = (_differs(real(a * x), a * real(x), f"f({a:g} x) is not {a:g} f(x)") for a in (0.0, 0.3, 7.0))
    return _elementwise(real) or next(filter(None, told), "")


def linear(real: RealOp) -> str:
    """Sums and factors of any sign pass through, each value alone."""
    x, y = real.inputs(), real.inputs(9)
    return (
        _elementwise(real)
        or _differs(real(x + y), real(x) + real(y), "f(x + y) is not f(x) + f(y)")
        or _differs(real(-2.5 * x), -2.5 * real(x), "f(-2.5 x) is not -2.5 f(x)")
    )


def scaling(real: RealOp) -> str:
    """With one draw, the factors are the same whatever the values are, and nothing is added."""
    x = real.inputs()
    return _differs(real(x), real(torch.ones_like(x)) * x, "with one draw, f(x) is not x f(1)")


def affine(real: RealOp) -> str:
    """With one draw, factors and summands are the same whatever the values are."""
    x = real.inputs()
    added = real(torch.zeros_like(x))
    factors = real(torch.ones_like(x)) - added
    return _differs(real(x), factors * x + added, "with one draw, f(x) is not (f(1) - f(0)) x + f(0)")


def increasing(real: RealOp) -> str:
    """With one draw, a larger value never gives less."""
    x = real.inputs()
    y = x + real.inputs(9).abs()
    return _falls(real(x), real(y), x, y)


def per_channel(real: RealOp) -> str:
    """With one draw, a constant map stays a constant map."""
    x = real.inputs()
    constant = x.flatten(2)[:, :, :1].reshape(*x.shape[:2], *[1] * real.dims).expand(x.shape) if real.dims else x
    y = real(constant)
    first = y.flatten(2)[:, :, :1].reshape(*y.shape[:2], *[1] * real.dims).expand(y.shape) if real.dims else y
    return _differs(y, first, "the values of a constant map come out unlike each other")


def takes_max(real: RealOp) -> str:
    """It commutes with every function that increases, and is not the smallest value."""
    x = real.inputs()
    functions: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "exp": torch.exp, "cube": lambda v: v**3}
    told = (
        _differs(real(f(x)), f(real(x)), f"the largest of the {name} is not the {name} of the largest")
        for name, f in functions.items()
    )
    if bool((real(x) < -real(-x)).any()):
        return "it gives less than the smallest value of the window"
    return next(filter(None, told), "")


def takes_mean(real: RealOp) -> str:
    """It is linear, in each channel alone, and of values that are not negative gives no negative one."""
    x, y = real.inputs(), real.inputs(9)
    if bool((real(x.abs()) < 0).any()):
        return "it gives a negative value for values that are not negative"
    return _differs(real(x + y), real(x) + real(y), "f(x + y) is not f(x) + f(y)") or _differs(
        real(x.flip(1)), real(x).flip(1), "with the channels in another order the values differ"
    )


def keeps_constants(real: RealOp) -> str:
    """A constant map stays that constant up to its edge."""
    x = torch.full_like(real.inputs(), -3.5)
    y = real(x)
    return _differs(y, torch.full_like(y, -3.5), "a map of -3.5 does not stay -3.5")


def centres_channels(real: RealOp) -> str:
    """In training, a constant that is added to a channel is gone."""
    if not real.training:
        return ""
    x = real.inputs()
    shifts = torch.linspace(-2, 3, CHANNELS, dtype=x.dtype).reshape(1, -1, *[1] * real.dims)
    return _differs(real(x + shifts), real(x), "what is added to a channel does not go")


def batch_statistics(real: RealOp) -> str:
    """In training a sample's values depend on the others, in evaluation they do not."""
    x = real.inputs()
    told = _differs(real(x)[:3], real(x[:3]), "the values of a sample depend on the others")
    if real.training:
        return "" if told else "the values of a sample do not depend on the others"
    return told


def sample_statistics(real: RealOp) -> str:
    """What a norm without batch statistics says: a sample's values depend on that sample alone."""
    x = real.inputs()
    return _differs(real(x)[:3], real(x[:3]), "the values of a sample depend on the others")


def self_normalising(real: RealOp) -> str:
    """Values of mean 0 and variance 1 keep both, within a tenth."""
    generator = torch.Generator().manual_seed(real.seed)
    shape = (_N_MOMENTS if real.dims == 0 else _N_MOMENTS // 2, CHANNELS, *[2] * real.dims)
    y = real(torch.randn(shape, generator=generator, dtype=torch.float64))
    mean, variance = float(y.mean()), float(y.var())
    if abs(mean) < 0.1 and abs(variance - 1) < 0.1:
        return ""
    return f"it makes mean {mean:.2f} and variance {variance:.2f} of mean 0 and variance 1"


def pointwise(real: RealOp) -> str:
    """What stands at one position depends on that position alone."""
    x = real.inputs()
    flat, order = x.flatten(2), torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(real.seed))
    y, moved = real(x), real(flat[:, :, order].reshape(x.shape))
    if y.shape[2:] != SIZES[real.dims]:
        return f"it makes maps of {tuple(y.shape[2:])} of {SIZES[real.dims]}"
    return _differs(
        moved.flatten(2), y.flatten(2)[:, :, order], "with the positions in another order the values differ"
    )


def does_nothing(real: RealOp) -> str:
    """It gives what it gets."""
    return _differs(real(real.inputs()), real.inputs(), "it does not give what it gets")


def unchanged_input(real: RealOp) -> str:
    """The tensor that it is given stays as it is, and without randomness the same comes out twice."""
    x = real.inputs()
    with torch.no_grad():
        given = x.clone()
        layer(real.op, real.dims, real.seed).train(real.training)(given)
    return _differs(given, x, "it changes the tensor that it is given") or _differs(
        real(x),
        real(x),
        "with one draw, it gives something else the second time (it draws from another generator than PyTorch's global "
        "one, or remembers what is no buffer)",
    )


CLAIMS: dict[Trait, Claim] = {
    Trait.MONOTONE: monotone,
    Trait.HOMOGENEOUS: homogeneous,
    Trait.LINEAR: linear,
    Trait.SCALING: scaling,
    Trait.AFFINE: affine,
    Trait.INCREASING: increasing,
    Trait.PER_CHANNEL: per_channel,
    Trait.TAKES_MAX: takes_max,
    Trait.TAKES_MEAN: takes_mean,
    Trait.KEEPS_CONSTANTS: keeps_constants,
    Trait.CENTRES_CHANNELS: centres_channels,
    Trait.BATCH_STATISTICS: batch_statistics,
    Trait.SELF_NORMALISING: self_normalising,
    Trait.POINTWISE: pointwise,
}
"""What each trait claims."""
