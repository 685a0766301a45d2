"""A library's own block: which orders it runs, and what of a block of ours it can hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ordersearch.calls import LayerCall, plan_block
from ordersearch.errors import ExportError, SpecError
from ordersearch.export.names import quoted
from ordersearch.export.source_lines import SourceCall
from ordersearch.export.torch_layers import DEFAULTS, Variable, channel_variables, constructor
from ordersearch.ops import Role, Value
from ordersearch.spec import BlockSpec

LETTERS = {Role.WEIGHT: "W", Role.NORM: "N", Role.ACTIVATION: "A", Role.DROPOUT: "D", Role.POOL: "P"}
WORDS = {letter: role.value for role, letter in LETTERS.items()}
"""What errors call the roles; a weight by its op."""

_FROM_THE_PLACE = {"num_features", "num_channels", "normalized_shape"}
_TAKES_INPLACE = {"ReLU", "LeakyReLU", "ReLU6", "ELU", "SELU", "SiLU", "Mish", "Hardswish"}


@dataclass(frozen=True)
class Layer:
    """A layer as a library's block is told of it.

    Attributes:
        call: As planned.
    """

    call: LayerCall

    @property
    def name(self) -> str:
        """The op's name."""
        return self.call.op.name

    @property
    def values(self) -> Mapping[str, Value]:
        """The constructor's arguments."""
        return self.call.arguments

    @property
    def constructor(self) -> str:
        """As source calls it: ``nn.ReLU``."""
        return constructor(self.call.target)

    @property
    def torch_name(self) -> str:
        """The name of a class of ``torch.nn``; empty for any other."""
        return self.constructor.removeprefix("nn.") if self.constructor.startswith("nn.") else ""

    @property
    def takes_inplace(self) -> bool:
        """Whether the constructor is known to have the argument ``inplace``."""
        return self.torch_name in _TAKES_INPLACE

    @property
    def is_safe_inplace(self) -> bool:
        """Whether it computes the same in place: others round gradients in another way, or cannot compute them."""
        return self.torch_name == "ReLU" or not self.takes_inplace

    @property
    def arguments(self) -> dict[str, str]:
        """As source writes them: those that differ from PyTorch's defaults, without what the place gives."""
        defaults = DEFAULTS.get(re.sub(r"[123]d$", "", self.torch_name), {})
        return {
            key: self._written(key, value)
            for key, value in self.values.items()
            if key not in _FROM_THE_PLACE and not (key in defaults and value == defaults[key])
        }

    def _written(self, key: str, value: Value) -> str:
        groups = self.call.op.params.get("groups")
        return f"largest_divisor({self.channels}, {groups})" if key == "num_groups" and groups else text_of(value)

    @property
    def channels(self) -> str:
        """The channels that it works on, as source writes them."""
        return next(repr(value) for value in self.values.values() if isinstance(value, Variable))


@dataclass(frozen=True)
class Run:
    """A block of ours, split into the layers that a library's block holds and those that stand around it.

    Attributes:
        before: Layers before the library's block.
        inside: Layers that it holds.
        after: Layers behind it.
        dims: Dimensions of the maps; 0 for features.
        order: The order of the library that has them, as letters.
    """

    before: tuple[LayerCall, ...]
    inside: tuple[LayerCall, ...]
    after: tuple[LayerCall, ...]
    dims: int
    order: str

    def layer(self, role: Role) -> Layer | None:
        """The layer of this role inside, if there is one."""
        return next((Layer(call) for call in self.inside if call.op.role is role), None)

    @property
    def weight(self) -> Layer:
        """The convolution or linear layer."""
        return next(Layer(call) for call in self.inside if call.op.role is Role.WEIGHT)

    @property
    def norm(self) -> Layer | None:
        """The norm inside."""
        return self.layer(Role.NORM)

    @property
    def activation(self) -> Layer | None:
        """The activation inside."""
        return self.layer(Role.ACTIVATION)

    @property
    def dropout(self) -> Layer | None:
        """The dropout inside."""
        return self.layer(Role.DROPOUT)

    @property
    def letters(self) -> str:
        """The roles inside, in their order."""
        return letters_of(self.inside)


