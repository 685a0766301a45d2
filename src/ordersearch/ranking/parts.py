"""The parts of an order: which op stands before which, and behind which op each one stands."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from ordersearch.identities import commute, each_member, swap_reason
from ordersearch.ops import OpSpec, Role, Trait
from ordersearch.spec import BlockSpec

Pair = tuple[Role, Role]
"""A precedence: the first before the second."""

ROLES = (Role.DROPOUT, Role.POOL, Role.NORM, Role.ACTIVATION, Role.WEIGHT)
"""Of two, a precedence names the earlier one here first: "dropout before norm" and never "norm before dropout"."""

MOVABLE = (Role.NORM, Role.DROPOUT, Role.ACTIVATION, Role.POOL)
"""The roles whose places are told; a weight moves when all the others do."""


def has_parts(spec: BlockSpec) -> bool:
    """Whether each role is there once and no shortcut joins, so that "norm before activation" has one meaning.

    Example:
        >>> has_parts(BlockSpec.parse("conv > batch_norm > relu")), has_parts(BlockSpec.parse("conv > relu > conv"))
        (True, False)
    """
    roles = [op.role for op in spec]
    return Role.MERGE not in roles and len(set(roles)) == len(roles)


@lru_cache(maxsize=8192)
def precedences(spec: BlockSpec) -> frozenset[Pair]:
    """Which role stands before which, of those that cannot be swapped: with the ops themselves, this names the class.

    Example:
        >>> sorted(" before ".join(pair) for pair in precedences(BlockSpec.parse("conv > batch_norm > relu")))
        ['norm before activation', 'weight before activation', 'weight before norm']
    """
    return frozenset((a.role, b.role) for a, b in itertools.combinations(spec.ops, 2) if not commute(a, b))


def as_named(pair: Pair) -> Pair:
    """The pair in the order in which a precedence names it.

    Example:
        >>> as_named((Role.ACTIVATION, Role.NORM)) == as_named((Role.NORM, Role.ACTIVATION)) == (Role.NORM, Role.ACTIVATION)
        True
    """  # noqa: E501
    first, second = pair
    return pair if ROLES.index(first) < ROLES.index(second) else (second, first)


@lru_cache(maxsize=8192)
def placements(spec: BlockSpec, roles: tuple[Role, ...]) -> frozenset[tuple[str, ...]]:
    """Where the ops of these roles stand together, in words, in each order that is this network.

    Example:
        >>> sorted(placements(BlockSpec.parse("conv > batch_norm > relu > max_pool"), (Role.NORM, Role.POOL)))
        [('batch_norm after weight', 'max_pool after activation'), ('batch_norm after weight', 'max_pool after norm')]
        >>> sorted(placements(BlockSpec.parse("conv > relu"), (Role.DROPOUT,)))
        [('no dropout',)]
    """
    return frozenset(tuple(_placement(member.ops, role) for role in roles) for member in each_member(spec.at_rate()))


def _placement(ops: Sequence[OpSpec], role: Role) -> str:
    place = next((number for number, op in enumerate(ops) if op.role is role), None)
    if place is None:
        return f"no {role}"
    return f"{ops[place]} first" if place == 0 else f"{ops[place]} after {ops[place - 1].role}"


def drops_before_norm(spec: BlockSpec) -> bool:
    """Whether a dropout stands before a batch norm, whose running variance then holds the dropout's noise.

    Li et al. 2019, arXiv:1801.05134.

    Example:
        >>> drops_before_norm(BlockSpec.parse("conv > dropout > batch_norm > relu"))
        True
        >>> drops_before_norm(BlockSpec.parse("conv > batch_norm > relu > dropout"))
        False
    """
    is_dropped = False
    for op in spec:
        if is_dropped and Trait.BATCH_STATISTICS in op.traits:
            return True
        is_dropped = is_dropped or (op.role is Role.DROPOUT and not op.is_identity)
    return False


def same_networks(classes: Iterable[Sequence[BlockSpec]]) -> dict[Pair, tuple[str, ...]]:
    """The precedences that make no difference between orders of a space, each with the reasons why.

    Args:
        classes: For each network, the orders of the space that are it.

    Example:
        >>> both = [BlockSpec.parse("conv > relu > max_pool"), BlockSpec.parse("conv > max_pool > relu")]
        >>> same_networks([both])[Role.POOL, Role.ACTIVATION]
        ('relu never decreases, so the largest value of a window stays the largest: f(max x) = max f(x).',)
    """
    reasons: dict[Pair, dict[str, None]] = {}
    for members in classes:
        found: dict[Pair, tuple[OpSpec, OpSpec]] = {}
        for member in members:
            if len(members) > 1 and has_parts(member):
                found |= {(a.role, b.role): (a, b) for a, b in itertools.combinations(member.at_rate().ops, 2)}
        for pair, (a, b) in found.items():
            reason = swap_reason(a, b) if pair[::-1] in found else None
            if reason:
                reasons.setdefault(as_named(pair), {})[reason] = None
    return {pair: tuple(sorted(told)) for pair, told in reasons.items()}


def parts_of_groups(
    groups: Mapping[str, Sequence[str]], blocks: Mapping[str, BlockSpec]
) -> dict[str, tuple[BlockSpec, ...]]:
    """For each group of a network's roles, its blocks, where all of them have parts."""
    found = {name: tuple(blocks[role] for role in roles) for name, roles in groups.items() if set(roles) <= set(blocks)}
    return {name: specs for name, specs in found.items() if all(map(has_parts, specs))}
