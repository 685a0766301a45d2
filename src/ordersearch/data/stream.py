"""A split whose inputs stay where they are, and are read and normalised batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ordersearch.data.arranged import Samples
from ordersearch.data.batch_reader import BatchReader, Request, suited_workers
from ordersearch.data.dataset import Dataset
from ordersearch.data.normaliser import Normaliser, normaliser
from ordersearch.data.parts import PartRows, SplitRows, split_rows
from ordersearch.data.tensors import Batches, Task, place_inputs, place_targets, rows_on

_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class StreamSplit:
    """One split of a data set that is not held in memory: a ``Split`` with the same batches as a ``TensorSplit``.

    Attributes:
        parts: Where the inputs of each part are.
        normaliser: How they are scaled.
        y_train: Targets to train on, which are held in memory: int64 ``(n,)`` class indices, float32 ``(n, outputs)``
            for regression and multi-label.
        y_val: Those of the validation part.
        y_test: Those of the test part, which only finalists see.
        task: What the targets are.
        device: Where batches go.
        dtype: What inputs, and targets that are floats, come in.
        channels_last: Whether 4-D inputs come in that layout.
        n_workers: Processes that read; None takes up to 4 for what has to be decoded, and none for arrays.
    """

    parts: SplitRows
    normaliser: Normaliser
    y_train: Tensor
    y_val: Tensor
    y_test: Tensor
    task: Task
    device: torch.device = _CPU
    dtype: torch.dtype = torch.float32
    channels_last: bool = False
    n_workers: int | None = None
    _reader: BatchReader | None = None

    @property
    def n_train(self) -> int:
        """Samples to train on."""
        return len(self.parts.train.rows)

    @property
    def n_val(self) -> int:
        """Samples to validate on."""
        return len(self.parts.validation.rows)

    @property
    def n_test(self) -> int:
        """Samples that only finalists see."""
        return len(self.parts.test.rows)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """``(features,)`` or ``(channels, *spatial)``."""
        return tuple(self.parts.train.x.shape[1:])

    def to(
        self, device: torch.device, *, dtype: torch.dtype = torch.float32, channels_last: bool = False
    ) -> StreamSplit:
        """The same split for ``device``, in ``dtype`` and, when asked, with 4-D inputs in channels-last layout."""
        return replace(
            self,
            y_train=place_targets(self.y_train, device, dtype=dtype),
            y_val=place_targets(self.y_val, device, dtype=dtype),
            y_test=place_targets(self.y_test, device, dtype=dtype),
            device=device,
            dtype=dtype,
            channels_last=channels_last,
        )

    def first(self, n_train: int, n_val: int) -> StreamSplit:
        """The same split with at most so many samples to train and to validate on, the first ones."""
        train, validation = self.parts.train, self.parts.validation
        parts = replace(
            self.parts,
            train=replace(train, rows=train.rows[:n_train]),
            validation=replace(validation, rows=validation.rows[:n_val]),
        )
        return replace(self, parts=parts, y_train=self.y_train[:n_train], y_val=self.y_val[:n_val])

    @contextmanager
    def opened(self) -> Iterator[StreamSplit]:
        """The same split with its workers, which start with the first batch and end with this context."""
        if self._reader is not None:
            yield self
            return
        parts = {"train": self.parts.train, "val": self.parts.validation, "test": self.parts.test}
        sources = {name: (part.x, part.rows) for name, part in parts.items()}
        decodes = any(not isinstance(x, np.ndarray) and x.decodes for x, _ in sources.values())
        reader = BatchReader(
            partial(_read, sources, self.normaliser),
            n_workers=suited_workers(decodes=decodes) if self.n_workers is None else self.n_workers,
            pin=self.device.type == "cuda",
        )
        try:
            yield replace(self, _reader=reader)
        finally:
            reader.close()

    def train_batches(self, rows: Sequence[Tensor]) -> Batches:
        """The training samples of these rows, one batch for each tensor of row numbers."""
        requests = [("train", chosen.numpy()) for chosen in rows]
        return self._batches(requests, (self.y_train[chosen] for chosen in rows_on(self.device, rows)))

    def validation_batches(self, size: int) -> Batches:
        """The validation part in its own order, ``size`` samples at a time."""
        return self._batches(_in_order("val", self.n_val, size), torch.split(self.y_val, size))

    def test_batches(self, size: int) -> Batches:
        """The test part in its own order, ``size`` samples at a time."""
        return self._batches(_in_order("test", self.n_test, size), torch.split(self.y_test, size))

    def _batches(self, requests: Sequence[Request], targets: Iterable[Tensor]) -> Batches:
        with self.opened() as opened:
            assert opened._reader is not None
            for x, y in zip(opened._reader.batches(requests), targets, strict=True):
                yield place_inputs(x, self.device, dtype=self.dtype, channels_last=self.channels_last), y


def split_stream(
    dataset: Dataset, *, split: int, validation_fraction: float = 0.2, test_fraction: float = 0.2
) -> StreamSplit:
    """Split number ``split`` of a data set as ``split_tensors`` draws it, of which only the targets are read.

    Args:
        dataset: What to split.
        split: Which split; any whole number.
        validation_fraction: As for ``split_tensors``.
        test_fraction: As for ``split_tensors``.

    Example:
        >>> from ordersearch.data.sources import load_dataset
        >>> digits = split_stream(load_dataset("digits"), split=0)
        >>> [tuple(x.shape) for x, y in digits.validation_batches(200)]
        [(200, 1, 8, 8), (87, 1, 8, 8)]

    Raises:
        DataError: There are too few samples of a class, or a fraction lies outside of (0, 1).
    """
    parts = split_rows(dataset, split=split, validation_fraction=validation_fraction, test_fraction=test_fraction)
    scale = normaliser(dataset, parts.train.rows)
    y_train, y_val, y_test = (_targets(part, scale) for part in (parts.train, parts.validation, parts.test))
    return StreamSplit(parts, scale, y_train, y_val, y_test, dataset.task)


def _targets(part: PartRows, scale: Normaliser) -> Tensor:
    return torch.from_numpy(scale.targets(part.y[part.rows]))


def _in_order(part: str, n: int, size: int) -> list[Request]:
    return [(part, np.arange(start, min(start + size, n))) for start in range(0, n, size)]


def _read(
    sources: dict[str, tuple[Samples, NDArray[np.int64]]], scale: Normaliser, request: Request
) -> NDArray[np.float32]:
    part, chosen = request
    x, rows = sources[part]
    return scale.inputs(x[rows[chosen]])
