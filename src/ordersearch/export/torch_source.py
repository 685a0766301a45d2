"""Blocks as PyTorch source that needs nothing of ordersearch: the very layers that were trained."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence

from ordersearch.export.format import Format
from ordersearch.export.header import commented
from ordersearch.export.names import class_names
from ordersearch.export.torch_block import BlockClass
from ordersearch.spec import BlockSpec

FIRST_LINE = "Written by ordersearch; runs without it."

RESIDUAL = '''class Residual(nn.Module):
    """A branch and its shortcut, added."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Branch plus shortcut; an empty shortcut is the input itself."""
        joined: Tensor = self.branch(x) + self.shortcut(x)
        return joined
'''

GROUPS = '''def largest_divisor(channels: int, limit: int) -> int:
    """The largest divisor of ``channels`` up to ``limit``."""
    return max(d for d in range(1, min(channels, limit) + 1) if channels % d == 0)
'''


def torch_source(blocks: Mapping[str, BlockSpec], dims: int = 2, evidence: Sequence[str] = ()) -> str:
    r"""A class for each role: ``ConvBlock(in_channels, out_channels)``.

    Args:
        blocks: One for each role.
        dims: 1, 2 or 3 dimensions of the maps.
        evidence: What is known of the blocks, a line each.

    Example:
        >>> source = torch_source({"dense": BlockSpec.parse("linear > relu")})
        >>> print(*source.splitlines()[-4:], sep="\n")
            def __init__(self, in_features: int, out_features: int) -> None:
                super().__init__()
                self.linear = nn.Linear(in_features, out_features)
                self.relu = nn.ReLU()
    """
    classes = [BlockClass(name, blocks[role], dims) for role, name in class_names(blocks).items()]
    return torch_file(classes, evidence=evidence)


def torch_file(classes: Sequence[BlockClass], further: Iterable[str] = (), *, evidence: Sequence[str] = ()) -> str:
    """The text of a file with these blocks.

    Args:
        classes: The blocks.
        further: Definitions behind them, which may use ``nn``, ``Tensor``, ``torch`` and ``OrderedDict``.
        evidence: What is known of the blocks, a line each.
    """
    parts = [
        *([GROUPS] if any(one.has_groups for one in classes) else []),
        *([RESIDUAL] if any(one.is_residual for one in classes) else []),
        *(one.source() for one in classes),
        *further,
    ]
    head = commented([FIRST_LINE, *(["", *evidence] if evidence else [])])
    modules = {module for one in classes for module in one.modules}
    return "\n\n".join([f"{head}\n{_imports(modules, parts)}", *parts])


def _imports(modules: set[str], parts: Sequence[str]) -> str:
    used = {node.id for part in parts for node in ast.walk(ast.parse(part)) if isinstance(node, ast.Name)}
    plain = sorted({*modules, *({"torch"} & used)})
    names = ", ".join(["Tensor", "nn"] if "Tensor" in used else ["nn"])
    standard = ["from collections import OrderedDict", ""] if "OrderedDict" in used else []
    return "\n".join([*standard, *(f"import {module}" for module in plain), f"from torch import {names}", ""])


def _check(spec: BlockSpec, dims: int) -> None:
    _ = BlockClass("", spec, dims).plan


TORCH = Format(
    "torch",
    "PyTorch source: a class for each block; of a run with a built-in network the whole network",
    ".py",
    _check,
    torch_source,
)
