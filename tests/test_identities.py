from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ordersearch.errors import NotEquivalentError, SpecError
from ordersearch.identities import (
    bias_is_redundant,
    blocking_reason,
    canonical,
    cheapest,
    commute,
    cost,
    direct_successors,
    each_member,
    equivalent,
    members,
    swap_reason,
    why,
)
from ordersearch.ops import OpSpec, Role
from ordersearch.spec import BlockSpec
from tests.strategies import block_specs, equivalent_pairs, equivalents, op_specs

parse = BlockSpec.parse
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "mish")
POOLS = ("max_pool", "avg_pool")
DROPOUTS = ("dropout", "spatial_dropout", "alpha_dropout")

# EVIDENCE 2.6: classes with the weight anywhere (all subsets, four ops) and first (all subsets, four ops).
FULL, FOUR_FIFTHS, MIDDLE, LEAST = (261, 120, 65, 24), (223, 96, 54, 18), (185, 72, 43, 12), (155, 54, 35, 8)
COUNTS = {
    ("homogeneous", "max_pool"): (MIDDLE, LEAST, FOUR_FIFTHS),
    ("homogeneous", "avg_pool"): (FOUR_FIFTHS, MIDDLE, FULL),
    ("monotone", "max_pool"): (FOUR_FIFTHS, MIDDLE, FOUR_FIFTHS),
    ("monotone", "avg_pool"): (FULL, FOUR_FIFTHS, FULL),
    ("neither", "max_pool"): (FULL, FOUR_FIFTHS, FULL),
    ("neither", "avg_pool"): (FULL, FOUR_FIFTHS, FULL),
}
LAW = dict(zip(ACTIVATIONS, ["homogeneous"] * 2 + ["monotone"] * 2 + ["neither"] * 2, strict=True))
EXPECTED = [
    (activation, pool, dropout, counts)
    for activation in ACTIVATIONS
    for pool in POOLS
    for dropout, counts in zip(DROPOUTS, COUNTS[LAW[activation], pool], strict=True)
]


def orders(activation: str, pool: str, dropout: str) -> Iterator[BlockSpec]:
    others = [OpSpec(name) for name in ("batch_norm", activation, pool, dropout)]
    for size in range(5):
        for chosen in itertools.combinations(others, size):
            yield from map(BlockSpec, itertools.permutations((OpSpec("conv"), *chosen)))


def weight_first(specs: list[BlockSpec]) -> list[BlockSpec]:
    return [spec for spec in specs if spec.ops[0].role is Role.WEIGHT]


def n_classes(specs: list[BlockSpec]) -> int:
    return len({canonical(spec) for spec in specs})


@pytest.mark.parametrize(("activation", "pool", "dropout", "counts"), EXPECTED)
def test_class_counts(activation: str, pool: str, dropout: str, counts: tuple[int, int, int, int]) -> None:
    anywhere = list(orders(activation, pool, dropout))
    first = weight_first(anywhere)
    four = [[spec for spec in specs if len(spec) == 5] for specs in (anywhere, first)]
    assert (len(anywhere), len(four[0]), len(first), len(four[1])) == FULL
    assert tuple(map(n_classes, (anywhere, four[0], first, four[1]))) == counts


def test_class_counts_of_whole_menu() -> None:
    menu = itertools.product(ACTIVATIONS, POOLS, DROPOUTS)
    anywhere = list({spec for chosen in menu for spec in orders(*chosen)})
    assert (len(anywhere), n_classes(anywhere)) == (6355, 5331)
    assert (len(weight_first(anywhere)), n_classes(weight_first(anywhere))) == (1403, 1123)


def by_brute_force(spec: BlockSpec) -> set[tuple[OpSpec, ...]]:
    """The class by trying every swap of neighbours again and again."""
    found, waiting = {spec.ops}, [spec.ops]
    while waiting:
        ops = waiting.pop()
        for i in range(len(ops) - 1):
            if commute(ops[i], ops[i + 1]):
                swapped = (*ops[:i], ops[i + 1], ops[i], *ops[i + 2 :])
                if swapped not in found:
                    found.add(swapped)
                    waiting.append(swapped)
    return found


