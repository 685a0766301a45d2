"""The splits of several replicas, read side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ordersearch.data.tensors import Batches, Split, Task


@dataclass(frozen=True, eq=False)
class PackedSplit:
    """One split for each replica, all of the same sizes; the same one may stand for several.

    Attributes:
        splits: The splits, opened and on one device.
        channels_last: Whether 4-D inputs come in that layout.
    """

    splits: Sequence[Split]
    channels_last: bool

    @property
    def task(self) -> Task:
        """What the targets are."""
        return self.splits[0].task

    @property
    def y_val(self) -> Tensor:
        """The targets of the validation parts, ``(n_val, n_replicas)`` or ``(n_val, n_replicas, outputs)``."""
        return torch.stack([split.y_val for split in self.splits], 1)

    @property
    def y_test(self) -> Tensor:
        """The targets of the test parts."""
        return torch.stack([split.y_test for split in self.splits], 1)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """That of one replica's sample."""
        return self.splits[0].sample_shape

    @property
    def device(self) -> torch.device:
        """Where the batches are."""
        return self.splits[0].device

    @property
    def dtype(self) -> torch.dtype:
        """What the inputs are in."""
        return self.splits[0].dtype

    def validation_batches(self, size: int) -> Batches:
        """The validation parts, ``size`` samples of each at a time."""
        return self.side_by_side([split.validation_batches(size) for split in self.splits])

    def test_batches(self, size: int) -> Batches:
        """The test parts, ``size`` samples of each at a time."""
        return self.side_by_side([split.test_batches(size) for split in self.splits])

    def side_by_side(self, batches: Iterable[Batches]) -> Batches:
        """The replicas' batches as one: inputs ``(batch, n * channels, ...)``, targets ``(batch, n)`` with n replicas.

        Args:
            batches: Those of each replica; the batches of a place have one size.
        """
        for parts in zip(*batches, strict=True):
            x = torch.cat([x for x, _ in parts], 1)
            if self.channels_last and x.ndim == 4:
                x = x.contiguous(memory_format=torch.channels_last)
            yield x, torch.stack([y for _, y in parts], 1)
