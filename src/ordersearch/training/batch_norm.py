"""Batch norm's momentum while a run is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

PYTORCH_DEFAULT = 0.1


@contextmanager
def batch_norm_momentum(model: nn.Module, momentum: float) -> Iterator[None]:
    """Give the batch norms at PyTorch's default momentum another one; afterwards they have the default again.

    At 0.1 the running statistics, which evaluation uses, remember some ten batches: of a small data set that is the
    weights of an epoch ago and, in the first epoch, the initial 0 and 1. A layer whose momentum is not the default
    was set by somebody on purpose and is left alone.

    Args:
        model: The model whose layers are changed in place.
        momentum: Share of the newest batch, in (0, 1].
    """
    norms = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    changed = [layer for layer in norms if layer.momentum == PYTORCH_DEFAULT]
    for layer in changed:
        layer.momentum = momentum
    try:
        yield
    finally:
        for layer in changed:
            layer.momentum = PYTORCH_DEFAULT
