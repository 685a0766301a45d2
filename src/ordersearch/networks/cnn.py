"""A plain convolutional network: stages of conv blocks, dense blocks, output layer."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping

from torch import nn

from ordersearch.block import BlockFactory
from ordersearch.networks.registry import Network
from ordersearch.spec import BlockSpec

DENSE_WIDTHS = (64,)
FINAL_SIZE = 4
DEFAULT_CONV = BlockSpec.parse("conv > batch_norm > max_pool > relu")
DEFAULT_DENSE = BlockSpec.parse("linear > relu")


def stage_widths(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The channels of each stage: as many stages as halve the largest size to about 8, at least 2, at most 5.

    Example:
        >>> stage_widths((28, 28)), stage_widths((100, 100))
        ((16, 32), (16, 32, 64, 64))
    """
    n_stages = min(5, max(2, math.ceil(math.log2(max(sizes) / 8)) if max(sizes) > 8 else 2))
    return tuple(16 * 2 ** min(stage, 2) for stage in range(n_stages))


def build_cnn(
    blocks: Mapping[str, BlockFactory],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    widths: tuple[int, ...] | None = None,
    blocks_per_stage: int = 1,
    dense_widths: tuple[int, ...] = DENSE_WIDTHS,
) -> nn.Module:
    """Stages of conv blocks, dense blocks, output layer: ``(n, channels, *sizes)`` to ``(n, n_outputs)``.

    The last block of a stage pools, those before it do not. Before the dense blocks the maps are averaged to at most
    4 values a dimension. A role without a block of its own takes ``conv > batch_norm > max_pool > relu`` or
    ``linear > relu``.
    """
    channels, sizes = input_shape[0], input_shape[1:]
    conv = blocks.get("conv", BlockFactory(DEFAULT_CONV, len(sizes)))
    dense = blocks.get("dense", BlockFactory(DEFAULT_DENSE))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for stage, width in enumerate(widths or stage_widths(sizes), 1):
        for number in range(1, blocks_per_stage + 1):
            block = conv(channels, width, pool=number == blocks_per_stage)
            layers[f"stage_{stage}_block_{number}"] = block
            channels, sizes = width, block.output_sizes(sizes)
    layers["tail"] = _tail(sizes)
    features = channels * math.prod(min(size, FINAL_SIZE) for size in sizes)
    for number, width in enumerate(dense_widths, 1):
        layers[f"dense_{number}"] = dense(features, width)
        features = width
    layers["output"] = nn.Linear(features, n_outputs)
    return nn.Sequential(layers)


def _tail(sizes: tuple[int, ...]) -> nn.Sequential:
    pools = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
    final = tuple(min(size, FINAL_SIZE) for size in sizes)
    return nn.Sequential(*([pools[len(sizes) - 1](final)] if final != sizes else []), nn.Flatten())


CNN = Network(
    "cnn", "stages of conv blocks that pool, a dense block of 64, output layer", ("conv", "dense"), (1, 2, 3), build_cnn
)
