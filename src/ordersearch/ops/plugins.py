"""What a row of a plugin keeps to, so that it works wherever a built-in one does."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ordersearch.ops.kinds import Call, KerasOp, OpKind, Param, Role, Trait, Value

FITTING: dict[Trait, frozenset[Role]] = {
    Trait.MONOTONE: frozenset({Role.ACTIVATION}),
    Trait.HOMOGENEOUS: frozenset({Role.ACTIVATION}),
    Trait.LINEAR: frozenset({Role.ACTIVATION}),
    Trait.SELF_NORMALISING: frozenset({Role.ACTIVATION, Role.DROPOUT}),
    Trait.SCALING: frozenset({Role.DROPOUT}),
    Trait.AFFINE: frozenset({Role.DROPOUT}),
    Trait.INCREASING: frozenset({Role.DROPOUT}),
    Trait.PER_CHANNEL: frozenset({Role.DROPOUT}),
    Trait.TAKES_MAX: frozenset({Role.POOL}),
    Trait.TAKES_MEAN: frozenset({Role.POOL}),
    Trait.KEEPS_CONSTANTS: frozenset({Role.POOL}),
    Trait.CENTRES_CHANNELS: frozenset({Role.NORM}),
    Trait.BATCH_STATISTICS: frozenset({Role.NORM}),
    Trait.POINTWISE: frozenset({Role.WEIGHT}),
}
"""The roles whose ops can have a trait."""

FROM_PLACE = frozenset({"in_channels", "out_channels", "channels", "stride", "bias"})
"""What the place in a network gives to any constructor call, as ``$name``; a norm with ``groups`` gets n_groups."""

READ_OVER = frozenset(
    {
        *("in_features", "out_features", "num_features", "num_channels", "normalized_shape", "filters", "units"),
        *("input_shape", "input_dim", "name", "data_format", "axis", "inplace", "device", "dtype", "activation"),
    }
)
"""Arguments of pasted code that the notation reads over, hence no names of parameters."""

SHARED: dict[str, frozenset[Role]] = {
    "kernel": frozenset({Role.WEIGHT, Role.POOL}),
    "padding": frozenset({Role.WEIGHT, Role.POOL}),
    "stride": frozenset({Role.POOL}),
    "dilation": frozenset({Role.WEIGHT}),
    "bias": frozenset({Role.WEIGHT}),
    "groups": frozenset({Role.WEIGHT, Role.NORM}),
}
"""Parameters that shapes, biases and costs are computed from, and the roles in which they mean that."""

_RESERVED = (FROM_PLACE | READ_OVER | {"n_groups"}) - SHARED.keys()
_WORD = re.compile(r"[a-z][a-z0-9_]*")


def row_fault(name: str, row: Any) -> str:
    """Why what a plugin gives as the op of this name is none, as the end of a sentence; "" if nothing is wrong.

    Example:
        >>> row_fault("square", OpKind("sqr", Role.ACTIVATION, "x times x"))
        "its row is named 'sqr': both have one name"
    """
    if not isinstance(row, OpKind):
        return f"it is of type {type(row).__name__}, where an op is an ordersearch.ops.OpKind"
    return next(chain(_row_faults(name, row), _call_faults(row), _param_faults(row)), "")


def _row_faults(name: str, row: OpKind) -> Iterator[str]:
    if row.name != name:
        yield f"its row is named {row.name!r}: both have one name"
    if name == "none":
        yield "that name leaves an op out in search spaces: take another"
    if row.aliases:
        yield f"it has aliases ({', '.join(row.aliases)}), which are found only once it is imported: leave them out"
    if not isinstance(row.role, Role) or row.role is Role.MERGE:
        # What joins a shortcut is built and costed as a sum, whatever a row says.
        yield f"its role is {row.role!r}, where a plugin adds a Role of {', '.join(set_out(set(Role) - {Role.MERGE}))}"
    for trait in row.traits:
        if row.role not in FITTING.get(trait, ()):
            yield f"it claims {str(trait)!r}, a trait of {' and '.join(set_out(FITTING.get(trait, frozenset())))} ops"
    if extra := set_out(set(row.conditions) - row.traits):
        yield f"it has conditions for {', '.join(extra)}, which it does not claim"
    if not isinstance(row.keras, KerasOp | None):
        yield f"its keras is of type {type(row.keras).__name__}, where it is an ordersearch.ops.KerasOp or None"
    if not math.isfinite(row.at_zero):
        yield f"at_zero is {row.at_zero!r}, where it is a finite number"


def _call_faults(row: OpKind) -> Iterator[str]:
    calls = [call for call in (row.on_maps, row.on_features) if call is not None]
    if not calls or not all(isinstance(call, Call) for call in calls):
        yield "on_maps and on_features are an ordersearch.ops.Call or None, and one of them is a call"
    if row.role is Role.WEIGHT and len(calls) == 2:
        yield "a weight is on maps or on features, since it says on which of them its block works: make two rows"
    params = {param.name for param in row.params}
    by_place = {"n_groups"} if row.role is Role.NORM and "groups" in params else set()
    taken = {
        value[1:] for call in calls for value in call.arguments.values() if isinstance(value, str) and value[:1] == "$"
    }
    if unknown := set_out(taken - params - FROM_PLACE - by_place):
        yield f"its call takes ${unknown[0]}, which is neither a parameter of its own nor the place's"
    if unused := set_out(params - taken - ({"groups"} if by_place else set())):
        yield f"its parameter {unused[0]!r} changes no layer: no call of it takes ${unused[0]}"
    for call in calls:
        module, _, name = call.target.format(dims=2).rpartition(".")
        if not module or not name:
            yield f"its call's target is {call.target!r}, where it is a class with its module: 'package.layers.Square'"


def _param_faults(row: OpKind) -> Iterator[str]:
    names = [name for param in row.params for name in (param.name, *param.aliases)]
    for name in names:
        if not _WORD.fullmatch(name):
            yield f"its parameter {name!r} is not made of small letters, digits and _"
        if names.count(name) > 1:
            yield f"two of its parameters are called {name!r}"
        if name in _RESERVED:
            yield f"its parameter {name!r} would be the place's in the network, or read over: call it otherwise"
        if name in SHARED and row.role not in SHARED[name]:
            yield f"its parameter {name!r} is one of {' and '.join(set_out(SHARED[name]))} ops: call it otherwise"
    for param in row.params:
        yield from _one_param(row, param)


def _one_param(row: OpKind, param: Param) -> Iterator[str]:
    if not isinstance(param.default, Value):
        yield f"the default of {param.name!r} is {param.default!r}, where it is a number, a truth value, a word or None"
    elif not param.accepts(param.default):
        yield f"its parameter {param.name!r} does not accept its default, {param.default!r}"
    if row.role is Role.WEIGHT and param.name == "bias" and not param.accepts("auto"):
        yield "its parameter 'bias' does not accept 'auto': take ordersearch.ops.bounds.BIAS"
    if row.role is Role.WEIGHT and param.name == "padding" and not (row.param("kernel") and row.param("dilation")):
        yield "it has a padding without kernel and dilation, from which 'same' follows: add both"


def set_out(found: set[Any] | frozenset[Any]) -> list[str]:
    """The words of a set in alphabetical order."""
    return sorted(map(str, found))
