"""A multi-layer perceptron of dense blocks."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping

from torch import nn

from ordersearch.block import BlockFactory
from ordersearch.networks.registry import Network

WIDTHS = (128, 64)


def build_mlp(
    blocks: Mapping[str, BlockFactory],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    widths: tuple[int, ...] = WIDTHS,
) -> nn.Module:
    """Flattened input, one dense block a width, output layer: ``(n, *input_shape)`` to ``(n, n_outputs)``."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    features = math.prod(input_shape)
    for number, width in enumerate(widths, 1):
        layers[f"dense_{number}"] = blocks["dense"](features, width)
        features = width
    layers["output"] = nn.Linear(features, n_outputs)
    return nn.Sequential(layers)


MLP = Network("mlp", "dense blocks of 128 and 64 features, output layer", ("dense",), (0, 1, 2, 3), build_mlp)
