"""The fixed ends of a network, equal for all orders."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ordersearch.block import Block, build_block
from ordersearch.spec import BlockSpec

LARGEST = {0: 1, 1: 512, 2: 64, 3: 32}
"""Up to which size, by spatial dimensions, samples are taken as they are; larger ones are made smaller on entering."""

STEM = {True: BlockSpec.parse("conv > batch_norm > relu"), False: BlockSpec.parse("linear > batch_norm > relu")}


def fixed_stem(in_channels: int, width: int, dims: int, *, stride: int = 1) -> Block:
    """A weight, norm and activation in front of the first block, so that each order may begin as it likes.

    He et al. 2016 (arXiv:1603.05027, section 4.1) put the first activation behind the stem as well, before the first
    shortcut leaves.

    Args:
        in_channels: Channels (features of a table) of a sample.
        width: Channels that go out.
        dims: Spatial dimensions of a sample, 0 for a table.
        stride: Of the convolution; its window grows with it, so that it sees every value.
    """
    kernel = max(3, 2 * stride - 1) if dims else None
    return build_block(STEM[dims > 0], in_channels, width, dims=dims or 2, stride=stride, kernel=kernel)


def entry_stride(sizes: Sequence[int]) -> int:
    """By how much large samples are made smaller on entering a network: a power of two, 1 for most.

    Every op of a first stage at full size touches all of its values: one training of 6 epochs on 2160 signals of 4000
    steps took 115 s of a CPU core. Published networks for such samples begin with a stride, too (7x7 with a stride of 2
    in ResNets for ImageNet, a window of 80 with a stride of 4 in M5 for audio, Dai et al. 2016, arXiv:1610.00087).

    Example:
        >>> entry_stride((28, 28)), entry_stride((100, 100)), entry_stride((4000,))
        (1, 2, 8)
    """
    return 1 << max(0, math.ceil(math.log2(max(sizes) / LARGEST[len(sizes)])))


def entry(in_channels: int, width: int, sizes: Sequence[int]) -> nn.Module | None:
    """A plain strided convolution in front of the first block for large samples; None for others.

    Args:
        in_channels: Channels of a sample.
        width: Channels that go out.
        sizes: The spatial sizes of a sample.
    """
    stride = entry_stride(sizes)
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(sizes) - 1]
    return None if stride == 1 else conv(in_channels, width, 2 * stride - 1, stride=stride, padding=stride - 1)


def entered_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes that ``entry``, or a stem of that stride, makes of a sample's."""
    stride = entry_stride(sizes)
    return tuple((size - 1) // stride + 1 for size in sizes)


def fixed_tail(channels: int, dims: int) -> nn.Sequential:
    """Norm and activation behind the last block, which an order that ends with its weight needs before the head.

    Args:
        channels: Channels (or features) that come in.
        dims: Spatial dimensions of the maps, 0 for features.
    """
    norm = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dims]
    return nn.Sequential(OrderedDict(batch_norm=norm(channels), relu=nn.ReLU()))


class GlobalMaxPool(nn.Module):
    """The largest value of each map: ``(n, channels, *sizes)`` to ``(n, channels)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Of every map its largest value; equal ones share the gradient."""
        return x.flatten(2).amax(2)


class GlobalAveragePool(nn.Module):
    """The mean of each map: ``(n, channels, *sizes)`` to ``(n, channels)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Of every map its mean."""
        return torch.mean(x.flatten(2), 2)
