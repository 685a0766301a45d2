"""A block as PyTorch source to paste: the very layers that were trained, with nothing of ordersearch in it."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from ordersearch.calls import LayerCall, Segment, plan_block
from ordersearch.spec import BlockSpec

RESIDUAL = '''class Residual(nn.Module):
    """A branch and its shortcut, added."""

    def __init__(self, branch, shortcut):
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x):
        return self.branch(x) + self.shortcut(x)
'''


class _Name(int):
    """A number that is printed as the variable that it stands for."""

    _text: str

    def __new__(cls, value: int, text: str) -> _Name:
        """The number ``value``, printed as ``text``."""
        made = super().__new__(cls, value)
        made._text = text
        return made

    def __repr__(self) -> str:
        return self._text


# Many divisors, so that groups of channels come out as they do at the widths that people take.
IN, OUT = _Name(5040 * 64, "in_channels"), _Name(5040 * 128, "out_channels")


def torch_source(blocks: Mapping[str, BlockSpec], *, dims: int = 2) -> str:
    """A function for each role that makes its block: ``conv_block(in_channels, out_channels)``.

    A shortcut is written as it is where the channels change: with its projection.

    Args:
        blocks: One for each role.
        dims: 1, 2 or 3 dimensions of the maps.

    Example:
        >>> print(torch_source({"dense": BlockSpec.parse("linear > relu > dropout(p=0.1)")}))
        from torch import nn
        <BLANKLINE>
        <BLANKLINE>
        def dense_block(in_channels, out_channels):
            return nn.Sequential(
                nn.Linear(in_channels, out_channels),
                nn.ReLU(),
                nn.Dropout(p=0.1),
            )
        <BLANKLINE>
    """
    planned = {role: plan_block(spec, IN, OUT, dims=dims or 2) for role, spec in blocks.items()}
    segments = [segment for found in planned.values() for segment in found]
    imports = {_module(layer.target) for segment in segments for layer in _all_layers(segment)} - {"torch.nn"}
    parts = ["\n".join(["from torch import nn", *(f"import {module}" for module in sorted(imports))]) + "\n"]
    if any(segment.shortcut is not None for segment in segments):
        parts.append(RESIDUAL)
    parts += [_function(role, found) for role, found in planned.items()]
    return "\n\n".join(parts)


def _all_layers(segment: Segment) -> Iterator[LayerCall]:
    yield from segment.layers
    yield from segment.shortcut or ()


def _function(role: str, segments: tuple[Segment, ...]) -> str:
    name = re.sub(r"\W", "_", role)
    name = f"block_{name}" if not name.isidentifier() or keyword.iskeyword(name) else name
    lines = [f"def {name}_block(in_channels, out_channels):", "    return nn.Sequential("]
    for segment in segments:
        if segment.shortcut is None:
            lines += [f"        {_call(layer)}," for layer in segment.layers]
            continue
        lines.append("        Residual(")
        for layers in (segment.layers, segment.shortcut):
            lines += ["            nn.Sequential(", *(f"                {_call(one)}," for one in layers)]
            lines.append("            ),")
        lines.append("        ),")
    return "\n".join([*lines, "    )", ""])


def _call(layer: LayerCall) -> str:
    module, name = _module(layer.target), layer.target.rpartition(".")[2]
    target = f"nn.{name}" if module == "torch.nn" else layer.target
    return f"{target}({', '.join(_arguments(layer))})"


def _arguments(layer: LayerCall) -> Iterator[str]:
    """The arguments that differ from the constructor's defaults; the leading channels without their keywords."""
    positional, defaults = True, _defaults(layer.target)
    for (key, value), name in zip(layer.arguments.items(), [*defaults, *[""] * len(layer.arguments)], strict=False):
        positional = positional and key == name and isinstance(value, _Name)
        if positional:
            yield repr(value)
        elif isinstance(value, _Name) or defaults.get(key, inspect.Parameter.empty) != value:
            yield f"{key}={value!r}"


def _module(target: str) -> str:
    return target.rpartition(".")[0]


@lru_cache(maxsize=256)
def _defaults(target: str) -> Mapping[str, Any]:
    """The constructor's parameters in their order, with their defaults."""
    constructor = getattr(import_module(_module(target)), target.rpartition(".")[2])
    return {name: own.default for name, own in inspect.signature(constructor).parameters.items()}
