"""Spec to ``nn.Module``: building blocks, and the factories that networks make them with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import cast

import torch
from torch import Tensor, nn

from ordersearch.calls import LayerCall, Segment, check_fits, plan_block
from ordersearch.errors import PluginError, SpecError
from ordersearch.ops import OpSpec, Role
from ordersearch.ops.op_spec import op_package
from ordersearch.spec import BlockSpec
from ordersearch.user_code import told


class Residual(nn.Module):
    """A branch and its shortcut, added."""

    def __init__(self, branch: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Branch plus shortcut; an empty shortcut is the input itself."""
        return cast(Tensor, self.branch(x) + self.shortcut(x))


class Block(nn.Sequential):
    """The layers of a spec at a place in a network; each is named after its op.

    Attributes:
        spec: The block as built, ops that the place leaves out left out.
        segments: Its layers, as planned.
    """

    def __init__(self, spec: BlockSpec, segments: Sequence[Segment]) -> None:
        super().__init__(_block_layers(segments))
        self.spec = spec
        self.segments = tuple(segments)

    def output_sizes(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The spatial sizes that the block makes of ``sizes``.

        Raises:
            ShapeError: The block shrinks them to nothing; the message names the op.
        """
        return check_fits(self.spec, sizes, self.segments)


def build_block(
    spec: BlockSpec,
    in_channels: int,
    out_channels: int,
    *,
    dims: int = 2,
    stride: int = 1,
    pool: bool = True,
    dropout: bool = True,
    kernel: int | None = None,
) -> Block:
    """The module of a spec: ``(n, in_channels, *sizes)`` to ``(n, out_channels, *sizes)``, features without sizes.

    Building draws no numbers from the global generator, so that the layers around a block are initialised alike for
    every order.

    Args:
        spec: The block.
        in_channels: Channels (features for a linear block) that come in.
        out_channels: Channels that go out.
        dims: 1, 2 or 3 dimensions of the maps; a linear block has none.
        stride: Of the first convolution.
        pool: False leaves the pools out of this block.
        dropout: False leaves the dropouts out of this block.
        kernel: The window of the block's convolutions here, whatever the spec says; their padding stays what it is.

    Raises:
        SpecError: The place does not suit the block.
        PluginError: The layer of a plugin's op cannot be made.

    Example:
        >>> block = build_block(BlockSpec.parse("conv > batch_norm > relu"), 3, 8)
        >>> [name for name, layer in block.named_children()], block.conv.bias
        (['conv', 'batch_norm', 'relu'], None)
    """
    left_out = [role for role, kept in ((Role.POOL, pool), (Role.DROPOUT, dropout)) if not kept]
    built = spec.without(*left_out)
    if kernel is not None:
        built = _with_kernel(built, kernel)
    segments = plan_block(built, in_channels, out_channels, dims=dims, stride=stride)
    with torch.random.fork_rng(devices=[]):
        return Block(built, segments)


def _with_kernel(spec: BlockSpec, kernel: int) -> BlockSpec:
    if not spec.on_maps:
        raise SpecError(f"Block '{spec}': got kernel={kernel}, but a linear block has no window.")
    return BlockSpec(_with_window(op, kernel) if op.role is Role.WEIGHT else op for op in spec)


def _with_window(op: OpSpec, kernel: int) -> OpSpec:
    # Spelled first: padding=1 around a window of 3 is "same", and so it stays around any other.
    spelled = op.replace(**op.kind.spelling(op.params)) if op.kind.spelling else op
    return spelled.replace(kernel=kernel) if "kernel" in op.params else op


@dataclass(frozen=True)
class BlockFactory:
    """Makes the blocks of one role of a network: ``factory(in_channels, out_channels)``.

    Args:
        spec: The block.
        dims: 1, 2 or 3 dimensions of the maps; a linear block has none.
        on_block: Told of every block that it makes.
    """

    spec: BlockSpec
    dims: int = 2
    on_block: Callable[[Block], None] | None = field(default=None, compare=False, repr=False)

    def __call__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        pool: bool = True,
        dropout: bool = True,
        kernel: int | None = None,
    ) -> Block:
        """A new block at a place in the network; see ``build_block``."""
        block = build_block(
            self.spec,
            in_channels,
            out_channels,
            dims=self.dims,
            stride=stride,
            pool=pool,
            dropout=dropout,
            kernel=kernel,
        )
        if self.on_block is not None:
            self.on_block(block)
        return block

    def downsampling(
        self, in_channels: int, out_channels: int, *, dropout: bool = True, kernel: int | None = None
    ) -> Block:
        """A new block that makes maps smaller: by its pool, or by stride 2 where the spec has none.

        Example:
            >>> BlockFactory(BlockSpec.parse("conv > relu")).downsampling(3, 8).output_sizes((32, 32))
            (16, 16)
        """
        stride = 1 if any(map(_shrinks, self.spec)) or not self.spec.on_maps else 2
        return self(in_channels, out_channels, stride=stride, dropout=dropout, kernel=kernel)


def _shrinks(op: OpSpec) -> bool:
    return op.role is Role.POOL and int(op.params.get("stride") or op.params.get("kernel") or 1) > 1


def _block_layers(segments: Sequence[Segment]) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    n_residuals = 0
    for segment in segments:
        if segment.shortcut is None:
            layers.update(_layers(segment.layers))
        else:
            n_residuals += 1
            name = "residual" if n_residuals == 1 else f"residual_{n_residuals}"
            layers[name] = Residual(nn.Sequential(_layers(segment.layers)), nn.Sequential(_layers(segment.shortcut)))
    return layers


def _layers(calls: Sequence[LayerCall]) -> OrderedDict[str, nn.Module]:
    return OrderedDict((call.name, _layer(call)) for call in calls)


def _layer(call: LayerCall) -> nn.Module:
    module, _, name = call.target.rpartition(".")
    try:
        return cast(nn.Module, getattr(import_module(module), name)(**call.arguments))
    except Exception as cause:
        package = op_package(call.op.name)
        if not package:
            raise
        raise PluginError(
            f"The op {call.op.name!r} comes from the plugin {package}, whose layer {call.target} cannot be made: "
            f"{told(cause)}. Repair or remove that package."
        ) from cause
