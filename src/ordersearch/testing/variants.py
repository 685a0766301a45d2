"""Which parameters an op is looked at with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from ordersearch.calls import plan_block
from ordersearch.errors import SpecError
from ordersearch.ops import OpKind, OpSpec, Param, Role, Value, op_kind, op_names
from ordersearch.spec import BlockSpec
from ordersearch.spec.notation import read_ops

VARIANTS = {
    "conv": ("conv", "conv(kernel=1)"),
    "group_norm": ("group_norm(groups=2)",),
    "batch_norm": ("batch_norm(momentum=1)",),
    "dropout": ("dropout", "dropout(p=0.2)"),
    "leaky_relu": ("leaky_relu", "leaky_relu(negative_slope=-0.5)"),
    "max_pool": ("max_pool", "max_pool(kernel=3, stride=2, padding=1)"),
    "avg_pool": (
        "avg_pool",
        "avg_pool(kernel=3, stride=2, padding=1)",
        "avg_pool(kernel=3, stride=2, padding=1, count_include_pad=false)",
    ),
}
"""Parameters that change what a built-in op may be swapped with.

A momentum of 1 shows the running statistics of the last batch; groups of several channels show that a group norm does
not centre each channel.
"""

_TRIED: tuple[Value, ...] = (0, 1, 0.25, -0.5, True, False)
# PyTorch warns of a convolution with an even window and padding on both sides.
_LARGER: dict[bool, Value] = {True: 5, False: 2}


def places(kind: OpKind) -> tuple[int, ...]:
    """The numbers of dimensions that the op has a layer for; 0 stands for features."""
    return (*((0,) if kind.on_features else ()), *((1, 2, 3) if kind.on_maps else ()))


def partners(dims: int) -> list[OpSpec]:
    """Every op of the table, plugins' included, that has a layer there, with the parameters that count."""
    names = [name for name in op_names() if op_kind(name).role is not Role.MERGE]
    ops = [op for name in names for text in VARIANTS.get(name, (name,)) for op in read_ops(text)]
    return [op for op in ops if dims in places(op.kind)]


def variants(kind: OpKind) -> list[OpSpec]:
    """The op at its defaults and with each parameter at a few other values that it accepts and a block takes."""
    texts = VARIANTS.get(kind.name, ())
    found = [OpSpec(kind.name), *(op for text in texts for op in read_ops(text)), *_others(kind)]
    return list(dict.fromkeys(found))


def _others(kind: OpKind) -> Iterator[OpSpec]:
    for param in kind.params:
        for value in values(param, _LARGER[kind.role is Role.WEIGHT]):
            with suppress(SpecError):
                op = OpSpec(kind.name, **{param.name: value})
                for dims in places(kind):
                    weight = OpSpec("conv" if dims else "linear")
                    plan_block(BlockSpec([op] if kind.role is Role.WEIGHT else [weight, op]), 6, 6, dims=dims or 2)
                yield op


def values(param: Param, *further: Value) -> list[Value]:
    """A few values besides the default that a parameter accepts: numbers, truth values, words that it names."""
    words = re.findall(r"'([a-z]\w*)'", param.holds)
    found = [value for value in (*_TRIED, *further, *words) if _is_another(value, param)]
    return list(dict.fromkeys(found))


def _is_another(value: Value, param: Param) -> bool:
    if isinstance(value, bool) != isinstance(param.default, bool) and not isinstance(param.default, str):
        return False
    return param.accepts(value) and value != param.default
