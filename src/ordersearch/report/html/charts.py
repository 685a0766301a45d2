"""Where the marks of the charts go: learning curves, and the intervals of the differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ordersearch.report.content import Candidate, Curve

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 70, 44, 18, 46
LOG_FROM = 15.0
"""From this ratio of the largest to the smallest value on, the scale is logarithmic."""

LABEL_HEIGHT = 20
INTERVAL_WIDTH = 132


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what stands there."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A drawn curve.

    Attributes:
        letter: Of the candidate.
        points: As SVG takes them.
        end: Where the curve ends.
        label_y: Where its letter stands, clear of the others.
        n: Over how many runs it is a mean.
    """

    letter: str
    points: str
    end: tuple[float, float]
    label_y: float
    n: int


@dataclass(frozen=True)
class CurveChart:
    """The learning curves as drawn.

    Attributes:
        lines: One for each curve.
        x_ticks: Epochs.
        y_ticks: Values of the metric.
        is_logarithmic: Whether the scale of the values is.
    """

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    is_logarithmic: bool


def curve_chart(curves: Sequence[Curve]) -> CurveChart | None:
    """The chart of some curves; None where no curve has two epochs."""
    n_epochs = max((len(curve.values) for curve in curves), default=0)
    if n_epochs < 2:
        return None
    values = [value for curve in curves for value in curve.values]
    low, high = min(values), max(values)
    is_logarithmic = low > 0 and high / low >= LOG_FROM
    scale = _scale(low / 1.15 if is_logarithmic else low, high, is_logarithmic=is_logarithmic)

    def x(epoch: int) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / (n_epochs - 1), 1)

    def y(value: float) -> float:
        share = scale.share(value)
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - share), 1)

    ends = {curve.letter: y(curve.values[-1]) for curve in curves}
    labels = _apart(ends)
    lines = tuple(
        Line(
            curve.letter,
            " ".join(f"{x(epoch)},{y(value)}" for epoch, value in enumerate(curve.values, 1)),
            (x(len(curve.values)), ends[curve.letter]),
            labels[curve.letter],
            curve.n,
        )
        for curve in curves
    )
    return CurveChart(
        lines,
        tuple(Tick(x(epoch), str(epoch)) for epoch in _epochs(n_epochs)),
        tuple(Tick(y(value), f"{value:.4g}") for value in scale.ticks),
        is_logarithmic,
    )


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    is_logarithmic: bool
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """How far up a value lies, 0 to 1."""
        low, high = self.low, self.high
        if self.is_logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low) if high > low else 0.5


def _scale(low: float, high: float, *, is_logarithmic: bool) -> _Scale:
    if is_logarithmic:
        ticks = [
            digit * 10.0**power
            for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for digit in ((1, 2, 5) if high / low < 300 else (1,))
        ]
        return _Scale(low, high, True, tuple(tick for tick in ticks if low <= tick <= high))
    step = nice_step((high - low) / 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    return _Scale(first * step, max(last, first + 1) * step, False, tuple(n * step for n in range(first, last + 1)))


def nice_step(about: float) -> float:
    """A round step that is at least ``about``.

    Example:
        >>> nice_step(0.03), nice_step(7.0)
        (0.05, 10.0)
    """
    if about <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(about))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= about * (1 - 1e-9))


def _epochs(n: int) -> list[int]:
    step = max(1, int(nice_step(n / 6)))
    return [1, *(epoch for epoch in range(step, n + 1, step) if epoch > 1)]


def _apart(ends: dict[str, float]) -> dict[str, float]:
    """Where the letters stand: at their curves' ends, pushed apart where these are close."""
    placed: dict[str, float] = {}
    last = -math.inf
    for letter, at in sorted(ends.items(), key=lambda item: (item[1], item[0])):
        last = max(at, last + LABEL_HEIGHT)
        placed[letter] = last
    surplus = max(0.0, last - (HEIGHT - BOTTOM))
    return {letter: round(at - surplus, 1) for letter, at in placed.items()}


@dataclass(frozen=True)
class IntervalMark:
    """An interval as drawn, on the scale that all share.

    Attributes:
        low: Its left end.
        high: Its right end.
        at: The difference itself.
        zero: Where no difference is.
    """

    low: float
    high: float
    at: float
    zero: float


def interval_marks(candidates: Sequence[Candidate]) -> dict[str, IntervalMark]:
    """For each candidate with an interval, where its marks go."""
    known = {
        one.letter: (one.low, one.difference, one.high)
        for one in candidates
        if one.low is not None and one.high is not None and one.difference is not None
    }
    ends = [0.0, *(end for own in known.values() for end in own)]
    low, high = min(ends), max(ends)

    def at(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return round(6 + (INTERVAL_WIDTH - 12) * share, 1)

    return {letter: IntervalMark(at(a), at(b), at(m), at(0.0)) for letter, (a, m, b) in known.items()}
