"""What each optimiser step sees: how many samples, at which learning rate."""

from __future__ import annotations

import math

WARM_UP_FRACTION = 0.3
START_FRACTION = 0.04
END_FRACTION = 4e-6


def batch_sizes(n: int, batch_size: int) -> list[int]:
    """How many samples each batch of an epoch holds.

    All hold ``batch_size`` save the last: it holds the rest when the rest is two or more; a single sample left over
    (batch norm cannot train on one) joins the batch before it. So every epoch visits every sample once, whatever the
    order of layers.

    Args:
        n: Training samples, at least 2.
        batch_size: At least 2.

    Example:
        >>> batch_sizes(10, 4), batch_sizes(9, 4), batch_sizes(3, 4)
        ([4, 4, 2], [4, 5], [3])
    """
    n_full, rest = divmod(n, batch_size)
    sizes = [batch_size] * n_full
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def one_cycle(learning_rate: float, n_steps: int) -> list[float]:
    """The learning rate of every step: from 4 % up to ``learning_rate`` in the first 30 %, then down to nearly 0.

    Both parts are half cosines, with the fractions of ``torch.optim.lr_scheduler.OneCycleLR`` (Smith and Topin 2017)
    and without its cycling of the momentum. Each step takes the rate at its middle, so one step is enough.

    Args:
        learning_rate: The highest rate.
        n_steps: Steps in the whole training, at least 1.

    Example:
        >>> [round(rate, 3) for rate in one_cycle(1.0, 4)]
        [0.396, 0.972, 0.556, 0.077]
    """
    return [learning_rate * _fraction((step + 0.5) / n_steps) for step in range(n_steps)]


def _fraction(progress: float) -> float:
    if progress < WARM_UP_FRACTION:
        return _between(START_FRACTION, 1.0, progress / WARM_UP_FRACTION)
    return _between(1.0, END_FRACTION, (progress - WARM_UP_FRACTION) / (1 - WARM_UP_FRACTION))


def _between(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
