"""Parameters of ops and the bounds that they keep to."""

from __future__ import annotations

from collections.abc import Callable

from ordersearch.ops.kinds import Param, Value

MAX_INTEGER = 4096


def _is_int(value: Value, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= MAX_INTEGER


def _isnumber(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def integer(name: str, default: int | None, low: int, *aliases: str) -> Param:
    """A whole number from ``low`` to 4096; without a default it follows from the kernel."""
    holds = f"{name} is an integer from {low} to {MAX_INTEGER}" + (
        ", or left out to equal the kernel" if default is None else ""
    )
    return Param(name, default, holds, lambda v: _is_int(v, low) or (v is None and default is None), aliases)


def number(name: str, default: float, holds: str, accepts: Callable[[float], bool], *aliases: str) -> Param:
    """A finite number that meets a condition, which ``holds`` puts in words."""
    return Param(name, default, holds, lambda v: _isnumber(v) and accepts(v), aliases)  # type: ignore[arg-type]


def truth(name: str, default: bool, *aliases: str) -> Param:
    """True or false."""
    return Param(name, default, f"{name} is true or false", lambda v: isinstance(v, bool), aliases)


RATE = number("p", 0.5, "a rate lies in [0, 1)", lambda v: 0 <= v < 1, "rate", "drop_prob", "dropout_rate", "drop")
BIAS = Param(
    "bias",
    "auto",
    "bias is true, false or auto (left out where the next norm would cancel it)",
    lambda v: isinstance(v, bool) or v == "auto",
    ("use_bias",),
)
PADDING = Param(
    "padding",
    "same",
    f"padding is 'same' or an integer from 0 to {MAX_INTEGER}",
    lambda v: v == "same" or _is_int(v, 0),
)
EPS = number("eps", 1e-5, "eps is greater than 0", lambda v: v > 0, "epsilon")
AFFINE = truth("affine", True, "elementwise_affine")
KERNEL = integer("kernel", 3, 1, "kernel_size", "ks")
WINDOW = integer("kernel", 2, 1, "kernel_size", "pool_size", "window")
POOL_STRIDE = integer("stride", None, 1, "strides")
POOL_PADDING = integer("padding", 0, 0)
