"""Residual networks: three stages of residual blocks, and Page's ResNet-9."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import nn

from ordersearch.block import BlockFactory
from ordersearch.networks.ends import GlobalAveragePool, GlobalMaxPool, entry, entry_stride, fixed_stem, fixed_tail
from ordersearch.networks.network import Network

WIDE_RESNET_STEM = 16
WIDE_RESNET_BLOCK = "batch_norm > relu > conv > batch_norm > relu > dropout(p=0.3) > conv > add"
PAGE_BLOCK = "conv > batch_norm > relu > conv > batch_norm > relu > add"


def build_resnet(
    blocks: Mapping[str, BlockFactory],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    width: int = 16,
    depth: int = 1,
) -> nn.Module:
    """The CIFAR-type ResNet: ``(n, channels, *sizes)`` to ``(n, n_outputs)``.

    He et al. 2015 (arXiv:1512.03385, section 4.2); ``6 depth + 2`` layers, so a ResNet-20 has a depth of 3. Stem and
    tail are the same for all orders.

    Args:
        blocks: The factories.
        input_shape: Channels and sizes of a sample.
        n_outputs: What the output layer gives.
        width: Channels of the first stage; the second has twice, the third four times as many.
        depth: Residual blocks a stage. The first of the second and third stage makes the maps smaller.
    """
    widths = [width, 2 * width, 4 * width]
    return _three_stages(blocks["residual"], input_shape, n_outputs, stem=width, widths=widths, depth=depth)


def build_wide_resnet(
    blocks: Mapping[str, BlockFactory],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    width: int = 2,
    depth: int = 1,
) -> nn.Module:
    """The Wide ResNet of ``6 depth + 4`` layers and factor ``width``: ``(n, channels, *sizes)`` to ``(n, n_outputs)``.

    Zagoruyko & Komodakis 2016 (arXiv:1605.07146): WRN-28-10 has a depth of 4 and a width of 10.

    Args:
        blocks: The factories.
        input_shape: Channels and sizes of a sample.
        n_outputs: What the output layer gives.
        width: The widening factor: the stages have 16, 32 and 64 times as many channels, the stem 16.
        depth: Residual blocks a stage. The first of the second and third stage makes the maps smaller.
    """
    widths = [WIDE_RESNET_STEM * width * factor for factor in (1, 2, 4)]
    return _three_stages(blocks["residual"], input_shape, n_outputs, stem=WIDE_RESNET_STEM, widths=widths, depth=depth)


def _three_stages(
    residual: BlockFactory,
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    stem: int,
    widths: Sequence[int],
    depth: int,
) -> nn.Module:
    dims, channels = len(input_shape) - 1, stem
    entering = fixed_stem(input_shape[0], stem, dims, stride=entry_stride(input_shape[1:]))
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=entering)
    for stage, width in enumerate(widths, 1):
        for number in range(1, depth + 1):
            is_smaller = number == 1 and stage > 1
            block = residual.downsampling(channels, width) if is_smaller else residual(channels, width, pool=False)
            layers[f"stage_{stage}_block_{number}"] = block
            channels = width
    layers["tail"] = fixed_tail(channels, dims)
    layers["pool"] = GlobalAveragePool()
    layers["output"] = nn.Linear(channels, n_outputs)
    return nn.Sequential(layers)


def build_resnet9(
    blocks: Mapping[str, BlockFactory],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    width: int = 16,
    stem: bool = False,
) -> nn.Module:
    """Page's ResNet-9: ``(n, channels, *sizes)`` to ``(n, n_outputs)``.

    A conv block without its pool, a conv block, a residual block, two conv blocks, a residual block, the largest value
    of each map, output layer (Page 2018, How to train your ResNet 4; there the width is 64, and the outputs are scaled
    by 0.125, which is part of that training).

    Args:
        blocks: The factories.
        input_shape: Channels and sizes of a sample.
        n_outputs: What the output layer gives.
        width: Channels of the first block; then twice, four and eight times as many.
        stem: Whether the first block is a fixed stem, and a fixed norm and activation stand before the last pool.
    """
    conv, residual, dims = blocks["conv"], blocks["residual"], len(input_shape) - 1
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, stride = input_shape[0], entry_stride(input_shape[1:])
    if stem:
        layers["prep"] = fixed_stem(channels, width, dims, stride=stride)
    else:
        start = entry(channels, width, input_shape[1:])
        if start is not None:
            layers["stem"] = start
        layers["prep"] = conv(channels if start is None else width, width, pool=False)
    layers["conv_1"] = conv.downsampling(width, 2 * width)
    layers["residual_1"] = residual(2 * width, 2 * width, pool=False)
    layers["conv_2"] = conv.downsampling(2 * width, 4 * width)
    layers["conv_3"] = conv.downsampling(4 * width, 8 * width)
    layers["residual_3"] = residual(8 * width, 8 * width, pool=False)
    if stem:
        layers["tail"] = fixed_tail(8 * width, dims)
    layers["pool"] = GlobalMaxPool()
    layers["output"] = nn.Linear(8 * width, n_outputs)
    return nn.Sequential(layers)


RESNET = Network(
    "resnet",
    "fixed stem, three stages of residual blocks, norm and ReLU, mean of each map, output layer",
    ("residual",),
    (1, 2, 3),
    build_resnet,
    options={"width": 16, "depth": 1},
)
WIDE_RESNET = Network(
    "wide_resnet",
    "ResNet whose stages are width times as wide, with dropout inside its pre-activation blocks",
    ("residual",),
    (1, 2, 3),
    build_wide_resnet,
    options={"width": 2, "depth": 1},
    blocks={"residual": WIDE_RESNET_BLOCK},
)
RESNET9 = Network(
    "resnet9",
    "Page's ResNet-9: conv blocks that pool and two residual blocks, largest value of each map, output layer",
    ("conv", "residual"),
    (1, 2, 3),
    build_resnet9,
    options={"width": 16, "stem": False},
    blocks={"residual": PAGE_BLOCK},
)
