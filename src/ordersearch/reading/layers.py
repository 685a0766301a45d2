"""A layer or a functional call as an op: the op table's constructor calls, read backwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real
from typing import Any

from torch import Tensor

from ordersearch.calls import LayerCall, plan_block
from ordersearch.errors import ReadingError, SpecError, nearest
from ordersearch.ops import OpKind, OpSpec, Role, Value, fold, op_names
from ordersearch.reading.rows import Row, is_variable, undimensioned
from ordersearch.spec import BlockSpec

_PLACE = frozenset(("in_channels", "out_channels", "channels"))
# A bias shows by the parameters, where it is not the op's own.
_IGNORED = frozenset(("inplace", "device", "dtype", "bias"))
_MISSING = object()


@dataclass(frozen=True)
class Layer:
    """What one layer, or one functional call, was asked to do.

    Attributes:
        where: What it is called in errors.
        name: Of its class or function.
        rows: The ops that it may be.
        arguments: By the names of the layer's constructor.
        state: Its parameters and buffers.
        is_function: Whether it was called as a function, which may leave out arguments that have a default.
        is_training: Whether it behaved as in training; None where it makes no difference.
        in_shape: Of what came in.
        out_shape: Of what went out.
    """

    where: str
    name: str
    rows: tuple[Row, ...]
    arguments: Mapping[str, Any]
    state: Mapping[str, Tensor] = field(default_factory=dict)
    is_function: bool = False
    is_training: bool | None = None
    in_shape: tuple[int, ...] = ()
    out_shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class ReadLayer:
    """A layer as an op at its place; a bias is written out."""

    layer: Layer
    op: OpSpec
    stride: int

    @property
    def dims(self) -> int:
        """Of the maps; 0 for features."""
        return len(self.layer.in_shape) - 2

    @cached_property
    def call(self) -> LayerCall:
        """How a block makes this layer at this place."""
        in_channels, out_channels = self.layer.in_shape[1], self.layer.out_shape[1]
        # A spec has a weight, so other ops are planned in front of one.
        weight = () if self.op.role is Role.WEIGHT else (OpSpec("conv" if self.dims else "linear"),)
        try:
            planned = plan_block(
                BlockSpec((self.op, *weight)), in_channels, out_channels, dims=self.dims, stride=self.stride
            )
        except SpecError as cause:
            raise ReadingError(f"{self.layer.where} cannot be built from its op: {cause}") from cause
        return planned[0].layers[0]


def read_layer(layer: Layer) -> ReadLayer | None:
    """The op that a layer is; None where it does nothing.

    Raises:
        ReadingError: No op does what it does.
    """
    row = _row(layer)
    params, stride = _params(layer, row)
    _check_the_rest(layer, row)
    try:
        op = OpSpec(row.kind.name, **params)
    except SpecError as cause:
        raise ReadingError(f"{layer.where} is no op: {cause}") from cause
    if op.kind.spelling:
        op = op.replace(**{**op.kind.spelling(op.params), **({"bias": op["bias"]} if "bias" in op.params else {})})
    is_off = op.role is Role.DROPOUT and layer.is_training is False
    if is_off or (op.is_identity and op.role is not Role.WEIGHT):
        return None
    return ReadLayer(layer, op, stride)


def no_op(where: str, name: str) -> ReadingError:
    """The error for a layer or function that has no row in the op table."""
    plain, known = undimensioned(name), {fold(op): op for op in op_names()}
    # Of words as short as pad, everything is near.
    close = [known[one] for one in nearest(plain, known)] if len(plain) > 3 else []
    close += [op for op in known.values() if plain.startswith(op)]
    hint = f" The nearest is {close[0]!r}." if close else ""
    return ReadingError(
        f"{where} has no row in the op table.{hint} Read the part of the module that is a block: conv or linear, norm, "
        f"activation, pool and dropout."
    )


def _row(layer: Layer) -> Row:
    """The row whose constants are the layer's arguments; that with most of them where there are several."""
    if not layer.rows:
        raise no_op(layer.where, layer.name)
    fits = [
        row
        for row in layer.rows
        if _suits(layer, row) and all(_held(layer, row, key) == value for key, value in row.constants.items())
    ]
    if not fits:
        raise _unsuited(layer)
    return max(fits, key=lambda row: len(row.constants))


def _suits(layer: Layer, row: Row) -> bool:
    dims = len(layer.in_shape) - 2
    if row.call != (row.kind.on_maps if dims else row.kind.on_features):
        return False
    name = fold(row.call.target.format(dims=dims or 1))
    # nn.Dropout2d drops whole maps of a volume, too.
    return row.kind.role is Role.DROPOUT or fold(layer.name) in (name, undimensioned(name))


def _unsuited(layer: Layer) -> ReadingError:
    kind, shape = layer.rows[0].kind, layer.in_shape
    forms = [
        f"{call.target.format(dims=max(len(shape) - 2, 1))} on {on}"
        for call, on in ((kind.on_maps, "maps (n, channels, *sizes)"), (kind.on_features, "features (n, features)"))
        if call
    ]
    return ReadingError(
        f"{layer.where} works on a tensor of shape {shape} here, but op {kind.name!r} is {' and '.join(forms)}."
    )


def _params(layer: Layer, row: Row) -> tuple[dict[str, Value], int]:
    params: dict[str, Value] = {}
    stride = 1
    for key, value in row.call.arguments.items():
        name = str(value)[1:]
        if not is_variable(value) or name in _PLACE:
            continue
        held = _held(layer, row, key)
        if name == "n_groups":
            params["groups"] = _groups(row.kind, held, layer.in_shape[1])
        elif name == "bias":
            params["bias"] = held is not None and held is not False
        elif name == "stride" and row.kind.role is Role.WEIGHT:
            stride = held
        else:
            params[name] = 0 if held == "valid" else held
    return params, stride


def _held(layer: Layer, row: Row, key: str) -> Any:
    held = layer.arguments.get(key, row.defaults.get(key, _MISSING) if layer.is_function else _MISSING)
    if held is _MISSING:
        raise ReadingError(f"{layer.where} keeps no attribute {key!r}, from which op {row.kind.name!r} would be read.")
    plain = _plain(held)
    if isinstance(plain, tuple):
        raise ReadingError(f"{layer.where} has {key}={plain!r}, but an op has the same {key} in every dimension.")
    return plain


def _plain(held: Any) -> Any:
    """A value as the op table writes it: one number where all dimensions have the same."""
    if isinstance(held, tuple | list):
        plain = tuple(_plain(one) for one in held)
        return plain[0] if plain and len(set(plain)) == 1 else plain
    if isinstance(held, Integral) and not isinstance(held, bool):
        return int(held)
    return float(held) if isinstance(held, Real) and not isinstance(held, bool) else held


def _groups(kind: OpKind, n_groups: int, channels: int) -> Value:
    """The limit that gives this number of groups: the default where it does."""
    param = kind.param("groups")
    default = int(param.default or 1) if param else 1
    largest = next(d for d in range(min(channels, default), 0, -1) if channels % d == 0)
    return default if largest == n_groups else n_groups


def _check_the_rest(layer: Layer, row: Row) -> None:
    """What the op has no parameter for is at its default."""
    for key, default in row.defaults.items():
        held = layer.arguments.get(key, _MISSING)
        if key in row.call.arguments or key in _IGNORED or held is _MISSING or isinstance(held, Tensor):
            continue
        if _plain(held) != _plain(default):
            raise ReadingError(
                f"{layer.where} has {key}={held!r}, which a block does not hold: op {row.kind.name!r} has "
                f"{key}={default!r}."
            )
