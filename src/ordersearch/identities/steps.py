"""Why two orders are one network: a chain of single steps from the one to the other, or what stands in the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ordersearch.errors import NotEquivalentError
from ordersearch.identities.classes import bias_is_redundant, plain_ops, vanishes
from ordersearch.identities.rules import blocking_reason, commute, swap_reason
from ordersearch.ops import OpSpec
from ordersearch.spec import BlockSpec

Ops = tuple[OpSpec, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One change that leaves the network what it is.

    Args:
        before: The block.
        after: The block with two neighbours swapped, or with one op left out, put in or written in another way.
        reason: Why that changes nothing, in one sentence.
    """

    before: BlockSpec
    after: BlockSpec
    reason: str


def why(a: BlockSpec, b: BlockSpec) -> list[Step]:
    """The chain of single steps that leads from ``a`` to ``b``; empty when they are the same.

    Raises:
        NotEquivalentError: They are two networks; the message names two ops that block the way, or what one lacks.

    Example:
        >>> for step in why(BlockSpec.parse("conv > relu > max_pool"), BlockSpec.parse("conv > max_pool > relu")):
        ...     print(step.after, "|", step.reason)
        conv > max_pool > relu | relu never decreases, so the largest value of a window stays the largest: f(max x) = max f(x).
    """  # noqa: E501
    if a == b:
        return []
    _check_equivalent(a, b)
    there, back = list(_without_what_vanishes(a)), list(_without_what_vanishes(b))
    start, goal = (there[-1].after if there else a), (back[-1].after if back else b)
    swaps = list(_swaps(start, goal))
    turned = swaps[-1].after if swaps else start
    put_in = [Step(step.after, step.before, step.reason) for step in reversed(back)]
    return [*there, *swaps, *_respellings(turned, goal), *put_in]


def _without_what_vanishes(spec: BlockSpec) -> Iterator[Step]:
    while index := next((i for i, op in enumerate(spec.ops) if vanishes(op)), -1) + 1:
        op, after = spec.ops[index - 1], BlockSpec((*spec.ops[: index - 1], *spec.ops[index:]))
        yield Step(spec, after, f"{op} does nothing, so it makes no difference whether it is there.")
        spec = after


def _swaps(spec: BlockSpec, goal: BlockSpec) -> Iterator[Step]:
    """Brings each op of the goal to its place, first to last; all that it passes stands behind it in the goal."""
    wanted = plain_ops(goal)
    for place, op in enumerate(wanted):
        for index in range(plain_ops(spec).index(op, place), place, -1):
            ops = list(spec.ops)
            reason = swap_reason(ops[index - 1], ops[index])
            ops[index - 1], ops[index] = ops[index], ops[index - 1]
            after = BlockSpec(ops)
            yield Step(spec, after, str(reason))
            spec = after


def _respellings(spec: BlockSpec, goal: BlockSpec) -> Iterator[Step]:
    for index, op in enumerate(goal.ops):
        if spec.ops[index] != op:
            after = BlockSpec((*spec.ops[:index], op, *spec.ops[index + 1 :]))
            yield Step(spec, after, _respelling_reason(spec.ops, index, op))
            spec = after


def _respelling_reason(ops: Ops, index: int, after: OpSpec) -> str:
    op = ops[index]
    if op.params.get("bias") != after.params.get("bias") and bias_is_redundant(ops, index):
        return f"The norm behind {op} subtracts each channel's mean, and with it whatever the bias adds."
    return f"{op} and {after} are two ways to write the same op."


def _check_equivalent(a: BlockSpec, b: BlockSpec) -> None:
    mine, its = plain_ops(a), plain_ops(b)
    more, less = Counter(mine) - Counter(its), Counter(its) - Counter(mine)
    if more or less:
        told = [
            f"the {which} has {', '.join(map(str, ops))}" for which, ops in (("first", more), ("second", less)) if ops
        ]
        raise NotEquivalentError(
            f"Blocks '{a}' and '{b}' are two networks: {' and '.join(told)} where the other has none of it."
        )
    blocked = _blocked_pair(mine, its)
    if blocked:
        first, second = blocked
        raise NotEquivalentError(
            f"Blocks '{a}' and '{b}' are two networks: {first} comes before {second} in the first, behind it in the "
            f"second, and they do not commute. {blocking_reason(first, second)}"
        )


def _blocked_pair(mine: Sequence[OpSpec], its: Sequence[OpSpec]) -> tuple[OpSpec, OpSpec] | None:
    """Two ops that do not commute and stand the other way round in ``its``, as near to each other as there are.

    Of ops that are written alike, the first of the one block is the first of the other.
    """
    places: dict[OpSpec, list[int]] = {}
    for place, op in enumerate(its):
        places.setdefault(op, []).append(place)
    theirs = [places[op].pop(0) for op in mine]
    for distance in range(1, len(mine)):
        for i in range(len(mine) - distance):
            first, second = mine[i], mine[i + distance]
            if theirs[i] > theirs[i + distance] and not commute(first, second):
                return first, second
    return None
