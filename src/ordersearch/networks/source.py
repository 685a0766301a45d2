"""A whole network as PyTorch source: printed from the module that is built, so that the two cannot drift apart."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import nn

from ordersearch.block import Block
from ordersearch.errors import ExportError, SpecError
from ordersearch.export.names import class_names, in_docstring, is_plain, quoted
from ordersearch.export.source_lines import STEP, SourceCall, registered
from ordersearch.export.torch_block import DROPOUT, POOL, STRIDE, BlockClass
from ordersearch.export.torch_layers import place_of
from ordersearch.export.torch_source import torch_file
from ordersearch.networks.blocks import Blocks
from ordersearch.networks.build import build_network
from ordersearch.networks.ends import GlobalAveragePool, GlobalMaxPool
from ordersearch.networks.network import Network
from ordersearch.networks.registry import find_network
from ordersearch.spec import BlockSpec

WRITTEN = ("cnn", "mlp", "resnet", "resnet9", "wide_resnet", "mnist_cnn", "four_conv_cnn", "signal_cnn")
"""The networks of this package that are rows of layers, and can be written."""

OWN_LAYERS = (GlobalAveragePool, GlobalMaxPool)
"""Layers of this package without arguments, whose own source is printed."""

CLASS_NAME = "Network"
ELSEWHERE = ("device", "dtype")
ONLY_BLOCKS = "Export its blocks alone."


def network_source(
    network: str | Network,
    specs: Mapping[str, BlockSpec],
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    evidence: Sequence[str] = (),
) -> str:
    r"""The source of the network that ``build_network`` builds: a class ``Network`` and the classes of its blocks.

    It has the names of its layers, so that a state dict of the one loads into the other.

    Args:
        network: A network, or the name of one.
        specs: The searched block of each role.
        input_shape: Shape of one sample: ``(features,)`` or ``(channels, *sizes)``.
        n_outputs: Classes, or targets of a regression.
        evidence: What is known of the blocks, a line each.

    Raises:
        ExportError: The network has a layer that cannot be written, or is no row of layers.
        NetworkError: It is not made of such blocks, or not for such data.
        ShapeError: A block does not fit what reaches it.

    Example:
        >>> source = network_source("mlp", {"dense": BlockSpec.parse("linear > relu")}, (13,), 3)
        >>> print(*source.splitlines()[-6:], sep="\n")
            def __init__(self) -> None:
                super().__init__()
                self.flatten = nn.Flatten()
                self.dense_1 = DenseBlock(13, 128)
                self.dense_2 = DenseBlock(128, 64)
                self.output = nn.Linear(64, 3)
    """
    row = find_network(network) if isinstance(network, str) else network
    # Only the layers are looked at, so they need no values; code of a user's own may need some.
    with torch.device("meta" if row.roles else "cpu"):
        module = build_network(row, specs, input_shape, n_outputs)
    written = _Written(row, specs, len(input_shape) - 1)
    body = list(written.body(module))
    told = ", ".join(f"{name}={value}" for name, value in row.described().items() if name != "name")
    sizes = ", ".join(map(str, input_shape))
    lines = [
        f"class {CLASS_NAME}(nn.Sequential):",
        f'    """The network {in_docstring(row.name)}{f" ({told})" if told else ""}.',
        "",
        f"    ``(n, {sizes})`` to ``(n, {n_outputs})``.",
        '    """',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *body,
        "",
    ]
    return torch_file(written.classes, [*written.own_layers(), "\n".join(lines)], evidence=evidence)


