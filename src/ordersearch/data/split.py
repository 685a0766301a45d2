"""One split of a data set as tensors, normalised with what its training part shows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ordersearch.data.dataset import Dataset
from ordersearch.data.partition import partition, require_two_of_each
from ordersearch.data.tensors import TensorSplit

_VALUES_AT_ONCE = 2**20


def split_tensors(
    dataset: Dataset, *, split: int, validation_fraction: float = 0.2, test_fraction: float = 0.2
) -> TensorSplit:
    """Split number ``split`` of a data set: a function of its arguments alone, on every machine.

    The test part is the source's own, or, where it has none, a stratified share that is the same for every split.
    Validation is drawn from the rest, stratified, by ``split``. Each channel (each feature of a table) of all three
    parts is shifted and scaled so that the training part has mean 0 and standard deviation 1; a channel that is
    constant there is only shifted.

    Args:
        dataset: What to split.
        split: Which split; any whole number.
        validation_fraction: Share of each class that validates, of what the test leaves; in (0, 1).
        test_fraction: Share of each class that is held out when the source has no test part; in (0, 1).

    Example:
        >>> from ordersearch.data.sources import load_dataset
        >>> digits = split_tensors(load_dataset("digits"), split=0)
        >>> len(digits.y_train), len(digits.y_val), len(digits.y_test)
        (1151, 287, 359)

    Raises:
        DataError: There are too few samples of a class, or a fraction lies outside of (0, 1).
    """
    counts = np.bincount(dataset.y, minlength=dataset.n_outputs)
    require_two_of_each(counts, dataset.class_names, at=dataset.name)
    parts = partition(
        dataset.y,
        split=split,
        has_test=dataset.x_test is not None,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
    )
    x_test, y_test, test = dataset.x_test, dataset.y_test, parts.test
    if x_test is None or y_test is None:
        x_test, y_test = dataset.x, dataset.y
    if test is None:
        test = np.arange(len(x_test))
    mean, deviation = _statistics(dataset.x, parts.train)
    return TensorSplit(
        x_train=_normalised(dataset.x, parts.train, mean, deviation),
        y_train=torch.from_numpy(dataset.y[parts.train]),
        x_val=_normalised(dataset.x, parts.validation, mean, deviation),
        y_val=torch.from_numpy(dataset.y[parts.validation]),
        x_test=_normalised(x_test, test, mean, deviation),
        y_test=torch.from_numpy(y_test[test]),
        task=dataset.task,
    )


def _chunks(x: NDArray[Any], rows: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """These rows of ``x`` in float64, about a million values at a time, so that no second copy of the set exists."""
    step = max(1, _VALUES_AT_ONCE // math.prod(x.shape[1:]))
    for start in range(0, len(rows), step):
        chosen = slice(start, min(start + step, len(rows)))
        yield chosen, x[rows[chosen]].astype(np.float64)


def _statistics(x: NDArray[Any], rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel over these rows, shaped to broadcast; 1 where it is constant."""
    axes = (0, *range(2, x.ndim))
    n_values = len(rows) * math.prod(x.shape[2:])
    shape = (1, x.shape[1], *(1 for _ in x.shape[2:]))
    total, low, high = np.zeros(shape), np.full(shape, np.inf), np.full(shape, -np.inf)
    for _, chunk in _chunks(x, rows):
        total += chunk.sum(axis=axes, keepdims=True)
        low = np.minimum(low, chunk.min(axis=axes, keepdims=True))
        high = np.maximum(high, chunk.max(axis=axes, keepdims=True))
    mean = total / n_values
    squares = np.zeros(shape)
    for _, chunk in _chunks(x, rows):
        squares += np.square(chunk - mean).sum(axis=axes, keepdims=True)
    # Compared exactly: rounding leaves the deviation of a constant channel near 1e-17, and dividing by that explodes.
    return mean, np.where(low == high, 1.0, np.sqrt(squares / n_values))


def _normalised(
    x: NDArray[Any], rows: NDArray[np.int64], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> Tensor:
    out = np.empty((len(rows), *x.shape[1:]), dtype=np.float32)
    for chosen, chunk in _chunks(x, rows):
        np.divide(chunk - mean, deviation, out=out[chosen], casting="same_kind")
    return torch.from_numpy(out)
