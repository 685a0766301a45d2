"""What real layers say about swaps and biases: the identities' claims are held against this."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence

from ordersearch.identities import bias_is_redundant, commute
from ordersearch.ops import OpSpec, Role, Trait
from ordersearch.testing.layers import SEEDS, TOLERANCE, answers, distance, inputs, layer
from ordersearch.testing.variants import partners

_SURELY_DIFFERENT = 1e-6


def swap_distance(a: OpSpec, b: OpSpec, dims: int, seed: int, *, stride: int = 1) -> float:
    """How far ``a > b`` and ``b > a`` are apart, with the same weights and masks."""
    there, back = ([layer(a, dims, seed, stride=stride), layer(b, dims, seed + 100, stride=stride)] for _ in range(2))
    one = answers(there, inputs(dims, seed), ["first", "second"])
    return distance(one, answers(back[::-1], inputs(dims, seed), ["second", "first"]))


def pairs(ops: Sequence[OpSpec], wanted: Callable[[OpSpec, OpSpec], bool]) -> Iterator[tuple[OpSpec, OpSpec]]:
    """Each ordered pair of different ops that is wanted."""
    return ((a, b) for a in ops for b in ops if a != b and wanted(a, b))


def false_swaps(found: Iterable[tuple[OpSpec, OpSpec]], dims: int, *, seeds: Iterable[int] = SEEDS) -> Iterator[str]:
    """Of pairs of which the traits say that they commute, those whose layers do not."""
    for a, b in found:
        worst = max(swap_distance(a, b, dims, seed) for seed in seeds)
        if worst > TOLERANCE:
            yield f"{a} > {b} commutes, says the code, but the layers differ by {worst:.2g}"


def swap_contradictions(
    dims: int, wanted: Callable[[OpSpec, OpSpec], bool] = lambda a, b: a.role is not b.role
) -> list[str]:
    """Pairs of neighbours of which the code says that they commute and the layers that they do not, or the reverse."""
    claims = {True: list[tuple[OpSpec, OpSpec]](), False: list[tuple[OpSpec, OpSpec]]()}
    for a, b in pairs(partners(dims), wanted):
        claims[commute(a, b)].append((a, b))
    found = list(false_swaps(claims[True], dims))
    for a, b in claims[False]:
        strides = (1, 2) if dims and Role.WEIGHT in (a.role, b.role) else (1,)
        distances = (swap_distance(a, b, dims, seed, stride=stride) for stride in strides for seed in SEEDS)
        if all(d <= _SURELY_DIFFERENT for d in distances):
            found.append(f"{a} > {b} does not commute, says the code, but the layers agree")
    return found


def bias_distance(ops: Sequence[OpSpec], dims: int, seed: int) -> float:
    """How far the ops are from the same ones without the first one's bias, with its gradient left out."""
    rest = [layer(op, dims, seed + 1 + index) for index, op in enumerate(ops[1:])]
    biased, plain = (layer(ops[0].replace(bias=bias), dims, seed, key=str(ops[0])) for bias in (True, False))
    plain.layer.load_state_dict({k: v for k, v in biased.layer.state_dict().items() if k != "bias"})
    names = [str(index) for index in range(len(ops))]
    a = answers([biased, *copy.deepcopy(rest)], inputs(dims, seed), names)
    b = answers([plain, *rest], inputs(dims, seed), names)
    gradient = float(a["0 layer.bias gradient"].detach().abs().max())
    if not _forgets(ops[-1]):
        del a["evaluation"]
    return max(gradient, distance(a, b, ignoring="bias gradient") if gradient <= TOLERANCE else float("inf"))


def _forgets(norm: OpSpec) -> bool:
    """Whether one batch makes the norm's running statistics forget what they began with."""
    return Trait.BATCH_STATISTICS not in norm.traits or norm.params.get("momentum") == 1


def biased_rows(ops: Sequence[OpSpec]) -> Iterator[list[OpSpec]]:
    """Every row of ops from a weight with a bias to a norm, with one op or none between."""
    norms = [op for op in ops if op.role is Role.NORM]
    between: list[list[OpSpec]] = [[], *([op] for op in ops if op.role not in (Role.WEIGHT, Role.NORM))]
    weights = [op for op in ops if op.role is Role.WEIGHT and "bias" in op.params]
    return ([weight, *middle, norm] for weight in weights for middle in between for norm in norms)


def false_biases(found: Iterable[Sequence[OpSpec]], dims: int, *, seeds: Iterable[int] = SEEDS[:2]) -> Iterator[str]:
    """Of rows of ops of which the traits say that the norm cancels the bias, those whose layers show it."""
    for ops in found:
        worst = max(bias_distance(ops, dims, seed) for seed in seeds)
        if worst > TOLERANCE:
            yield f"{' > '.join(map(str, ops))} cancels the bias, says the code, but it makes {worst:.2g}"


def bias_contradictions(dims: int, about: str = "") -> list[str]:
    """Ops from a weight to a norm of which the code says wrongly that the norm cancels the bias, or that not."""
    rows = [ops for ops in biased_rows(partners(dims)) if about in " > ".join(map(str, ops))]
    found = list(false_biases([ops for ops in rows if bias_is_redundant(ops, 0)], dims))
    for ops in rows:
        distances = [bias_distance(ops, dims, seed) for seed in SEEDS[:2]]
        if not bias_is_redundant(ops, 0) and max(distances) <= _SURELY_DIFFERENT:
            text = " > ".join(map(str, ops))
            found.append(f"{text} does not cancel the bias, says the code, but the layers do")
    return found
