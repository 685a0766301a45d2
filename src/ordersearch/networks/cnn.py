"""A plain convolutional network whose stages follow from the size of the samples."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from ordersearch.block import BlockFactory
from ordersearch.networks.ends import entered_sizes
from ordersearch.networks.network import Network
from ordersearch.networks.stages import build_stages

FINAL_SIZE = 4


def stage_widths(sizes: tuple[int, ...], width: int = 16) -> tuple[int, ...]:
    """The channels of each stage: as many stages as halve the largest size to about 8, at least 2, at most 5.

    Example:
        >>> stage_widths((28, 28)), stage_widths((100, 100))
        ((16, 32), (16, 32, 64, 64))
    """
    n_stages = min(5, max(2, math.ceil(math.log2(max(sizes) / 8)) if max(sizes) > 8 else 2))
    return tuple(width * 2 ** min(stage, 2) for stage in range(n_stages))


def build_cnn(
    blocks: Mapping[str, BlockFactory],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    width: int = 16,
    depth: int = 1,
    stem: bool = False,
) -> nn.Module:
    """Stages of conv blocks, a dense block, output layer: ``(n, channels, *sizes)`` to ``(n, n_outputs)``.

    The last block of a stage makes the maps smaller, those before it do not. Before the dense block the maps are
    averaged to at most 4 values a dimension. Samples with a side of more than 512 steps, 64 pixels or 32 voxels are
    made smaller by a fixed strided convolution first.

    Args:
        blocks: The factories.
        input_shape: Channels and sizes of a sample.
        n_outputs: What the output layer gives.
        width: Channels of the first stage; the second has twice, the others four times as many, as the dense block has
            features.
        depth: Conv blocks a stage.
        stem: Whether the network has a fixed stem and tail.
    """
    return build_stages(
        blocks,
        input_shape,
        n_outputs,
        stages=[[channels] * depth for channels in stage_widths(entered_sizes(input_shape[1:]), width)],
        dense=[4 * width],
        stem=stem,
        final_sizes=_at_most_four,
    )


def _at_most_four(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(min(size, FINAL_SIZE) for size in sizes)


CNN = Network(
    "cnn",
    "stages of conv blocks that pool, a dense block, output layer",
    ("conv", "stage_end", "dense"),
    (1, 2, 3),
    build_cnn,
    options={"width": 16, "depth": 1, "stem": False},
)
