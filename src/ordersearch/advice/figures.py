"""The figures behind the advice, computed for the rate at hand."""

from __future__ import annotations

import math
from collections.abc import Callable

RELU_MEAN = 1 / math.sqrt(2 * math.pi)
"""Mean of ReLU of a standard normal value."""
RELU_VARIANCE = 0.5 - RELU_MEAN**2
"""Variance of ReLU of a standard normal value."""
SELU_BOUND = -1.7580993408473766
"""What SELU tends to for very negative values: -scale * alpha."""


def variance_shift(p: float, mean: float = 0.0, variance: float = 1.0) -> float:
    """Delta: the variance that a norm directly behind a dropout gets in evaluation, for each unit of that in training.

    Li et al. 2019 (arXiv:1801.05134), case (a); the norm's output shrinks by its square root in evaluation.

    Args:
        p: The rate of the dropout.
        mean: Of the values that the dropout gets.
        variance: Of the same values.

    Example:
        >>> round(variance_shift(0.5), 3), round(variance_shift(0.5, RELU_MEAN, RELU_VARIANCE), 3)
        (0.5, 0.405)
    """
    return variance / ((mean**2 + variance) / (1 - p) - mean**2)


def variance_shift_behind_weight(
    p: float, correlation: float, reach: float, mean: float = RELU_MEAN, variance: float = RELU_VARIANCE
) -> float:
    """Delta with a weight between dropout and norm: Li et al. 2019, case (b).

    Args:
        p: The rate of the dropout.
        correlation: Between two inputs of the weight.
        reach: Fan-in of the weight times the squared cosine between its values and a constant.
        mean: Of the values that the dropout gets.
        variance: Of the same values.

    Example:
        >>> round(variance_shift_behind_weight(0.5, correlation=0.0, reach=24), 3)
        0.405
    """
    q, shared = 1 - p, variance * correlation
    in_evaluation = shared + variance * (1 - correlation) / reach
    in_training = shared + ((1 / q - 1) * mean**2 + variance * (1 / q - correlation)) / reach
    return in_evaluation / in_training


def max_pool_inflation(p: float, window: int) -> float:
    """Mean that max-pooling makes of dropped values in training, for each unit of that in evaluation.

    The values are ReLU of independent standard normal ones, dropped element by element and scaled by 1 / (1 - p).

    Args:
        p: The rate of the dropout.
        window: Number of values in a window.

    Example:
        >>> round(max_pool_inflation(0.5, 4), 2)
        1.23
    """
    q = 1 - p
    in_training = _integral(lambda t: 1 - (1 - q * _above(t)) ** window, 0, 10) / q
    return in_training / _integral(lambda t: 1 - (1 - _above(t)) ** window, 0, 10)


def zero_fractions(p: float, window: int) -> tuple[float, float]:
    """The fraction of zeros behind dropout then max-pool, and behind max-pool then dropout, of the same values.

    Example:
        >>> [round(fraction, 2) for fraction in zero_fractions(0.5, 4)]
        [0.32, 0.53]
    """
    return (p + (1 - p) / 2) ** window, p + (1 - p) * 0.5**window


def tanh_distortion(p: float) -> float:
    """Root mean square of tanh(D x) - D tanh(x) for a dropout D and standard normal x.

    Example:
        >>> round(tanh_distortion(0.3), 3)
        0.157
    """
    q = 1 - p
    return math.sqrt(q * _integral(lambda t: _density(t) * (math.tanh(t / q) - math.tanh(t) / q) ** 2, -10, 10))


def alpha_dropout_writes(p: float) -> tuple[float, float]:
    """What an alpha dropout makes of a value that it drops, and of a 0 that it keeps (Klambauer et al. 2017).

    Example:
        >>> [round(value, 2) for value in alpha_dropout_writes(0.5)]
        [-0.78, 0.78]
    """
    scale = 1 / math.sqrt((1 - p) * (1 + p * SELU_BOUND**2))
    return scale * SELU_BOUND * (1 - p), -scale * SELU_BOUND * p


def _above(t: float) -> float:
    return 0.5 * math.erfc(t / math.sqrt(2))


def _density(t: float) -> float:
    return math.exp(-t * t / 2) / math.sqrt(2 * math.pi)


def _integral(f: Callable[[float], float], low: float, high: float, n_steps: int = 400) -> float:
    """Simpson's rule."""
    step = (high - low) / n_steps
    inner = sum((4 if i % 2 else 2) * f(low + i * step) for i in range(1, n_steps))
    return (f(low) + inner + f(high)) * step / 3
