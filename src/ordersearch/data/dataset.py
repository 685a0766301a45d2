"""A data set as arrays: checked, channels first, labels counted from 0."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.partition import partition_sizes

if TYPE_CHECKING:
    from ordersearch.data.tensors import Task

Input = Literal["table", "signal", "image", "volume"]

DIMS: dict[str, int] = {"table": 0, "signal": 1, "image": 2, "volume": 3}
NOUNS: dict[str, str] = {"table": "rows", "signal": "signals", "image": "images", "volume": "volumes"}
_NAMES_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set that is ready to be split: the arrays as the source gives them, before any normalisation.

    Attributes:
        name: Short name for reports and run folders.
        x: Inputs, uint8 or float32, ``(n, features)`` or ``(n, channels, *spatial)``.
        y: Class indices 0..K-1, int64 ``(n,)``.
        x_test: Inputs of the test part that the source defines, laid out as ``x``; None when it defines none.
        y_test: Their class indices.
        input: What one sample is.
        task: What the targets are.
        class_names: The name of each class index, as the source writes it.
        notes: What its user should be told (labels that were renumbered, samples that stand in both parts).
        layout: The rule that chose ``input`` and the place of the channels, in words.

    Example:
        >>> digits = Dataset("tiny", np.zeros((4, 1, 8, 8), np.uint8), np.array([0, 0, 1, 1]), None, None,
        ...                  input="image", task="classification", class_names=("cat", "dog"))
        >>> digits.input_shape, digits.n_outputs, digits.dims
        ((1, 8, 8), 2, 2)
    """

    name: str
    x: NDArray[Any]
    y: NDArray[Any]
    x_test: NDArray[Any] | None
    y_test: NDArray[Any] | None
    input: Input
    task: Task
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    layout: str = ""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample: ``(features,)`` or ``(channels, *spatial)``."""
        return tuple(self.x.shape[1:])

    @property
    def n_outputs(self) -> int:
        """How many outputs a network for this data set has: one per class."""
        return len(self.class_names)

    @property
    def dims(self) -> int:
        """The number of spatial dimensions: 0 for a table, 1 signal, 2 image, 3 volume."""
        return DIMS[self.input]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of a SHA-256 over shapes, dtypes and bytes of all arrays; names and notes do not enter."""
        digest = hashlib.sha256()
        for array in (self.x, self.y, self.x_test, self.y_test):
            if array is None:
                digest.update(b"none;")
            else:
                digest.update(f"{array.dtype.str}{array.shape};".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def describe(self, *, validation_fraction: float = 0.2, test_fraction: float = 0.2) -> list[str]:
        """Four or five plain lines: samples, shape and the rule that chose it, classes, balance, the split.

        Args:
            validation_fraction: As ``split_tensors`` will be given it.
            test_fraction: As ``split_tensors`` will be given it.
        """
        counts = np.bincount(self.y, minlength=self.n_outputs)
        least, most = int(counts.argmin()), int(counts.argmax())
        spread = str(counts[most]) if counts[least] == counts[most] else f"{counts[least]} to {counts[most]}"
        shown = ", ".join(self.class_names[:_NAMES_SHOWN]) + (", ..." if self.n_outputs > _NAMES_SHOWN else "")
        test = "no test part" if self.x_test is None else f"a test part of {len(self.x_test)}"
        return [
            f"{self.name}: {len(self.x)} {NOUNS[self.input]} and {test}, {self._sample_text()}, {self.x.dtype}.",
            *([f"Read as {NOUNS[self.input]}: {self.layout}."] if self.layout else []),
            f"{self.n_outputs} classes: {shown}.",
            f"Balance: {spread} samples of each class; always answering {self.class_names[most]!r} would be right for "
            f"{counts[most] / len(self.y):.1%}.",
            self._split_text(counts, validation_fraction, test_fraction),
        ]

    def _sample_text(self) -> str:
        first, *spatial = self.input_shape
        if self.input == "table":
            return f"{first} feature{'s' * (first != 1)} each"
        size = f"{spatial[0]} steps" if self.input == "signal" else "x".join(map(str, spatial))
        return f"{first} channel{'s' * (first != 1)} of {size} each"

    def _split_text(self, counts: NDArray[Any], validation_fraction: float, test_fraction: float) -> str:
        own_test = self.x_test is not None
        train, validation, test = partition_sizes(
            counts, has_test=own_test, validation_fraction=validation_fraction, test_fraction=test_fraction
        )
        if self.x_test is not None:
            tested = f"the source's own {len(self.x_test)} for the test"
        else:
            tested = f"{test} for the test, the same for every split"
        return (
            f"Split: {train} to train and {validation} to validate, stratified, drawn anew for every split; {tested}."
        )
