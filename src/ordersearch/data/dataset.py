"""A data set as arrays: checked, channels first, classes counted from 0."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.description import description
from ordersearch.data.partition import partition_sizes, strata

if TYPE_CHECKING:
    from ordersearch.data.arranged import Samples
    from ordersearch.data.tensors import Task

Input = Literal["table", "signal", "image", "volume"]

DIMS: dict[str, int] = {"table": 0, "signal": 1, "image": 2, "volume": 3}
NOUNS: dict[str, str] = {"table": "rows", "signal": "signals", "image": "images", "volume": "volumes"}


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set that is ready to be split: the arrays as the source gives them, before any normalisation.

    Attributes:
        name: Short name for reports and run folders.
        x: Inputs, uint8 or float32, ``(n, features)`` or ``(n, channels, *spatial)``; an array, or ``rows.Rows`` that
            are read where they are needed. In a table NaN is a missing number.
        y: Class indices 0..K-1, int64 ``(n,)``; float32 ``(n, outputs)`` for regression and multi-label (0 or 1).
        x_test: Inputs of the test part that the source defines, laid out as ``x``; None when it defines none.
        y_test: Their targets.
        input: What one sample is.
        task: What the targets are.
        class_names: The name of each class index, as the source writes it; empty when the targets are no classes.
        notes: What its user should be told (labels that were renumbered, samples that stand in both parts).
        layout: The rule that chose ``input`` and the place of the channels, in words.
        x_val: Inputs of the validation part that the source defines; None when validation is drawn from ``x``.
        y_val: Their targets.
        target_names: The name of each output of regression and multi-label targets.
        feature_names: The name of each feature of a table, when the source names them.
        task_rule: The rule that chose ``task``, in words; empty where nothing else could be meant.

    Example:
        >>> digits = Dataset("tiny", np.zeros((4, 1, 8, 8), np.uint8), np.array([0, 0, 1, 1]), None, None,
        ...                  input="image", task="classification", class_names=("cat", "dog"))
        >>> digits.input_shape, digits.n_outputs, digits.dims
        ((1, 8, 8), 2, 2)
    """

    name: str
    # Nearly every caller holds an array; Any stands for Rows, which callers would have to rule out everywhere.
    x: NDArray[Any] | Any
    y: NDArray[Any]
    x_test: NDArray[Any] | Any | None
    y_test: NDArray[Any] | None
    input: Input
    task: Task
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    layout: str = ""
    x_val: NDArray[Any] | Any | None = None
    y_val: NDArray[Any] | None = None
    target_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    task_rule: str = ""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample: ``(features,)`` or ``(channels, *spatial)``."""
        return tuple(self.x.shape[1:])

    @property
    def n_outputs(self) -> int:
        """How many outputs a network for this data set has: one per class, number to predict or label."""
        return len(self.class_names) if self.task == "classification" else int(self.y.shape[1])

    @property
    def dims(self) -> int:
        """The number of spatial dimensions: 0 for a table, 1 signal, 2 image, 3 volume."""
        return DIMS[self.input]

    @property
    def has_own_validation(self) -> bool:
        """Whether the source defines the validation part, so that every split has the same one."""
        return self.x_val is not None

    @property
    def noun(self) -> str:
        """What its samples are called: rows, signals, images or volumes."""
        return NOUNS[self.input]

    @cached_property
    def strata(self) -> NDArray[np.int64]:
        """The stratum of each sample of ``y``, of which every part of a split gets its share; see ``partition``."""
        return strata(self.y, self.task)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of a SHA-256 over shapes, dtypes and bytes of all arrays; names and notes do not enter.

        Of inputs that are read where they are needed, their own fingerprint enters instead of their bytes.
        """
        digest = hashlib.sha256()
        arrays = [self.x, self.y, self.x_test, self.y_test]
        # Added only where there are any, so that a study of plain classes from before still knows its data.
        if self.x_val is not None:
            arrays += [self.x_val, self.y_val]
        for piece in (piece for array in arrays for piece in _bytes_of(array)):
            digest.update(piece)
        if self.task != "classification":
            digest.update(self.task.encode())
        return digest.hexdigest()[:16]

    def sizes(self, *, validation_fraction: float = 0.2, test_fraction: float = 0.2) -> tuple[int, int, int]:
        """How many samples train, validate and are tested in every split.

        Args:
            validation_fraction: As ``split_tensors`` will be given it.
            test_fraction: As ``split_tensors`` will be given it.

        Raises:
            DataError: A fraction lies outside of (0, 1).
        """
        train, validation, test = partition_sizes(
            np.bincount(self.strata),
            has_test=self.x_test is not None,
            has_validation=self.x_val is not None,
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
        )
        own_validation = validation if self.x_val is None else len(self.x_val)
        return train, own_validation, test if self.x_test is None else len(self.x_test)

    def n_train(self, validation_fraction: float = 0.2, test_fraction: float = 0.2) -> int:
        """How many samples train in every split.

        Args:
            validation_fraction: As ``split_tensors`` will be given it.
            test_fraction: As ``split_tensors`` will be given it.
        """
        return self.sizes(validation_fraction=validation_fraction, test_fraction=test_fraction)[0]

    def describe(self, *, validation_fraction: float = 0.2, test_fraction: float = 0.2) -> list[str]:
        """A few plain lines: samples, shape and the rule that chose it, targets and how they spread, the split.

        Args:
            validation_fraction: As ``split_tensors`` will be given it.
            test_fraction: As ``split_tensors`` will be given it.
        """
        return description(self, validation_fraction=validation_fraction, test_fraction=test_fraction)


def _bytes_of(array: Samples | None) -> Iterator[bytes | memoryview]:
    if array is None:
        yield b"none;"
        return
    yield f"{array.dtype.str}{array.shape};".encode()
    if isinstance(array, np.ndarray):
        yield np.ascontiguousarray(array).data
    else:
        yield array.fingerprint.encode()
