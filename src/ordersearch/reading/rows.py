"""The op table by what its layers are called."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any

from torch import nn

from ordersearch.errors import PluginError
from ordersearch.ops import Call, OpKind, Value, fold, op_kind, op_names
from ordersearch.user_code import signature_of


@dataclass(frozen=True)
class Row:
    """An op that a layer may be, and the constructor call by which it may be it.

    Attributes:
        kind: The op.
        call: How a block makes its layer, on maps or on features.
    """

    kind: OpKind
    call: Call

    @cached_property
    def constants(self) -> Mapping[str, Value]:
        """The arguments that are the same for all layers of the op."""
        return {key: value for key, value in self.call.arguments.items() if not is_variable(value)}

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The defaults of the constructor."""
        module, _, name = self.call.target.format(dims=1).rpartition(".")
        parameters = constructor_parameters(getattr(import_module(module), name)).values()
        return {one.name: one.default for one in parameters if one.default is not one.empty}

    def targets(self) -> Iterator[str]:
        """Where its layer is found, for each number of dimensions."""
        yield from dict.fromkeys(self.call.target.format(dims=dims) for dims in (1, 2, 3))


class Rows:
    """The op table, plugins' rows included, as it is when this is made.

    Example:
        >>> [row.kind.name for row in Rows().of_function("max_pool2d")[:1]]
        ['max_pool']
    """

    def __init__(self) -> None:
        self._rows = [Row(kind, call) for kind in _kinds() for call in (kind.on_maps, kind.on_features) if call]
        self._of_class: dict[type, tuple[Row, ...]] = {}

    def of_layer(self, layer: nn.Module) -> tuple[Row, ...]:
        """The ops whose layers are of this very class; a subclass may do something else."""
        cls = type(layer)
        if cls not in self._of_class:
            self._of_class[cls] = tuple(row for row in self._rows if any(_names(name, cls) for name in row.targets()))
        return self._of_class[cls]

    def of_function(self, name: str) -> tuple[Row, ...]:
        """The ops that a function of PyTorch computes, which is called as the layer is, such as ``max_pool2d``."""
        rows = [row for row in self._rows if row.call.target.startswith("torch.nn.")]
        exact = tuple(row for row in rows if fold(name) in {fold(target) for target in row.targets()})
        # F.batch_norm works in any dimension, but F.dropout is none of F.dropout1d to F.dropout3d.
        return exact or tuple(row for row in rows if fold(name) in {undimensioned(target) for target in row.targets()})


@lru_cache(maxsize=256)
def constructor_parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    """The parameters of a layer's constructor; none where it does not tell them.

    Example:
        >>> list(constructor_parameters(nn.ELU))
        ['alpha', 'inplace']
    """
    signature = signature_of(cls)
    return signature.parameters if signature else {}


def undimensioned(name: str) -> str:
    """A name without what does not count in it, and without the dimension at its end.

    Example:
        >>> undimensioned("torch.nn.BatchNorm2d")
        'batchnorm'
    """
    return re.sub(r"[123]d$", "", fold(name))


def is_variable(value: Value) -> bool:
    """Whether an argument of a call stands for a parameter or for what the place gives.

    Example:
        >>> is_variable("$eps"), is_variable(1)
        (True, False)
    """
    return isinstance(value, str) and value.startswith("$")


def _kinds() -> Iterator[OpKind]:
    for name in op_names():
        try:
            yield op_kind(name)
        except PluginError:  # fails the run that names it, which this one does not
            continue


def _names(target: str, cls: type) -> bool:
    module, _, name = target.rpartition(".")
    if name != cls.__name__:
        return False
    try:
        return getattr(import_module(module), name) is cls
    except (ImportError, AttributeError):
        return False
