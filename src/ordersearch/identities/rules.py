"""Which two neighbours may be swapped, and why: decided by roles and traits alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ordersearch.ops import OpSpec, Role, Trait

Traits = frozenset[Trait]


@dataclass(frozen=True, slots=True)
class Rule:
    """Two ops commute exactly: in training with the same masks, outputs and gradients, and in evaluation.

    Args:
        first: Role of the one op.
        first_traits: What it must have.
        second: Role of the other op.
        second_traits: What that must have.
        reason: Why, in one sentence in which ``{first}`` and ``{second}`` stand for the two ops.
    """

    first: Role
    first_traits: Traits
    second: Role
    second_traits: Traits
    reason: str


RULES = (
    Rule(
        Role.ACTIVATION,
        frozenset({Trait.MONOTONE}),
        Role.POOL,
        frozenset({Trait.TAKES_MAX}),
        "{first} never decreases, so the largest value of a window stays the largest: f(max x) = max f(x).",
    ),
    Rule(
        Role.ACTIVATION,
        frozenset({Trait.LINEAR}),
        Role.POOL,
        frozenset({Trait.TAKES_MEAN}),
        "{first} is linear, so the mean of its values is its value at the mean.",
    ),
    Rule(
        Role.ACTIVATION,
        frozenset({Trait.HOMOGENEOUS}),
        Role.DROPOUT,
        frozenset({Trait.SCALING, Trait.INCREASING}),
        "{second} multiplies by factors that are never negative, and {first} passes these through: f(ax) = a f(x).",
    ),
    Rule(
        Role.ACTIVATION,
        frozenset({Trait.LINEAR}),
        Role.DROPOUT,
        frozenset({Trait.SCALING}),
        "{second} multiplies, and {first} is linear: f(ax) = a f(x).",
    ),
    Rule(
        Role.DROPOUT,
        frozenset({Trait.PER_CHANNEL, Trait.INCREASING}),
        Role.POOL,
        frozenset({Trait.TAKES_MAX}),
        "{first} treats all values of a map alike and never turns their order round, so the largest stays the largest.",
    ),
    Rule(
        Role.DROPOUT,
        frozenset({Trait.PER_CHANNEL, Trait.SCALING}),
        Role.POOL,
        frozenset({Trait.TAKES_MEAN}),
        "{first} multiplies all values of a map by one factor, and {second} takes means, which are linear.",
    ),
    Rule(
        Role.DROPOUT,
        frozenset({Trait.PER_CHANNEL, Trait.AFFINE}),
        Role.POOL,
        frozenset({Trait.TAKES_MEAN, Trait.KEEPS_CONSTANTS}),
        "{first} maps all values of a map by one ax + b, and a mean over real values alone passes that through.",
    ),
    Rule(
        Role.DROPOUT,
        frozenset({Trait.SCALING}),
        Role.DROPOUT,
        frozenset({Trait.SCALING}),
        "{first} and {second} both multiply by random factors that do not look at the values, and factors commute.",
    ),
)
"""Every exact swap that is known; a weight, a norm or ``add`` is in none of them."""


@lru_cache(maxsize=8192)
def _rule(first: Role, first_traits: Traits, second: Role, second_traits: Traits) -> tuple[Rule, bool] | None:
    """The rule by which such ops commute, and whether they stand the other way round in it."""
    for rule in RULES:
        for turned in (False, True):
            a, a_traits, b, b_traits = (
                (second, second_traits, first, first_traits) if turned else (first, first_traits, second, second_traits)
            )
            if (a, b) == (rule.first, rule.second) and rule.first_traits <= a_traits and rule.second_traits <= b_traits:
                return rule, turned
    return None


def commute(a: OpSpec, b: OpSpec) -> bool:
    """Whether neighbours ``a`` and ``b`` may be swapped without changing the network.

    Example:
        >>> commute(OpSpec("relu"), OpSpec("max_pool")), commute(OpSpec("gelu"), OpSpec("max_pool"))
        (True, False)
    """
    return _rule(a.kind.role, a.traits, b.kind.role, b.traits) is not None


def swap_reason(a: OpSpec, b: OpSpec) -> str | None:
    """Why neighbours ``a`` and ``b`` may be swapped, in one sentence; None when they may not.

    Example:
        >>> swap_reason(OpSpec("relu"), OpSpec("dropout"))
        'dropout multiplies by factors that are never negative, and relu passes these through: f(ax) = a f(x).'
    """
    found = _rule(a.role, a.traits, b.role, b.traits)
    if found is None:
        return None
    rule, turned = found
    first, second = (b, a) if turned else (a, b)
    return rule.reason.format(first=first, second=second)


def blocking_reason(a: OpSpec, b: OpSpec) -> str:
    """Why ``a`` and ``b`` do not commute, in one sentence.

    Example:
        >>> blocking_reason(OpSpec("max_pool"), OpSpec("gelu"))
        'gelu decreases somewhere, so the largest value of a window need not stay the largest.'
    """
    by_role = {op.role: op for op in (b, a)}
    for role in (Role.MERGE, Role.WEIGHT, Role.NORM):
        if role in by_role:
            op = by_role[role]
            return _barrier_reason(op, b if op is a else a)
    if a.role is b.role:
        return f"{a} and {b} are both of role {a.role}, and the one works on what the other has made."
    if Role.POOL not in by_role:
        return _blocks_dropout(by_role[Role.ACTIVATION], by_role[Role.DROPOUT])
    if Role.DROPOUT in by_role:
        return _blocks_pooled_dropout(by_role[Role.DROPOUT], by_role[Role.POOL])
    activation, pool = by_role[Role.ACTIVATION], by_role[Role.POOL]
    if Trait.TAKES_MAX in pool.traits:
        return f"{activation} decreases somewhere, so the largest value of a window need not stay the largest."
    return f"{activation} is not linear, so the mean of its values is not its value at the mean."


def _barrier_reason(barrier: OpSpec, other: OpSpec) -> str:
    if barrier.role is Role.MERGE:
        return (
            f"The shortcut that {barrier} joins passes through what comes behind it only, so {other} cannot move past."
        )
    if barrier.role is Role.WEIGHT and Trait.POINTWISE in barrier.traits and Trait.TAKES_MEAN in other.traits:
        return (
            f"{barrier} and {other} commute at stride 1, but not with the stride that a network may give to {barrier}."
        )
    if barrier.role is Role.WEIGHT:
        return (
            f"{barrier} mixes channels or neighbours, so its inputs and its outputs are different values for {other}."
        )
    return f"{barrier} takes its statistics of the values that it gets, and {other} changes these."


def _blocks_dropout(activation: OpSpec, dropout: OpSpec) -> str:
    if Trait.SCALING not in dropout.traits:
        return f"{dropout} also adds to what it scales, and {activation} of a sum is not the sum of its values."
    if activation.kind.at_zero != 0:
        return (
            f"{activation} makes {activation.kind.at_zero:.3g} of 0, so a value dropped before it is not 0 behind it."
        )
    if Trait.HOMOGENEOUS not in activation.traits:
        return f"{dropout} scales what it keeps, and {activation} does not pass factors through: f(ax) != a f(x)."
    return f"{dropout} can multiply by negative factors, which {activation} does not pass through."


def _blocks_pooled_dropout(dropout: OpSpec, pool: OpSpec) -> str:
    if Trait.PER_CHANNEL not in dropout.traits:
        return (
            f"{dropout} draws for each element, so {pool} would mix several draws where there would be one behind it."
        )
    if Trait.TAKES_MAX in pool.traits:
        return (
            f"{dropout} can turn the order of values round, so the largest value of a window need not stay the largest."
        )
    return f"{dropout} adds to what it scales, and {pool} counts zeros beyond the edge, which it does not add to."
