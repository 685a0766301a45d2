"""How sure a mean is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

CONFIDENCE = 0.95

FEWEST_FOR_INTERVAL = 3
"""Of two values, a 95 % interval reaches nine times as far as the values lie apart, and says nothing."""


def half_width(n: int, deviation: float) -> float:
    """Half the width of the 95 % interval of a mean, by Student's t distribution.

    Args:
        n: Of how many values, at least 2.
        deviation: Their standard deviation.

    Example:
        >>> round(half_width(3, 0.1), 3)
        0.248
    """
    # A tenth of a second, which most of those who rank do without.
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * deviation / math.sqrt(n)


def told_half_width(values: Iterable[float]) -> float | None:
    """The same of values; None of fewer than three.

    Example:
        >>> told_half_width([1.0, 2.0]), round(told_half_width([1.0, 2.0, 3.0]), 2)
        (None, 2.48)
    """
    # Sorted, since the sum of floats depends on their order.
    found = sorted(values)
    return None if len(found) < FEWEST_FOR_INTERVAL else half_width(len(found), statistics.stdev(found))
