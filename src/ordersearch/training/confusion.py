"""What a classifier takes each class for, noted while it is scored, so that no sample passes through it twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Counts = list[list[int]]
"""Samples of each class (row) by what they were taken for (column)."""


@contextmanager
def noted_predictions(model: nn.Module) -> Iterator[list[Tensor]]:
    """Note the class that a classifier predicts for each sample that passes through it inside, batch by batch."""
    noted: list[Tensor] = []

    def note(_model: nn.Module, _inputs: Any, output: Tensor) -> None:
        noted.append(output.argmax(-1))

    handle = model.register_forward_hook(note)
    try:
        yield noted
    finally:
        handle.remove()


def confusion_counts(predicted: Tensor, targets: Tensor, n_classes: int) -> Counts:
    """The counts of a confusion matrix.

    Example:
        >>> confusion_counts(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2)
        [[1, 1], [0, 1]]
    """
    pairs = targets.cpu().long() * n_classes + predicted.cpu().long()
    found: Counts = torch.bincount(pairs, minlength=n_classes**2).view(n_classes, n_classes).tolist()
    return found


def summed(matrices: list[Counts]) -> Counts:
    """The sum of matrices of one size; empty of none.

    Example:
        >>> summed([[[1, 0], [0, 1]], [[0, 2], [0, 3]]])
        [[1, 2], [0, 4]]
    """
    return [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]
