"""Orders that have a name, and which of them a block equals."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ordersearch.advice.library_orders import LIBRARY_ORDERS
from ordersearch.advice.literature_orders import LITERATURE_ORDERS
from ordersearch.advice.named_order import NamedOrder
from ordersearch.advice.residual_orders import RESIDUAL_ORDERS
from ordersearch.errors import unknown_name
from ordersearch.identities import canonical, equivalent
from ordersearch.ops import OpSpec, Role, op_kind
from ordersearch.spec import BlockSpec


class WellKnown(NamedTuple):
    """A well-known order: its name, and who says so."""

    name: str
    source: str


CATALOGUE: Mapping[str, NamedOrder] = MappingProxyType(
    {row.name: row for row in (*LITERATURE_ORDERS, *LIBRARY_ORDERS, *RESIDUAL_ORDERS)}
)
"""The orders that have a name, by it: those of papers and tutorials, of libraries, and of residual blocks."""


def find_reference(name: str) -> NamedOrder:
    """The order of this name.

    Raises:
        UnknownNameError: The catalogue has none.

    Example:
        >>> find_reference("MONAI NDA").order
        'conv > batch_norm > dropout > relu'
    """
    if name not in CATALOGUE:
        raise unknown_name("reference", name, CATALOGUE)
    return CATALOGUE[name]


def well_known(spec: BlockSpec) -> list[WellKnown]:
    """The well-known orders that the block equals: its own ops in that order are the same network.

    Rates, kernels and the kinds of op do not count, save where a name stands for one kind.

    Example:
        >>> [known.name for known in well_known(BlockSpec.parse("conv > max_pool > batch_norm > gelu"))]
        ['pool before norm', 'record CIFAR-10 networks']
    """
    plain = canonical(spec)
    return [
        WellKnown(row.name, row.source)
        for row in CATALOGUE.values()
        if any(equivalent(arranged, plain) for arranged in _arrangements(plain, row.pattern))
    ]


def _arrangements(spec: BlockSpec, pattern: str) -> Iterator[BlockSpec]:
    """The block's ops in this order, for each choice of its optional parts that needs exactly these ops."""
    choices = [((part,) if not part.endswith("?") else (part[:-1], "")) for part in pattern.split(" > ")]
    for chosen in itertools.product(*choices):
        parts = [part for part in chosen if part]
        roles = [_role(part) for part in parts]
        if Counter(roles) == Counter(op.role for op in spec.ops):
            ops = [_nth(spec, role, roles[:place].count(role)) for place, role in enumerate(roles)]
            if all(part in (op.role, op.name) for part, op in zip(parts, ops, strict=True)):
                yield BlockSpec(ops)


def _role(part: str) -> Role:
    return Role(part) if part in set(Role) else op_kind(part).role


def _nth(spec: BlockSpec, role: Role, n: int) -> OpSpec:
    return [op for op in spec.ops if op.role is role][n]
