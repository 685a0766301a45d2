"""The tensors that one run trains on, validates on and (finalists only) is tested on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

Task = Literal["classification", "regression", "multilabel"]


@dataclass(frozen=True)
class TensorSplit:
    """One split of a data set, normalised with the statistics of its training part.

    Attributes:
        x_train: Inputs, float32, ``(n, features)``, ``(n, channels, steps)``, ``(n, channels, height, width)`` or
            ``(n, channels, depth, height, width)``.
        y_train: Targets: int64 ``(n,)`` class indices, float32 ``(n, outputs)`` for regression and multi-label.
        x_val: Inputs that the search's metric is computed on.
        y_val: Their targets.
        x_test: Held-out inputs, which only finalists see.
        y_test: Their targets.
        task: What the targets are, and with them which loss is meant.
    """

    x_train: Tensor
    y_train: Tensor
    x_val: Tensor
    y_val: Tensor
    x_test: Tensor
    y_test: Tensor
    task: Task

    def to(
        self, device: torch.device, *, dtype: torch.dtype = torch.float32, channels_last: bool = False
    ) -> TensorSplit:
        """The same split on ``device``, inputs in ``dtype`` and, when asked, 4-D inputs in channels-last layout."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                value = value.to(device)
                if field.name.startswith("x_"):
                    value = value.to(dtype)
                    if channels_last and value.ndim == 4:
                        value = value.contiguous(memory_format=torch.channels_last)
                elif value.is_floating_point():
                    value = value.to(dtype)
            moved[field.name] = value
        return replace(self, **moved)