@given(block_specs(max_ops=7))
def test_members_are_what_swaps_reach(spec: BlockSpec) -> None:
    listed = members(spec)
    assert {member.ops for member in listed} == by_brute_force(canonical(spec))
    assert len(listed) == len(set(listed))
    assert listed[0] == canonical(spec)
    assert all(canonical(member) == canonical(spec) for member in listed)


@given(block_specs())
def test_canonical_is_idempotent(spec: BlockSpec) -> None:
    assert canonical(canonical(spec)) == canonical(spec)
    assert equivalent(spec, spec)


@given(equivalent_pairs())
def test_moves_keep_the_class(pair: tuple[BlockSpec, BlockSpec]) -> None:
    a, b = pair
    assert canonical(a) == canonical(b)
    assert equivalent(b, a)


@given(st.data(), block_specs(max_ops=6))
def test_equivalence_is_transitive(data: st.DataObject, a: BlockSpec) -> None:
    b = data.draw(equivalents(a))
    c = data.draw(equivalents(b))
    assert equivalent(a, c)


@given(st.data(), block_specs(max_ops=6))
def test_other_orders_are_told_apart_as_swaps_tell_them(data: st.DataObject, spec: BlockSpec) -> None:
    plain = canonical(spec)
    ops = data.draw(st.permutations(plain.ops))
    try:
        other = canonical(BlockSpec(ops))
    except SpecError:
        assume(False)
    assume(Counter(other.ops) == Counter(plain.ops))
    assert equivalent(spec, other) == (other.ops in by_brute_force(plain))


@given(equivalent_pairs())
@pytest.mark.parametrize("roles", [(Role.POOL,), (Role.DROPOUT,), (Role.POOL, Role.DROPOUT)], ids=str)
def test_equivalence_survives_what_a_network_leaves_out(
    roles: tuple[Role, ...], pair: tuple[BlockSpec, BlockSpec]
) -> None:
    a, b = pair
    assert equivalent(a.without(*roles), b.without(*roles))


@given(block_specs(max_ops=7), st.integers(1, 3))
def test_cheapest_is_the_member_of_least_cost(spec: BlockSpec, dims: int) -> None:
    best, costs = cheapest(spec), [cost(member, dims=dims) for member in members(spec)]
    assert best in members(spec)
    assert cost(best, dims=dims) == pytest.approx(min(costs), rel=1e-12)
    assert cost(best, dims=dims) <= cost(spec, dims=dims) * (1 + 1e-12)


@given(equivalent_pairs())
def test_cheapest_is_one_for_the_class(pair: tuple[BlockSpec, BlockSpec]) -> None:
    assert cheapest(pair[0]) == cheapest(pair[1])


def is_single_move(before: BlockSpec, after: BlockSpec) -> bool:
    a, b = before.ops, after.ops
    if len(a) != len(b):
        long, short = (a, b) if len(a) > len(b) else (b, a)
        return any(long[i].is_identity and (*long[:i], *long[i + 1 :]) == short for i in range(len(long)))
    changed = [i for i in range(len(a)) if a[i] != b[i]]
    if len(changed) == 1:
        return canonical(before) == canonical(after) and a[changed[0]].name == b[changed[0]].name
    i, j = changed
    return j == i + 1 and (a[i], a[j]) == (b[j], b[i]) and swap_reason(a[i], a[j]) is not None


@given(equivalent_pairs())
def test_why_is_a_chain_of_single_moves(pair: tuple[BlockSpec, BlockSpec]) -> None:
    a, b = pair
    steps = why(a, b)
    assert bool(steps) == (a != b)
    assert [a, *(step.after for step in steps)] == [*(step.before for step in steps), b]
    for step in steps:
        assert is_single_move(step.before, step.after), step
        assert step.reason.endswith((".", ")"))
        assert "None" not in step.reason


@given(block_specs(max_ops=5, on_maps=True), block_specs(max_ops=5, on_maps=True))
def test_why_raises_exactly_where_blocks_differ(a: BlockSpec, b: BlockSpec) -> None:
    if equivalent(a, b):
        why(a, b)
    else:
        with pytest.raises(NotEquivalentError, match="are two networks"):
            why(a, b)


