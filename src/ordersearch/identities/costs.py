"""What an order costs, counted in values that are touched, and the cheapest order of a class."""

from __future__ import annotations

from ordersearch.identities.classes import bias_is_redundant, canonical, predecessors
from ordersearch.ops import OpSpec, Role, Trait
from ordersearch.spec import BlockSpec


def cost(spec: BlockSpec, *, dims: int = 2) -> float:
    """How many values the block's ops touch for each value that comes in, with as many channels all the way.

    An activation, a pool and a per-channel dropout touch each value that they get once; a dropout that draws for each
    element touches its mask, too; a norm touches each value twice (statistics, then the values); a weight touches
    ``kernel ** dims`` values for each one that it writes, and each once more to add a bias; ``add`` touches two. A pool
    leaves ``1 / stride ** dims`` of the values. It is a count to compare orders by, not a time.

    Args:
        spec: The block.
        dims: Number of spatial dimensions, 1 to 3.

    Example:
        >>> cost(BlockSpec.parse("conv > relu > max_pool")), cost(BlockSpec.parse("conv > max_pool > relu"))
        (12.0, 11.25)
    """
    total, share = 0.0, 1.0
    for index, op in enumerate(spec.ops):
        total += share * _touches(spec, index, dims)
        if op.role is Role.POOL:
            share /= _stride(op) ** dims
    return total


def _touches(spec: BlockSpec, index: int, dims: int) -> float:
    op = spec.ops[index]
    if op.is_identity:
        return 0
    if op.role is Role.WEIGHT:
        bias = op.params.get("bias", False)
        has_bias = bias is True or (bias == "auto" and not bias_is_redundant(spec.ops, index))
        return float(_number(op, "kernel") ** dims + has_bias)
    if op.role in (Role.NORM, Role.MERGE):
        return 2
    return 2 if op.role is Role.DROPOUT and Trait.PER_CHANNEL not in op.traits else 1


def _stride(op: OpSpec) -> int:
    return _number(op, "stride") if op.params.get("stride") is not None else _number(op, "kernel")


def _number(op: OpSpec, name: str) -> int:
    value = op.params.get(name)
    return value if isinstance(value, int) else 1


def cheapest(spec: BlockSpec) -> BlockSpec:
    """The order of the block's class that costs least: each pool as early as it may stand, no redundant bias.

    Of several it is always the same one. No other order of the class has a smaller ``cost``, in any number of
    dimensions: an op can be behind a pool whenever it need not come before it, and here it is.

    Example:
        >>> str(cheapest(BlockSpec.parse("conv(bias=true) > batch_norm > relu > max_pool > dropout")))
        'conv > batch_norm > max_pool > relu > dropout'
    """
    ops = canonical(spec).ops
    before, left = predecessors(ops), (1 << len(ops)) - 1
    order: list[OpSpec] = []
    for pool in [i for i, op in enumerate(ops) if op.role is Role.POOL]:
        needed = _ancestors(before, pool) & left
        order += [op for i, op in enumerate(ops) if needed >> i & 1]
        left &= ~needed
    order += [op for i, op in enumerate(ops) if left >> i & 1]
    return BlockSpec(order)


def _ancestors(before: list[int], index: int) -> int:
    """The op and all that must come before it; canonical order is one in which all of these stand earlier."""
    found = 1 << index
    for earlier in reversed(range(index + 1)):
        if found >> earlier & 1:
            found |= before[earlier]
    return found
