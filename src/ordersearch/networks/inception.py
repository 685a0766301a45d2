"""Parallel branches of conv blocks, concatenated."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from ordersearch.block import Block, BlockFactory
from ordersearch.errors import NetworkError, ShapeError
from ordersearch.networks.cnn import stage_widths
from ordersearch.networks.ends import GlobalAveragePool, entry_stride, fixed_stem, fixed_tail
from ordersearch.networks.network import Network

N_BRANCHES = 4
STRIDED_FROM = 16


class Branches(nn.Module):
    """Blocks with windows of 1, 3 and 5 and one of 1 behind a pool, side by side; their channels are concatenated.

    Args:
        reduce: ``reduce(in_channels, out_channels, kernel=1)`` makes the block before a window of 3 or 5.
        make: ``make(in_channels, out_channels, kernel=...)`` makes the block that ends a branch.
        in_channels: Channels that come in.
        out_channels: Channels that go out, at least 4; a quarter from each branch, the rest from the first.
        dims: Spatial dimensions of the maps.
    """

    def __init__(
        self, reduce: Callable[..., Block], make: Callable[..., Block], in_channels: int, out_channels: int, dims: int
    ) -> None:
        super().__init__()
        pool = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[dims - 1]
        width, rest = divmod(out_channels, N_BRANCHES)
        self.branch_1 = nn.Sequential(make(in_channels, width + rest, kernel=1))
        self.branch_3 = nn.Sequential(reduce(in_channels, width, kernel=1), make(width, width, kernel=3))
        self.branch_5 = nn.Sequential(reduce(in_channels, width, kernel=1), make(width, width, kernel=5))
        self.branch_pool = nn.Sequential(pool(3, stride=1, padding=1), make(in_channels, width, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        """The branches' maps, one behind the other in the order of their windows, those of the pool last."""
        return torch.cat([branch(x) for branch in self.children()], 1)

    def output_sizes(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The spatial sizes that every branch makes of ``sizes``.

        Raises:
            ShapeError: A branch shrinks them to nothing, or two branches make different sizes.
        """
        reached = set()
        for branch in self.children():
            after = sizes
            for block in branch.children():
                after = block.output_sizes(after) if isinstance(block, Block) else after
            reached.add(after)
        if len(reached) > 1:
            spec = next(block.spec for block in self.modules() if isinstance(block, Block))
            found = " and ".join("x".join(map(str, one)) for one in sorted(reached))
            raise ShapeError(
                f"Block '{spec}' cannot stand in parallel branches: they would make maps of {found}, but only maps of "
                f"one size can be concatenated. Take padding='same' in its convolutions."
            )
        return reached.pop()


def build_inception(
    blocks: Mapping[str, BlockFactory],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    width: int = 32,
    depth: int = 1,
) -> nn.Module:
    """Stages of parallel branches: ``(n, channels, *sizes)`` to ``(n, n_outputs)``.

    The Inception module of Szegedy et al. 2014 (arXiv:1409.4842, figure 2b), the windows of 3 and 5 behind a conv block
    with a window of 1. At the end of a stage every branch makes its maps smaller. Stem and tail are the same for all
    orders; from a size of 16 on, the stem makes the maps smaller, too, as theirs does.

    Args:
        blocks: The factories; the places give their convolutions the window.
        input_shape: Channels and sizes of a sample.
        n_outputs: What the output layer gives.
        width: Channels of the first stage, all branches together, at least 4; the second has twice, the others four
            times as many.
        depth: Modules a stage.
    """
    if width < N_BRANCHES:
        raise NetworkError(f"Network 'inception', width: got {width}, but it has {N_BRANCHES} branches to share it.")
    channels, sizes = input_shape[0], input_shape[1:]
    stride = max(entry_stride(sizes), 2 if max(sizes) >= STRIDED_FROM else 1)
    stem = fixed_stem(channels, width, len(sizes), stride=stride)
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
    channels, sizes, inner = width, stem.output_sizes(sizes), partial(blocks["conv"], pool=False)
    for stage, out_channels in enumerate(stage_widths(sizes, width), 1):
        for number in range(1, depth + 1):
            make = blocks["stage_end"].downsampling if number == depth else inner
            branches = Branches(inner, make, channels, out_channels, len(sizes))
            layers[f"stage_{stage}_module_{number}"] = branches
            channels, sizes = out_channels, branches.output_sizes(sizes)
    layers["tail"] = fixed_tail(channels, len(sizes))
    layers["pool"] = GlobalAveragePool()
    layers["output"] = nn.Linear(channels, n_outputs)
    return nn.Sequential(layers)


INCEPTION = Network(
    "inception",
    "stages of parallel conv blocks with windows of 1, 3 and 5, mean of each map, output layer",
    ("conv", "stage_end"),
    (1, 2, 3),
    build_inception,
    options={"width": 32, "depth": 1},
)