class _Written:
    """The layers of one network as calls, and the classes that these need.

    Attributes:
        classes: Of the blocks, in the order in which the network first uses them.
    """

    def __init__(self, network: Network, specs: Mapping[str, BlockSpec], dims: int) -> None:
        self.classes: list[BlockClass] = []
        self._network = network
        self._dims = dims or 2
        self._own: list[type[nn.Module]] = []
        factories = Blocks(network, specs, dims)
        searched = network.settled(specs)
        # What is searched as it is searched, even where the network leaves a dropout out everywhere.
        known = {**searched, **{role: own.spec for role, own in factories.items() if role not in searched}}
        self._known = [BlockClass(name, known[role], self._dims) for role, name in class_names(known).items()]
        self._roles = list(known)

    def body(self, module: nn.Module) -> Iterator[str]:
        """The lines that make the network's layers."""
        if type(module) is not nn.Sequential:
            raise self._refused("it", module)
        n_uses = sum(1 for _ in module.named_modules(remove_duplicate=False))
        if n_uses != sum(1 for _ in module.modules()):
            raise ExportError(f"Network {self._network.name!r} has a layer that stands in two places. {ONLY_BLOCKS}")
        for name, layer in module.named_children():
            yield from registered("self", name, self._call(layer, name)).lines(2 * STEP)

    def own_layers(self) -> list[str]:
        """The source of layers that are this package's own."""
        return [inspect.getsource(layer) for layer in self._own]

    def _call(self, layer: nn.Module, name: str) -> SourceCall:
        if isinstance(layer, Block):
            return self._block(layer, name)
        if type(layer) is nn.Sequential:
            return self._row(layer, name)
        if type(layer) in OWN_LAYERS:
            self._own += [type(layer)] if type(layer) not in self._own else []
            return SourceCall(type(layer).__name__)
        if getattr(nn, type(layer).__name__, None) is not type(layer) or any(layer.children()):
            raise self._refused(f"layer {name!r}", layer)
        return SourceCall(f"nn.{type(layer).__name__}", tuple(self._arguments(layer, name)))

    def _row(self, layers: nn.Sequential, name: str) -> SourceCall:
        calls = [(key, self._call(layer, f"{name}.{key}")) for key, layer in layers.named_children()]
        if all(key == str(place) for place, (key, _) in enumerate(calls)):
            return SourceCall("nn.Sequential", tuple(call for _, call in calls))
        if not all(is_plain(key) for key, _ in calls):
            raise self._refused(f"layer {name!r}", layers)
        named = tuple(SourceCall(f"{key}={call.name}", call.arguments) for key, call in calls)
        return SourceCall("nn.Sequential", (SourceCall("OrderedDict", named),))

    def _block(self, block: Block, name: str) -> SourceCall:
        ins, outs, stride = place_of(block.segments)
        for one in [*self._known, *self.classes]:
            for pool, dropout in product((True, False), repeat=2):
                options = {STRIDE: stride, POOL: pool, DROPOUT: dropout}
                if _has_layers(one, block, ins, outs, options):
                    self.classes += [one] if one not in self.classes else []
                    chosen = [f"{key}={options[key]}" for key in one.options if options[key] != 1]
                    return SourceCall(one.name, (str(ins), str(outs), *chosen))
        # The network's own, such as a stem.
        self._roles.append(f" {name}")
        self.classes.append(BlockClass(class_names(self._roles)[f" {name}"], block.spec, self._dims))
        return self._block(block, name)

    def _arguments(self, layer: nn.Module, name: str) -> Iterator[str]:
        if type(layer) is nn.Identity or type(layer).__init__ is nn.Module.__init__:
            return
        is_leading = True
        for key, parameter in inspect.signature(type(layer)).parameters.items():
            if key in ELSEWHERE:
                continue
            is_leading = is_leading and parameter.default is parameter.empty
            value = _argument(layer, key, parameter.default)
            if not isinstance(value, int | float | str | tuple | None):
                raise self._refused(f"layer {name!r}", layer)
            if value != parameter.default:
                text = _literal(value)
                yield text if is_leading else f"{key}={text}"

    def _refused(self, what: str, layer: nn.Module) -> ExportError:
        return ExportError(
            f"Network {self._network.name!r} cannot be written as source: {what} is of type {type(layer).__name__}, "
            f"but only rows of blocks and of PyTorch's own layers are written, as {', '.join(WRITTEN)} are. "
            f"{ONLY_BLOCKS}"
        )


def _has_layers(one: BlockClass, block: Block, ins: int, outs: int, options: Mapping[str, int]) -> bool:
    try:
        return one.layers(ins, outs, options) == block.segments
    except SpecError:
        return False


def _literal(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return quoted(value) if isinstance(value, str) else repr(value)


def _argument(layer: nn.Module, key: str, default: Any) -> Any:
    """What a layer was made with, as far as it keeps it under the argument's name; else an object of its own."""
    value: Any = getattr(layer, key, layer)
    if isinstance(default, bool) and not isinstance(value, bool):
        return value is not None
    is_window = re.search("[123]d$", type(layer).__name__) and isinstance(value, tuple)
    return value[0] if is_window and len(set(value)) == 1 else value
