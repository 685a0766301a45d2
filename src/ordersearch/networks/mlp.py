"""A multi-layer perceptron of dense blocks."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping

from torch import nn

from ordersearch.block import BlockFactory
from ordersearch.networks.ends import fixed_stem
from ordersearch.networks.network import Network
from ordersearch.networks.stages import dense_layers


def build_mlp(
    blocks: Mapping[str, BlockFactory],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    width: int = 128,
    depth: int = 2,
    stem: bool = False,
) -> nn.Module:
    """Flattened input, dense blocks, output layer: ``(n, *input_shape)`` to ``(n, n_outputs)``.

    Args:
        blocks: The factories.
        input_shape: That of a sample.
        n_outputs: What the output layer gives.
        width: Features of the first dense block; those behind it have half as many.
        depth: Dense blocks.
        stem: Whether the network has a fixed stem and tail.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    features = math.prod(input_shape)
    if stem:
        layers["stem"] = fixed_stem(features, width, 0)
        features = width
    widths = [width, *[max(1, width // 2)] * (depth - 1)]
    layers.update(dense_layers(blocks, features, n_outputs, widths=widths, tail=stem))
    return nn.Sequential(layers)


MLP = Network(
    "mlp",
    "dense blocks, the first twice as wide as the others, output layer",
    ("dense",),
    (0, 1, 2, 3),
    build_mlp,
    options={"width": 128, "depth": 2, "stem": False},
)
