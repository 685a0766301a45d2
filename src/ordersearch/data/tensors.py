"""The samples that one run trains on, validates on and (finalists only) is tested on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from typing import Literal, Protocol, Self

import torch
from torch import Tensor

Task = Literal["classification", "regression", "multilabel"]
Batches = Iterator[tuple[Tensor, Tensor]]


class Scored(Protocol):
    """What a model is scored on: the validation and the test part, wherever they are kept.

    Inputs and targets come on ``device`` and, where they are floats, in ``dtype``.

    Attributes:
        task: What the targets are, and with them which loss is meant.
        y_val: The targets of the validation part, all of them, on the device.
        y_test: The targets of the test part.
        sample_shape: ``(features,)`` or ``(channels, *spatial)``.
        device: Where the batches are.
        dtype: What the inputs are in.
    """

    @property
    def task(self) -> Task: ...  # noqa: D102
    @property
    def y_val(self) -> Tensor: ...  # noqa: D102
    @property
    def y_test(self) -> Tensor: ...  # noqa: D102
    @property
    def sample_shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def device(self) -> torch.device: ...  # noqa: D102
    @property
    def dtype(self) -> torch.dtype: ...  # noqa: D102

    def validation_batches(self, size: int) -> Batches:
        """The validation part in its own order, ``size`` samples at a time."""

    def test_batches(self, size: int) -> Batches:
        """The test part in its own order, ``size`` samples at a time."""


class Split(Scored, Protocol):
    """What a training asks of its samples: whole on the device, or read batch by batch.

    The same split gives the same batches to the last bit, whichever kind it is.

    Attributes:
        n_train: Samples to train on.
        n_val: Samples to validate on.
        n_test: Samples that only finalists see.
    """

    @property
    def n_train(self) -> int: ...  # noqa: D102
    @property
    def n_val(self) -> int: ...  # noqa: D102
    @property
    def n_test(self) -> int: ...  # noqa: D102

    def to(self, device: torch.device, *, dtype: torch.dtype = ..., channels_last: bool = ...) -> Self:
        """The same split for ``device``, in ``dtype`` and, when asked, with 4-D inputs in channels-last layout."""

    def first(self, n_train: int, n_val: int) -> Self:
        """The same split with at most so many samples to train and to validate on, the first ones."""

    def opened(self) -> AbstractContextManager[Self]:
        """The same split, ready to be read many times; what that takes is given back at the end."""

    def train_batches(self, rows: Sequence[Tensor]) -> Batches:
        """The training samples of these rows, one batch for each tensor of row numbers (int64, on the CPU)."""


@dataclass(frozen=True)
class TensorSplit:
    """One split of a data set, normalised with the statistics of its training part: a ``Split`` in memory.

    Attributes:
        x_train: Inputs, float32, ``(n, features)``, ``(n, channels, steps)``, ``(n, channels, height, width)`` or
            ``(n, channels, depth, height, width)``.
        y_train: Targets: int64 ``(n,)`` class indices, float32 ``(n, outputs)`` for regression and multi-label.
        x_val: Inputs that the search's metric is computed on.
        y_val: Their targets.
        x_test: Held-out inputs, which only finalists see.
        y_test: Their targets.
        task: What the targets are, and with them which loss is meant.

    Example:
        >>> x, y = torch.zeros(6, 4), torch.arange(6) % 2
        >>> split = TensorSplit(x, y, x, y, x, y, "classification")
        >>> [targets.tolist() for _, targets in split.train_batches([torch.tensor([5, 0]), torch.tensor([2])])]
        [[1, 0], [0]]
    """

    x_train: Tensor
    y_train: Tensor
    x_val: Tensor
    y_val: Tensor
    x_test: Tensor
    y_test: Tensor
    task: Task

    @property
    def n_train(self) -> int:
        """Samples to train on."""
        return len(self.x_train)

    @property
    def n_val(self) -> int:
        """Samples to validate on."""
        return len(self.x_val)

    @property
    def n_test(self) -> int:
        """Samples that only finalists see."""
        return len(self.x_test)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """``(features,)`` or ``(channels, *spatial)``."""
        return tuple(self.x_train.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where the training part is."""
        return self.x_train.device

    @property
    def dtype(self) -> torch.dtype:
        """What the inputs are in."""
        return self.x_train.dtype

    def to(
        self, device: torch.device, *, dtype: torch.dtype = torch.float32, channels_last: bool = False
    ) -> TensorSplit:
        """The same split on ``device``, inputs in ``dtype`` and, when asked, 4-D inputs in channels-last layout."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.startswith("x_"):
                value = place_inputs(value, device, dtype=dtype, channels_last=channels_last)
            elif field.name.startswith("y_"):
                value = place_targets(value, device, dtype=dtype)
            moved[field.name] = value
        return replace(self, **moved)

    def first(self, n_train: int, n_val: int) -> TensorSplit:
        """The same split with at most so many samples to train and to validate on, the first ones."""
        return replace(
            self,
            x_train=self.x_train[:n_train],
            y_train=self.y_train[:n_train],
            x_val=self.x_val[:n_val],
            y_val=self.y_val[:n_val],
        )

    def opened(self) -> AbstractContextManager[TensorSplit]:
        """Itself: there is nothing to open."""
        return nullcontext(self)

    def train_batches(self, rows: Sequence[Tensor]) -> Batches:
        """The training samples of these rows, one batch for each tensor of row numbers."""
        for chosen in rows_on(self.device, rows):
            yield self.x_train[chosen], self.y_train[chosen]

    def validation_batches(self, size: int) -> Batches:
        """The validation part in its own order, ``size`` samples at a time."""
        return zip(torch.split(self.x_val, size), torch.split(self.y_val, size), strict=True)

    def test_batches(self, size: int) -> Batches:
        """The test part in its own order, ``size`` samples at a time."""
        return zip(torch.split(self.x_test, size), torch.split(self.y_test, size), strict=True)


def place_inputs(x: Tensor, device: torch.device, *, dtype: torch.dtype, channels_last: bool) -> Tensor:
    """Inputs on ``device`` in ``dtype``; where ``channels_last``, 4-D ones in that layout."""
    # From page-locked memory a GPU fetches it while this process goes on; from other memory it is as without.
    x = x.to(device, non_blocking=device.type == "cuda").to(dtype)
    return x.contiguous(memory_format=torch.channels_last) if channels_last and x.ndim == 4 else x


def place_targets(y: Tensor, device: torch.device, *, dtype: torch.dtype) -> Tensor:
    """Targets on ``device``; those that are floats in ``dtype``."""
    y = y.to(device)
    return y.to(dtype) if y.is_floating_point() else y


def rows_on(device: torch.device, rows: Sequence[Tensor]) -> Sequence[Tensor]:
    """These row numbers on ``device``, moved in one piece."""
    if device.type == "cpu" or not rows:
        return rows
    return torch.split(torch.cat(list(rows)).to(device), [len(chosen) for chosen in rows])
