"""What other libraries call layers and their arguments, read as ops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ordersearch.errors import ExportError, SpecError
from ordersearch.identities import bias_is_redundant
from ordersearch.ops import OpSpec, Role, Value, op_kind
from ordersearch.ops.table import ACTIVATIONS
from ordersearch.spec import BlockSpec

_NEUTRAL: Mapping[str, Any] = {"track_running_stats": True, "num_parameters": 1, "requires_grad": True}
_OF_THE_PLACE = {"inplace", "num_features", "num_channels", "normalized_shape"}


@dataclass(frozen=True)
class Terms:
    """The names that a library has for layers of one kind.

    Attributes:
        what: How errors speak of one: ``MONAI's norm``.
        ops: Name to op.
        needed: Name to an argument that it cannot do without.
    """

    what: str
    ops: Mapping[str, str]
    needed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def op(self, name: str, arguments: Mapping[str, Any]) -> OpSpec:
        """The op that a name with its arguments stands for.

        Raises:
            ExportError: There is none.

        Example:
            >>> str(Terms("mmcv's norm", {"BN": "batch_norm"}).op("BN", {"eps": 0.001}))
            'batch_norm(eps=0.001)'
        """
        if name not in self.ops:
            raise ExportError(f"{self.what} {name!r} is no op here. Those that are: {', '.join(self.ops)}.")
        if name in self.needed and self.needed[name] not in arguments:
            raise ExportError(f"{self.what} {name!r} lacks its argument {self.needed[name]!r}.")
        try:
            return OpSpec(self.ops[name], **dict(_kept(arguments)))
        except SpecError as cause:
            raise ExportError(f"{self.what} {name!r}: {cause}") from cause


def _kept(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    for key, value in arguments.items():
        if key not in _OF_THE_PLACE and not (key in _NEUTRAL and value == _NEUTRAL[key]):
            yield key, value


TORCH_ACTIVATIONS = {kind.on_maps.target.removeprefix("torch.nn."): kind.name for kind in ACTIVATIONS if kind.on_maps}
"""The activations of ``torch.nn`` that are ops, by class."""
ACT_CLASSES = Terms("The activation", TORCH_ACTIVATIONS)


def described(layer: Any) -> tuple[str, dict[str, Any]]:
    """The class and arguments of a layer that is given as a name, a class, a ``functools.partial`` or a layer.

    Example:
        >>> from functools import partial
        >>> described("ReLU"), described(partial(int, base=2))
        (('ReLU', {}), ('int', {'base': 2}))
    """
    if isinstance(layer, str):
        return layer, {}
    if hasattr(layer, "func") and hasattr(layer, "keywords"):
        return described(layer.func)[0], dict(layer.keywords)
    if isinstance(layer, type):
        return layer.__name__, {}
    name = type(layer).__name__
    call = op_kind(TORCH_ACTIVATIONS[name]).on_maps if name in TORCH_ACTIVATIONS else None
    return name, {key: getattr(layer, key) for key in (call.arguments if call else ())}


def distinct(letters: Iterable[str]) -> list[str]:
    """The letters without repeats: a layer that is registered again under its name keeps its first place."""
    return list(dict.fromkeys(letters))


def conv_op(kernel_size: Any, padding: Any, dilation: Any, groups: int) -> OpSpec:
    """The convolution with these arguments, its padding in its one spelling.

    Raises:
        ExportError: It has other sizes in other directions.

    Example:
        >>> str(conv_op((5, 5), 2, 1, 1)), str(conv_op(3, 0, 1, 1))
        ('conv(kernel=5)', 'conv(padding=0)')
    """
    try:
        op = OpSpec(
            "conv",
            kernel=_one_size("kernel_size", kernel_size),
            padding=_one_size("padding", padding),
            dilation=_one_size("dilation", dilation),
            groups=groups,
        )
    except SpecError as cause:
        raise ExportError(f"Of a convolution, {cause}") from cause
    return op.replace(**op.kind.spelling(op.params)) if op.kind.spelling else op


def _one_size(name: str, value: Any) -> Value:
    sizes = set(value) if isinstance(value, tuple | list) else {value}
    if len(sizes) != 1:
        raise ExportError(f"{name}: got {value!r}, but a conv here has one size for all directions.")
    found: Value = sizes.pop()
    return found


def block_of(ops: Sequence[OpSpec], *, bias: bool) -> BlockSpec:
    """The block of these ops, whose weight has a bias or none; ``auto`` where that says the same.

    Example:
        >>> str(block_of([OpSpec("conv"), OpSpec("batch_norm")], bias=True))
        'conv(bias=true) > batch_norm'
        >>> str(block_of([OpSpec("batch_norm"), OpSpec("conv")], bias=True))
        'batch_norm > conv'
    """
    index = next(index for index, op in enumerate(ops) if op.role is Role.WEIGHT)
    plain = ops[index].replace(bias="auto")
    weight = plain if bias is not bias_is_redundant(ops, index) else plain.replace(bias=bias)
    return BlockSpec([*ops[:index], weight, *ops[index + 1 :]])
