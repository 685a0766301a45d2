"""The layers of ops as they are trained, in float64, with their random numbers shared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from zlib import crc32

import torch
from torch import Tensor, nn

from ordersearch.block import build_block
from ordersearch.ops import OpSpec, Role
from ordersearch.spec import BlockSpec
from ordersearch.testing.check import require

CHANNELS, SEEDS, TOLERANCE = 6, range(4), 1e-10
SIZES: dict[int, tuple[int, ...]] = {0: (), 1: (64,), 2: (10, 10), 3: (6, 6, 6)}
PLACES = {0: "features", 1: "1-D maps", 2: "2-D maps", 3: "3-D maps"}
"""What a block works on, by the number of spatial dimensions."""


class Seeded(nn.Module):
    """A layer that draws the same random numbers at every call, wherever it stands."""

    def __init__(self, layer: nn.Module, seed: int) -> None:
        super().__init__()
        self.layer, self.seed = layer, seed

    def forward(self, x: Tensor) -> Tensor:
        """What the layer makes of ``x``."""
        # torch.manual_seed also seeds devices that are not there, which takes longer than most layers do.
        torch.default_generator.manual_seed(self.seed)
        return cast(Tensor, self.layer(x))


def bare_layer(op: OpSpec, dims: int, *, stride: int = 1) -> nn.Module:
    """The op's layer as a block has it, for maps of so many dimensions (0: for features)."""
    alone = op.role is Role.WEIGHT
    spec = BlockSpec([op] if alone else [OpSpec("conv" if dims else "linear"), op])
    return build_block(spec, CHANNELS, CHANNELS, dims=dims or 2, stride=stride)[-1]


def layer(op: OpSpec, dims: int, seed: int, *, stride: int = 1, key: str = "") -> Seeded:
    """The op's layer in float64, its parameters drawn at random (a learnt slope may be negative).

    Args:
        op: The op.
        dims: Dimensions of the maps; 0 for features.
        seed: Of its parameters and of what it draws.
        stride: Of a weight.
        key: What the seed counts for; by default, this op.
    """
    made, drawn = bare_layer(op, dims, stride=stride).double(), crc32(f"{key or op} {seed}".encode())
    generator = torch.Generator().manual_seed(drawn)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return Seeded(made, drawn)


def inputs(dims: int, seed: int) -> Tensor:
    """Values with a standard deviation of 2 to 3: on small ones SiLU and max-pool differ too rarely."""
    generator = torch.Generator().manual_seed(seed)
    shape = (16 if dims == 0 else 5, CHANNELS, *SIZES[dims])
    return (torch.randn(shape, generator=generator, dtype=torch.float64) * (2 + seed / 4)).requires_grad_()


def answers(layers: Sequence[nn.Module], x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Output and all gradients in training, then the output in evaluation, of layers in a row."""
    model = nn.Sequential(*layers).train()
    y = model(x)
    generator = torch.Generator().manual_seed(1)
    (y * torch.randn(y.shape, generator=generator, dtype=torch.float64)).sum().backward()
    found = {"output": y.detach(), "input gradient": cast(Tensor, x.grad)}
    for name, one in zip(names, layers, strict=True):
        found |= {f"{name} {key} gradient": cast(Tensor, value.grad) for key, value in one.named_parameters()}
    with torch.no_grad():
        found["evaluation"] = model.eval()(x)
    return found


def distance(a: dict[str, Tensor], b: dict[str, Tensor], *, ignoring: str = "?") -> float:
    """The largest difference between two answers, counted by the largest value where that is above 1.

    It is infinite where their shapes differ; entries with ``ignoring`` in their names do not count.
    """
    keys = [key for key in a if ignoring not in key]
    if any(a[key].shape != b[key].shape for key in keys):
        return float("inf")
    values = [value.detach() for answer in (a, b) for value in answer.values()]
    require(all(bool(value.isfinite().all()) for value in values), "a layer gives values that are not finite")
    scale = max(1.0, *(float(a[key].detach().abs().max()) for key in keys))
    return max(float((a[key] - b[key]).detach().abs().max()) for key in keys) / scale