@given(st.data(), block_specs(max_ops=6, on_maps=True))
def test_why_names_a_pair_that_blocks(data: st.DataObject, spec: BlockSpec) -> None:
    a = canonical(spec)
    ops = data.draw(st.permutations(a.ops))
    try:
        b = BlockSpec(ops)
    except SpecError:
        assume(False)
    assume(Counter(canonical(b).ops) == Counter(a.ops) and not equivalent(a, b))
    with pytest.raises(NotEquivalentError, match="they do not commute"):
        why(a, b)


def test_why_tells_each_step() -> None:
    a, b = (
        parse("conv(bias=true) > batch_norm > relu > max_pool > dropout(p=0)"),
        parse("conv > batch_norm > max_pool > relu"),
    )
    assert [step.reason for step in why(a, b)] == [
        "dropout(p=0.0) does nothing, so it makes no difference whether it is there.",
        "relu never decreases, so the largest value of a window stays the largest: f(max x) = max f(x).",
        "The norm behind conv(bias=true) subtracts each channel's mean, and with it whatever the bias adds.",
    ]
    assert [step.before for step in why(a, b)[1:]] == [step.after for step in why(a, b)[:-1]]


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (
            "conv > gelu > max_pool",
            "conv > max_pool > gelu",
            r"gelu comes before max_pool in the first, behind it in the second, and they do not commute\. gelu dec",
        ),
        ("conv > relu", "conv > tanh", r"the first has relu and the second has tanh"),
        ("conv > relu > dropout(p=0.1)", "conv > relu", r"the first has dropout\(p=0\.1\) where"),
        ("conv(bias=false) > relu", "conv > relu", r"the first has conv\(bias=false\)"),
        ("conv > dropout > batch_norm", "conv > batch_norm > dropout", r"batch_norm takes its statistics of"),
        ("conv > dropout > sigmoid", "conv > sigmoid > dropout", r"sigmoid makes 0\.5 of 0"),
    ],
)
def test_why_says_what_stands_in_the_way(a: str, b: str, message: str) -> None:
    with pytest.raises(NotEquivalentError, match=message):
        why(parse(a), parse(b))


@given(op_specs(), op_specs())
def test_commuting_is_symmetric_and_always_has_a_reason(a: OpSpec, b: OpSpec) -> None:
    assert commute(a, b) == commute(b, a)
    assert swap_reason(a, b) == swap_reason(b, a) or a.role is b.role
    if commute(a, b):
        assert "{" not in str(swap_reason(a, b))
    else:
        assert swap_reason(a, b) is None
        assert blocking_reason(a, b).endswith((".", "f(x)."))


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ("relu", "avg_pool", "relu is not linear"),
        ("tanh", "dropout", "tanh does not pass factors through"),
        ("relu", "alpha_dropout", "alpha_dropout also adds"),
        ("dropout", "max_pool", "dropout draws for each element"),
        ("feature_alpha_dropout", "avg_pool(padding=1)", "counts zeros beyond the edge"),
        ("relu", "tanh", "are both of role activation"),
        ("relu", "add", "The shortcut that add joins"),
        ("conv", "relu", "conv mixes channels or neighbours"),
        ("conv(kernel=1)", "avg_pool", "commute at stride 1"),
        ("batch_norm", "max_pool", "takes its statistics"),
    ],
)
def test_blocking_reasons(a: str, b: str, reason: str) -> None:
    first, second = (parse(f"conv > {text} > conv > add").ops[1] if text != "add" else OpSpec("add") for text in (a, b))
    assert reason in blocking_reason(first, second)
    assert reason in blocking_reason(second, first)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("conv > relu > dropout(p=0)", "conv > relu", True),
        ("conv > dropout(p=0)", "conv", True),
        ("conv > max_pool(kernel=1)", "conv", True),
        ("conv > max_pool(kernel=2, stride=2)", "conv > max_pool", True),
        ("conv > max_pool(stride=1)", "conv > max_pool", False),
        ("conv > avg_pool(count_include_pad=false)", "conv > avg_pool", True),
        ("conv(kernel=3, padding=1)", "conv", True),
        ("conv(kernel=5, padding=1)", "conv(kernel=5)", False),
        ("conv(kernel=2, padding=1)", "conv(kernel=2)", False),
        ("conv(bias=true)", "conv", True),
        ("conv(bias=false)", "conv", False),
        ("conv(bias=false) > batch_norm", "conv > batch_norm", True),
        ("conv(bias=false) > dropout(p=0) > batch_norm", "conv > batch_norm", True),
        ("conv(bias=false) > group_norm", "conv > group_norm", False),
        ("conv(bias=false) > avg_pool(padding=1) > batch_norm", "conv > avg_pool(padding=1) > batch_norm", False),
        ("conv(bias=false) > add > batch_norm", "conv > add > batch_norm", False),
        ("conv > dropout(p=0.1) > spatial_dropout", "conv > spatial_dropout > dropout(p=0.1)", True),
        ("conv > dropout(p=0.1) > alpha_dropout", "conv > alpha_dropout > dropout(p=0.1)", False),
        ("conv > relu > relu", "conv > relu", False),
        (
            "conv > leaky_relu(negative_slope=-0.5) > max_pool",
            "conv > max_pool > leaky_relu(negative_slope=-0.5)",
            False,
        ),
        ("conv > prelu > max_pool", "conv > max_pool > prelu", False),
        ("conv > prelu > dropout", "conv > dropout > prelu", True),
        ("conv(kernel=1) > avg_pool", "avg_pool > conv(kernel=1)", False),
        ("conv > relu > add > max_pool", "conv > add > relu > max_pool", False),
        ("conv > add > relu > max_pool", "conv > add > max_pool > relu", True),
        ("linear > relu > dropout", "linear > dropout > relu", True),
    ],
)
def test_parameters_count(a: str, b: str, same: bool) -> None:
    assert equivalent(parse(a), parse(b)) is same


