"""The network: where the blocks sit."""

from torch import nn

from ordersearch.block import BlockFactory
from ordersearch.networks import Network

POOLS = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}


def build(
    blocks: dict[str, BlockFactory], input_shape: tuple[int, ...], n_outputs: int, *, width: int = 8
) -> nn.Module:
    """Two conv blocks, the first of which makes the maps smaller, and the mean of each map."""
    conv = blocks["conv"]
    return nn.Sequential(
        conv.downsampling(input_shape[0], width),
        conv(width, 2 * width, pool=False),
        POOLS[len(input_shape) - 1](1),
        nn.Flatten(),
        nn.Linear(2 * width, n_outputs),
    )


TWO_BLOCKS = Network(
    "two_blocks",
    "two conv blocks, mean of each map, output layer",
    roles=("conv",),
    dims=(1, 2, 3),
    build=build,
    options={"width": 8},
)
