"""The class of a block: its canonical name, its members, and whether two blocks share one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ordersearch.errors import SpecError
from ordersearch.identities.rules import commute
from ordersearch.ops import OpSpec, Role, Trait
from ordersearch.spec import BlockSpec

MAX_MEMBERS = 10_000
"""How many orders ``members`` lists at most; ``each_member`` has no limit."""

# Where roles can be swapped, a canonical order reads like the convention: activation, pool, dropout.
_RANK = {role: rank for rank, role in enumerate((Role.ACTIVATION, Role.POOL, Role.DROPOUT))}


def bias_is_redundant(ops: Sequence[OpSpec], index: int) -> bool:
    """Whether what follows the weight at ``index`` cancels its bias, so that it would be trained for nothing.

    It does when a norm subtracts each channel's own mean, with nothing in between but pools that pass a constant on
    unchanged, or linear activations. Training is then the same with and without the bias, and so is evaluation once the
    running mean has forgotten its start.

    Args:
        ops: The ops of the block that is built, first to last.
        index: The place of the weight among them.

    Example:
        >>> bias_is_redundant(BlockSpec.parse("conv > max_pool > batch_norm").ops, 0)
        True
        >>> bias_is_redundant(BlockSpec.parse("conv > relu > batch_norm").ops, 0)
        False
    """
    for op in ops[index + 1 :]:
        if op.role is Role.NORM:
            return Trait.CENTRES_CHANNELS in op.traits
        if not (vanishes(op) or _shifts_with_its_input(op)):
            return False
    return False


def _shifts_with_its_input(op: OpSpec) -> bool:
    if op.role is Role.ACTIVATION:
        return Trait.LINEAR in op.traits
    takes = Trait.TAKES_MAX in op.traits or Trait.TAKES_MEAN in op.traits
    return op.role is Role.POOL and takes and Trait.KEEPS_CONSTANTS in op.traits


def plain_ops(spec: BlockSpec) -> list[OpSpec]:
    """The ops of the block in their order, each in its one spelling; those that do nothing are left out."""
    kept = [op for op in spec.ops if not vanishes(op)]
    return [plain_op(kept, index) for index in range(len(kept))]


def vanishes(op: OpSpec) -> bool:
    """Whether a block is the same without this op. A weight or ``add`` stays, for a block is built around them."""
    return op.is_identity and op.role not in (Role.WEIGHT, Role.MERGE)


def plain_op(ops: Sequence[OpSpec], index: int) -> OpSpec:
    """The op at ``index`` in its one spelling; ``bias=false`` is ``auto`` where the bias is left out anyway.

    The rule outlives the removal of pools and dropouts: ``true`` and ``auto`` differ by a redundant bias at most, and a
    bias that is redundant stays so when a pool in between goes.
    """
    op = ops[index]
    changes = dict(op.kind.spelling(op.params)) if op.kind.spelling else {}
    if op.role is Role.WEIGHT and op.params.get("bias") is False and bias_is_redundant(ops, index):
        changes["bias"] = "auto"
    return op.replace(**changes) if any(op.params[name] != value for name, value in changes.items()) else op


def canonical(spec: BlockSpec) -> BlockSpec:
    """The one name of the block's class, rates included: equal for two blocks exactly when they are equivalent.

    Ops that do nothing are left out, what can be written in several ways is written in one, and of all orders that
    become this one by swaps the first is taken (activation before pool before dropout, then by name). It speaks about
    every place in a network at once, hence nothing is swapped across a weight: ``conv(kernel=1)`` and ``avg_pool``
    commute at stride 1, but a network may give the convolution another stride. Equivalent blocks stay equivalent when a
    network leaves out their pools or dropouts.

    Example:
        >>> str(canonical(BlockSpec.parse("conv(bias=false) > batch_norm > dropout(p=0.1) > max_pool > relu")))
        'conv > batch_norm > relu > dropout(p=0.1) > max_pool'
        >>> str(canonical(BlockSpec.parse("conv > spatial_dropout > max_pool > relu > dropout(p=0)")))
        'conv > relu > max_pool > spatial_dropout'
    """
    ops = plain_ops(spec)
    before, keys = predecessors(ops), [_key(op) for op in ops]
    remaining = list(range(len(ops)))
    left, order = (1 << len(ops)) - 1, []
    while remaining:
        index = min((i for i in remaining if not before[i] & left), key=keys.__getitem__)
        remaining.remove(index)
        left ^= 1 << index
        order.append(ops[index])
    found = tuple(order)
    return spec if found == spec.ops else BlockSpec(found)


def _key(op: OpSpec) -> tuple[int, str, str]:
    return _RANK.get(op.role, -1), op.name, str(op)


def predecessors(ops: Sequence[OpSpec]) -> list[int]:
    """For each op, as the bits of a number, those that stand before it and cannot be swapped with it."""
    return [
        sum(1 << earlier for earlier in range(later) if not commute(ops[earlier], ops[later]))
        for later in range(len(ops))
    ]


def equivalent(a: BlockSpec, b: BlockSpec) -> bool:
    """Whether the two blocks are one network wherever they are built.

    Example:
        >>> a, b = BlockSpec.parse("conv > relu > max_pool"), BlockSpec.parse("conv > max_pool > relu")
        >>> equivalent(a, b)
        True
    """
    return canonical(a) == canonical(b)


def each_member(spec: BlockSpec) -> Iterator[BlockSpec]:
    """All orders of the block's class, canonical one first, then in its order; made one by one."""
    ops = canonical(spec).ops
    before, keys = predecessors(ops), [_key(op) for op in ops]

    def extend(order: tuple[int, ...], left: int) -> Iterator[tuple[int, ...]]:
        if not left:
            yield order
            return
        # Of ops that are written alike, only the first may come next: the others would give the same orders again.
        free = {keys[i]: i for i in reversed(range(len(ops))) if left >> i & 1 and not before[i] & left}
        for _, index in sorted(free.items()):
            yield from extend((*order, index), left ^ (1 << index))

    for order in extend((), (1 << len(ops)) - 1):
        yield BlockSpec(ops[index] for index in order)


def members(spec: BlockSpec) -> tuple[BlockSpec, ...]:
    """All orders of the block's class, canonical one first.

    Raises:
        SpecError: There are more than ``MAX_MEMBERS``; take as many of ``each_member`` as you need.

    Example:
        >>> [str(member) for member in members(BlockSpec.parse("conv > max_pool > relu"))]
        ['conv > relu > max_pool', 'conv > max_pool > relu']
    """
    found: list[BlockSpec] = []
    for member in each_member(spec):
        if len(found) == MAX_MEMBERS:
            raise SpecError(
                f"The class of block '{str(spec)[:300]}' has more than {MAX_MEMBERS} orders, which is more than are "
                f"listed. Take the first few of each_member(spec)."
            )
        found.append(member)
    return tuple(found)


def direct_successors(ops: Sequence[OpSpec], index: int) -> list[int]:
    """Where the ops are that meet the one at ``index``: next to it in some order of the class, and not to be swapped.

    Example:
        >>> direct_successors(BlockSpec.parse("conv > dropout > relu > tanh > max_pool").ops, 1)
        [3, 4]
    """
    before = predecessors(ops)
    behind, found = 1 << index, []
    for later in range(index + 1, len(ops)):
        if before[later] & behind:
            if not before[later] & behind & ~(1 << index):
                found.append(later)
            behind |= 1 << later
    return found