def test_canonical_reads_like_the_convention() -> None:
    convention = parse("conv > batch_norm > relu > max_pool > spatial_dropout")
    assert {canonical(member) for member in members(convention)} == {convention}
    assert canonical(convention) is convention


@pytest.mark.parametrize(
    ("text", "redundant"),
    [
        ("conv > batch_norm", True),
        ("conv > max_pool > avg_pool > batch_norm", True),
        ("conv > max_pool(padding=1) > batch_norm", True),
        ("conv > avg_pool(padding=1) > batch_norm", False),
        ("conv > avg_pool(padding=1, count_include_pad=false) > batch_norm", True),
        ("conv > relu > batch_norm", False),
        ("conv > dropout > batch_norm", False),
        ("conv > dropout(p=0) > batch_norm", True),
        ("conv > group_norm", False),
        ("conv > layer_norm", False),
        ("conv > layer_norm > batch_norm", False),
        ("conv > conv > batch_norm", False),
        ("conv > add > batch_norm", False),
        ("conv", False),
    ],
)
def test_bias_is_redundant(text: str, redundant: bool) -> None:
    assert bias_is_redundant(parse(text).ops, 0) is redundant


def test_direct_successors_are_the_same_in_every_order_of_a_class() -> None:
    for spec in members(parse("conv > batch_norm > dropout > relu > tanh > max_pool")):
        place = [op.name for op in spec].index("dropout")
        assert {spec.ops[i].name for i in direct_successors(spec.ops, place)} == {"tanh", "max_pool"}


def test_large_classes_are_listed_one_by_one() -> None:
    spec = BlockSpec([OpSpec("conv"), *(OpSpec("dropout", p=i / 100) for i in range(1, 30))])
    assert len(list(itertools.islice(each_member(spec), 20))) == 20
    assert len(cheapest(spec)) == 30
    with pytest.raises(SpecError, match="has more than 10000 orders"):
        members(spec)


def test_ops_that_are_written_alike_give_each_order_once() -> None:
    assert len(members(parse("conv > dropout > dropout > relu"))) == 3


@given(block_specs())
def test_what_is_written_is_read_back(spec: BlockSpec) -> None:
    assert parse(str(spec)) == spec
    assert parse(str(canonical(spec))) == canonical(spec)


def test_canonical_is_fast_enough_to_ask_for_every_order() -> None:
    menu = [spec for chosen in itertools.product(ACTIVATIONS, POOLS, DROPOUTS) for spec in orders(*chosen)]
    start = time.process_time()
    for spec in menu:
        canonical(spec)
    assert time.process_time() - start < 2 * len(menu) / 6355
