"""How inputs and targets are scaled: by what the samples that train show, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arranged import Samples, is_whole
from ordersearch.data.dataset import Dataset

_VALUES_AT_ONCE = 2**20
_MOST_DECODED = 10_000


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Shifts and scales each channel (each feature of a table) and each number to predict.

    Attributes:
        mean: Of each channel over the samples that train, float64, shaped to broadcast against samples.
        deviation: Their standard deviation; 1 where a channel is constant, which is then only shifted.
        target_mean: Of each number to predict, float64 ``(outputs,)``; None when targets are classes or labels.
        target_deviation: Their standard deviation, likewise.

    Example:
        >>> scale = Normaliser(np.array([[2.0]]), np.array([[4.0]]))
        >>> scale.inputs(np.array([[10.0], [np.nan]]))
        array([[2.],
               [0.]], dtype=float32)
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    target_mean: NDArray[np.float64] | None = None
    target_deviation: NDArray[np.float64] | None = None

    def inputs(self, x: NDArray[Any], *, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """These samples, scaled; a missing number (NaN) of a table becomes 0, the mean of what trains.

        Each sample's values depend on that sample alone, so that any batch of them is bit for bit what the same rows
        of the whole would be.

        Args:
            x: Samples as the data set holds them.
            out: Where to write them, float32 of the same shape.
        """
        out = np.empty(x.shape, dtype=np.float32) if out is None else out
        np.divide(x.astype(np.float64) - self.mean, self.deviation, out=out, casting="same_kind")
        if x.ndim == 2 and x.dtype.kind == "f":
            out[np.isnan(out)] = 0
        return out

    def targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """These targets: float32 and scaled when they are numbers to predict, else as they are."""
        if self.target_mean is None or self.target_deviation is None:
            return y
        scaled: NDArray[Any] = ((y.astype(np.float64) - self.target_mean) / self.target_deviation).astype(np.float32)
        return scaled


def normaliser(dataset: Dataset, rows: NDArray[np.int64]) -> Normaliser:
    """The scale that these rows of a data set's training part show.

    Of samples that are decoded as they are read, 10000 evenly spaced rows stand for all: they tell a mean to a
    hundredth of a deviation, and reading a million images would take as long as training on them.

    Args:
        dataset: Whose channels and targets to scale.
        rows: The rows that train.
    """
    x = dataset.x
    mean, deviation = _statistics(x, rows) if isinstance(x, np.ndarray) else _statistics_of_rows(x, rows)
    if dataset.task != "regression":
        return Normaliser(mean, deviation)
    return Normaliser(mean, deviation, *(value[0] for value in _statistics(dataset.y, rows)))


def row_chunks(x: Samples, rows: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[Any]]]:
    """These rows of ``x``, about a million values at a time, each with the place it takes among them."""
    step = max(1, _VALUES_AT_ONCE // math.prod(x.shape[1:]))
    for start in range(0, len(rows), step):
        chosen = slice(start, min(start + step, len(rows)))
        yield chosen, x[rows[chosen]]


def _statistics(x: NDArray[Any], rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel over these rows, shaped to broadcast; 1 where it is constant."""
    axes = (0, *range(2, x.ndim))
    shape = (1, x.shape[1], *(1 for _ in x.shape[2:]))
    total, n_values = np.zeros(shape), np.zeros(shape)
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    for _, part in row_chunks(x, rows):
        chunk, known = _known(part)
        total += chunk.sum(axis=axes, keepdims=True, where=known)
        n_values += _n_known(chunk, known, axes)
        low, high = _bounds(low, high, chunk, known, axes)
    n_values = np.maximum(n_values, 1)
    mean = total / n_values
    squares = np.zeros(shape)
    for _, part in row_chunks(x, rows):
        chunk, known = _known(part)
        squares += np.square(chunk - mean).sum(axis=axes, keepdims=True, where=known)
    # Compared exactly: rounding leaves the deviation of a constant channel near 1e-17, and dividing by that explodes.
    return mean, np.where(low >= high, 1.0, np.sqrt(squares / n_values))


def _statistics_of_rows(x: Samples, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As ``_statistics``, but each row is read once: the moments of the chunks are merged (Chan et al. 1979)."""
    if not is_whole(x) and len(rows) > _MOST_DECODED:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST_DECODED).astype(np.int64)]
    axes = (0, *range(2, len(x.shape)))
    shape = (1, x.shape[1], *(1 for _ in x.shape[2:]))
    mean, squares, n_values = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    for _, part in row_chunks(x, rows):
        chunk, known = _known(part)
        n_new = _n_known(chunk, known, axes)
        n_all = np.maximum(n_values + n_new, 1)
        new_mean = chunk.sum(axis=axes, keepdims=True, where=known) / np.maximum(n_new, 1)
        squares += np.square(chunk - new_mean).sum(axis=axes, keepdims=True, where=known)
        squares += np.square(new_mean - mean) * n_values * n_new / n_all
        mean += (new_mean - mean) * n_new / n_all
        n_values += n_new
        low, high = _bounds(low, high, chunk, known, axes)
    return mean, np.where(low >= high, 1.0, np.sqrt(squares / np.maximum(n_values, 1)))


def _known(part: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_] | bool]:
    """These samples in float64, and which of their values are not missing (True when that is all)."""
    chunk = part.astype(np.float64)
    if part.ndim != 2 or part.dtype.kind != "f":
        return chunk, True
    known = ~np.isnan(chunk)
    return chunk, True if known.all() else known


def _n_known(chunk: NDArray[np.float64], known: NDArray[np.bool_] | bool, axes: tuple[int, ...]) -> NDArray[np.float64]:
    if isinstance(known, bool):
        return np.full(1, chunk.size / chunk.shape[1])
    counts: NDArray[np.float64] = known.sum(axis=axes, keepdims=True, dtype=np.float64)
    return counts


def _bounds(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    chunk: NDArray[np.float64],
    known: NDArray[np.bool_] | bool,
    axes: tuple[int, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest known value of each channel so far."""
    least = chunk.min(axis=axes, keepdims=True, where=known, initial=np.inf)
    greatest = chunk.max(axis=axes, keepdims=True, where=known, initial=-np.inf)
    return np.minimum(low, least), np.maximum(high, greatest)
