"""Which rows of which arrays make the three parts of one split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arranged import Samples
from ordersearch.data.dataset import Dataset
from ordersearch.data.partition import partition, require_two_of_each


@dataclass(frozen=True, eq=False)
class PartRows:
    """One part of a split: some rows of one pair of a data set's arrays.

    Attributes:
        x: Inputs as the data set holds them, of which only ``rows`` belong to the part.
        y: Their targets.
        rows: Row numbers, ascending.
    """

    x: Samples
    y: NDArray[Any]
    rows: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SplitRows:
    """The parts of one split of a data set, before anything is read.

    Attributes:
        train: What trains.
        validation: What the search's metric is computed on.
        test: What only finalists see.
    """

    train: PartRows
    validation: PartRows
    test: PartRows


def split_rows(
    dataset: Dataset, *, split: int, validation_fraction: float = 0.2, test_fraction: float = 0.2
) -> SplitRows:
    """The rows of a split, drawn as ``split.split_tensors`` says, which takes the same arguments.

    Example:
        >>> from ordersearch.data.sources import load_dataset
        >>> parts = split_rows(load_dataset("digits"), split=0)
        >>> len(parts.train.rows), len(parts.validation.rows), len(parts.test.rows)
        (1151, 287, 359)

    Raises:
        DataError: There are too few samples of a class, or a fraction lies outside of (0, 1).
    """
    if dataset.task == "classification" and dataset.x_val is None:
        counts = np.bincount(dataset.y, minlength=dataset.n_outputs)
        require_two_of_each(counts, dataset.class_names, at=dataset.name)
    parts = partition(
        dataset.strata,
        split=split,
        has_test=dataset.x_test is not None,
        has_validation=dataset.x_val is not None,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
    )
    train, validation = PartRows(dataset.x, dataset.y, parts.train), PartRows(dataset.x, dataset.y, parts.validation)
    if dataset.x_val is not None and dataset.y_val is not None:
        validation = PartRows(dataset.x_val, dataset.y_val, np.arange(len(dataset.x_val)))
    if dataset.x_test is not None and dataset.y_test is not None:
        return SplitRows(train, validation, PartRows(dataset.x_test, dataset.y_test, np.arange(len(dataset.x_test))))
    return SplitRows(
        train, validation, PartRows(dataset.x, dataset.y, np.arange(0) if parts.test is None else parts.test)
    )