@dataclass(frozen=True)
class LibraryBlock:
    """A block of a library.

    Attributes:
        name: As errors call it: ``MONAI's Convolution``.
        module: Where source imports it from.
        imported: What source imports from there.
        orders: The orders that it runs, as letters, its own default first; any of them may lack.
        dims: Dimensions of the maps that it works on; 0 for features.
        layers: The calls that make it, from the layers that it holds.
        refusal: Why it cannot hold these layers, whose order suits it; empty where it can.
        takes_stride: Whether its convolution can have a stride.
        trim: Statements behind its calls, which then assign it to ``layers``.
        notes: What its source does not say and a user must know.
    """

    name: str
    module: str
    imported: tuple[str, ...]
    orders: tuple[str, ...]
    dims: tuple[int, ...]
    layers: Callable[[Run], Sequence[SourceCall]]
    refusal: Callable[[Run], str]
    takes_stride: bool = True
    trim: tuple[str, ...] = ()
    notes: Callable[[Run], Sequence[str]] = lambda run: ()

    def run(self, spec: BlockSpec, dims: int) -> Run:
        """The block's layers in and around this one; it holds as many as it can.

        Raises:
            ExportError: It cannot hold those that it would have to.
        """
        layers = self._planned(spec, dims if spec.on_maps else 0)
        reason = ""
        for start, stop in _spans(layers):
            inside = layers[start:stop]
            order = next((order for order in self.orders if _is_part(letters_of(inside), order)), "")
            run = Run(layers[:start], inside, layers[stop:], dims if spec.on_maps else 0, order)
            reason = self.refusal(run) if order else self._order_refusal(inside)
            if not reason:
                return run
        raise ExportError(reason)

    def _planned(self, spec: BlockSpec, dims: int) -> tuple[LayerCall, ...]:
        if dims not in self.dims:
            raise ExportError(_dims_refusal(self, dims))
        if any(op.role is Role.MERGE for op in spec):
            raise ExportError(f"{self.name} has no shortcut, and the block adds one")
        if sum(op.role is Role.WEIGHT for op in spec) > 1:
            raise ExportError(f"{self.name} holds one weight, and the block has more")
        (segment,) = plan_block(spec, *channel_variables(spec), dims=dims, stride=self.stride(spec))
        return segment.layers

    def stride(self, spec: BlockSpec) -> int:
        """The stride that its source leaves open; 1 where it cannot have any."""
        stride = Variable(2, "stride")
        try:
            plan_block(spec, *channel_variables(spec), stride=stride)
        except SpecError:
            return 1
        return stride if self.takes_stride else 1

    def _order_refusal(self, inside: Sequence[LayerCall]) -> str:
        found, known = letters_of(inside), set("".join(self.orders))
        words = {**WORDS, "W": next(call.op.name for call in inside if call.op.role is Role.WEIGHT)}
        for letter in found:
            if letter not in known:
                return f"{self.name} has no {words[letter]}, and one stands between its layers"
            if found.count(letter) > 1:
                return f"{self.name} holds one {words[letter]}, and the block has more"
        for index, later in enumerate(found):
            for earlier in found[:index]:
                if not any(_is_part(earlier + later, order) for order in self.orders):
                    return f"{self.name} puts the {words[earlier]} behind the {words[later]}, and here it comes first"
        told = (" > ".join(words[letter] for letter in order) for order in self.orders)
        return f"{self.name} runs {' or '.join(told)} alone"


def letters_of(layers: Sequence[LayerCall]) -> str:
    """The roles of layers as letters."""
    return "".join(LETTERS[layer.op.role] for layer in layers)


def text_of(value: Value) -> str:
    """A value as source writes it."""
    return quoted(value) if isinstance(value, str) else repr(value)


def differing(values: Mapping[str, Value], defaults: Mapping[str, Value]) -> list[str]:
    """The arguments among ``defaults`` that differ from these, as keywords in source.

    Example:
        >>> differing({"groups": 2, "dilation": 1}, {"dilation": 1, "groups": 1})
        ['groups=2']
    """
    return [f"{key}={text_of(values[key])}" for key, default in defaults.items() if values[key] != default]


def half(kernel: Value) -> int:
    """Half of a kernel, rounded down: the padding that keeps the size of maps where the kernel is odd.

    Example:
        >>> half(5), half(2)
        (2, 0)
    """
    return (int(kernel or 1) - 1) // 2


def _is_part(letters: str, order: str) -> bool:
    rest = iter(order)
    return all(letter in rest for letter in letters)


def _spans(layers: Sequence[LayerCall]) -> Iterator[tuple[int, int]]:
    """Where the library's block may start and stop, longest first: around all but pools and dropouts at the ends."""
    held = [i for i, layer in enumerate(layers) if layer.op.role not in (Role.POOL, Role.DROPOUT)]
    first, last = held[0], held[-1]
    start, stop = first, last + 1
    while start > 0 and layers[start - 1].op.role is Role.DROPOUT:
        start -= 1
    while stop < len(layers) and layers[stop].op.role is Role.DROPOUT:
        stop += 1
    spans = [(i, j) for i in range(start, first + 1) for j in range(last + 1, stop + 1)]
    return iter(sorted(spans, key=lambda span: (span[0] - span[1], span)))


def _dims_refusal(block: LibraryBlock, dims: int) -> str:
    if dims == 0:
        return f"{block.name} holds a convolution, and the block a linear layer"
    return f"{block.name} has no form for {dims}-d maps"
