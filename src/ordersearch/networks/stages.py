"""Plain stacks: stages of conv blocks, dense blocks, output layer."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from torch import nn

from ordersearch.block import BlockFactory
from ordersearch.networks.ends import entered_sizes, entry, entry_stride, fixed_stem, fixed_tail


def build_stages(
    blocks: Mapping[str, BlockFactory],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    stages: Sequence[Sequence[int]],
    dense: Sequence[int],
    stem: bool,
    final_sizes: Callable[[tuple[int, ...]], tuple[int, ...]] = tuple,
) -> nn.Module:
    """Stages of conv blocks, dense blocks, output layer: ``(n, channels, *sizes)`` to ``(n, n_outputs)``.

    Args:
        blocks: Of the roles ``conv``, ``stage_end`` and, where there are dense blocks, ``dense``.
        input_shape: Channels and sizes of a sample.
        n_outputs: What the output layer gives.
        stages: The channels of the blocks of each stage; the last block of a stage makes the maps smaller.
        dense: The features of each dense block.
        stem: Whether a fixed stem comes before the blocks, and a fixed norm and activation behind those on maps and
            behind those on features. Large samples are made smaller first, by that stem or by a plain convolution.
        final_sizes: What the maps are averaged to before the dense blocks; as they come, when left out.

    Raises:
        ShapeError: A block does not fit what reaches it.
    """
    channels, sizes = input_shape[0], input_shape[1:]
    dims = len(sizes)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    start = (
        fixed_stem(channels, stages[0][0], dims, stride=entry_stride(sizes))
        if stem
        else entry(channels, stages[0][0], sizes)
    )
    if start is not None:
        layers["stem"] = start
        channels, sizes = stages[0][0], entered_sizes(sizes)
    for stage, widths in enumerate(stages, 1):
        for number, width in enumerate(widths, 1):
            is_end = number == len(widths)
            block = (
                blocks["stage_end"].downsampling(channels, width)
                if is_end
                else blocks["conv"](channels, width, pool=False)
            )
            layers[f"stage_{stage}_block_{number}"] = block
            channels, sizes = width, block.output_sizes(sizes)
    if stem:
        layers["conv_tail"] = fixed_tail(channels, dims)
    layers["tail"] = _flattening(sizes, final_sizes(sizes))
    layers.update(dense_layers(blocks, channels * math.prod(final_sizes(sizes)), n_outputs, widths=dense, tail=stem))
    return nn.Sequential(layers)


def dense_layers(
    blocks: Mapping[str, BlockFactory], features: int, n_outputs: int, *, widths: Sequence[int], tail: bool
) -> dict[str, nn.Module]:
    """Dense blocks and the output layer by name, with a fixed norm and activation between them if ``tail``."""
    layers: dict[str, nn.Module] = {}
    for number, width in enumerate(widths, 1):
        layers[f"dense_{number}"] = blocks["dense"](features, width)
        features = width
    if tail and widths:
        layers["dense_tail"] = fixed_tail(features, 0)
    layers["output"] = nn.Linear(features, n_outputs)
    return layers


def _flattening(sizes: tuple[int, ...], final: tuple[int, ...]) -> nn.Sequential:
    pools = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
    return nn.Sequential(*([pools[len(sizes) - 1](final)] if final != sizes else []), nn.Flatten())
