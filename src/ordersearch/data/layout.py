"""The shape rule: what an array of a source holds, and where its channels are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.dataset import NOUNS, Input
from ordersearch.errors import DataError, unknown_name

_SMALLEST_IMAGE = 8
_MOST_CHANNELS_LAST = 4
_TAKES = {
    "table": "any array, and flattens each sample",
    "signal": "(n, steps) or (n, channels, steps)",
    "image": "(n, height, width), (n, channels, height, width) or (n, height, width, channels)",
    "volume": "(n, depth, height, width), (n, channels, depth, height, width) or (n, depth, height, width, channels)",
}


@dataclass(frozen=True)
class Layout:
    """How one array of a source becomes samples with their channels first.

    Attributes:
        input: What one sample is.
        sample_shape: ``(features,)`` or ``(channels, *spatial)``.
        channels_last: Whether the source has its channels last.
        rule: Why, in words.
        notes: What could have been meant otherwise.
    """

    input: Input
    sample_shape: tuple[int, ...]
    channels_last: bool
    rule: str
    notes: tuple[str, ...] = ()

    def arrange(self, x: NDArray[Any]) -> NDArray[Any]:
        """The samples ``x`` as ``(n, *sample_shape)``, contiguous; copied only where the channels move."""
        moved = np.moveaxis(x, -1, 1) if self.channels_last else x
        return np.ascontiguousarray(moved).reshape(len(x), *self.sample_shape)


def find_layout(shape: tuple[int, ...], input: str = "auto", *, at: str = "x", known: Input | None = None) -> Layout:
    """What an array of this shape holds, by one rule.

    A 2-D array is a table. A 3-D array holds images ``(n, height, width)`` when both last sizes are at least 8, else
    signals ``(n, channels, steps)``. A 4-D array holds images and a 5-D array volumes, with their channels last when
    the last size is at most 4, else first. ``input`` overrides what a sample is: "table" flattens each sample,
    "signal" reads a row of a 2-D array as one channel, "image" and "volume" give an array without channels one.

    Args:
        shape: Of the whole array, samples first.
        input: "auto", "table", "signal", "image" or "volume".
        at: Where the array came from, for the error.
        known: What the source knows a sample to be, which holds when ``input`` is "auto".

    Example:
        >>> find_layout((100, 32, 32, 3)).sample_shape
        (3, 32, 32)
        >>> find_layout((100, 40), "signal").sample_shape
        (1, 40)

    Raises:
        DataError: No rule reads such a shape, or ``input`` cannot be read from it.
        UnknownNameError: ``input`` is none of the five.
    """
    if input not in ("auto", *get_args(Input)):
        raise unknown_name("kind of input", input, ("auto", *get_args(Input)))
    if input == "auto" and known is not None:
        kind, why = known, f"the source holds {NOUNS[known]}"
    elif input == "auto":
        kind, why = _kind_of(shape, at)
    else:
        kind, why = cast("Input", input), f"input={input!r} was asked for"
    sizes = shape[1:]
    if kind == "table":
        return Layout(kind, (math.prod(sizes),), False, why)
    spatial = {"signal": 1, "image": 2, "volume": 3}[kind]
    if len(sizes) == spatial:
        return Layout(kind, (1, *sizes), False, f"{why}, with one channel")
    if len(sizes) != spatial + 1:
        raise DataError(f"{at}: the shape {shape} cannot be read as input={kind!r}, which takes {_TAKES[kind]}.")
    if kind == "signal":
        return Layout(kind, sizes, False, why, _signal_notes(sizes))
    return _with_channels(kind, sizes, why)


def _kind_of(shape: tuple[int, ...], at: str) -> tuple[Input, str]:
    if len(shape) == 2:
        return "table", "a 2-D array is a table (input='signal' would read each row as one signal)"
    if len(shape) == 3 and min(shape[1:]) >= _SMALLEST_IMAGE:
        return "image", (
            f"the last two sizes {shape[1]} and {shape[2]} of a 3-D array are both at least {_SMALLEST_IMAGE} "
            "(input='signal' would read channels and steps)"
        )
    if len(shape) == 3:
        return (
            "signal",
            f"a last size of {min(shape[1:])}, under {_SMALLEST_IMAGE}, makes a 3-D array channels and steps",
        )
    if len(shape) == 4:
        return "image", "a 4-D array holds images"
    if len(shape) == 5:
        return "volume", "a 5-D array holds volumes"
    takes = "; ".join(f"{kind} {what}" for kind, what in _TAKES.items())
    raise DataError(f"{at}: got an array of shape {shape}, but inputs have 2 to 5 dimensions, samples first: {takes}.")


def _with_channels(kind: Input, sizes: tuple[int, ...], why: str) -> Layout:
    last = sizes[-1]
    if last <= _MOST_CHANNELS_LAST:
        rule = f"{why}, channels last because the last size {last} is at most {_MOST_CHANNELS_LAST}"
        return Layout(kind, (last, *sizes[:-1]), True, rule)
    return Layout(
        kind, sizes, False, f"{why}, channels first because the last size {last} is over {_MOST_CHANNELS_LAST}"
    )


def _signal_notes(sizes: tuple[int, ...]) -> tuple[str, ...]:
    channels, steps = sizes
    if channels <= steps:
        return ()
    return (
        f"Signals are read as (n, channels, steps), here {channels} channels of {steps} steps; "
        "if the steps come first in the source, swap its last two axes.",
    )
