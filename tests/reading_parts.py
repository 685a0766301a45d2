"""What the tests of reading share: small batches, a convolution, a module with a given forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

SIZES = {0: (), 1: (8,), 2: (8, 8), 3: (6, 6, 6)}
IN, OUT = 4, 8


def batch(dims: int, channels: int = IN) -> Tensor:
    return torch.randn((3, channels, *SIZES[dims]), generator=torch.Generator().manual_seed(0))


def conv(in_channels: int = IN, out_channels: int = OUT, **arguments: Any) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, **{"kernel_size": 3, "padding": 1, **arguments})


def conv4(in_channels: int = 4, out_channels: int = 4, **arguments: Any) -> nn.Conv2d:
    return conv(in_channels, out_channels, **arguments)


class Written(nn.Module):
    """A module with these layers and this forward."""

    def __init__(self, run: Callable[[Any, Tensor], Any], **layers: Any) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


class Net(Written):
    """A module with this forward, a convolution that keeps its channels, and further layers."""

    def __init__(self, run: Callable[[Any, Tensor], Any], **layers: Any) -> None:
        super().__init__(run, conv=conv4(), **layers)
