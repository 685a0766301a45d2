"""Hypothesis strategies for ops, specs and rates, and for specs that are one network."""

from __future__ import annotations

import sys
from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ordersearch.identities import bias_is_redundant, commute
from ordersearch.ops import OpKind, OpSpec, Role, Value, op_kind, op_names
from ordersearch.spec import BlockSpec

IDENTITIES = (OpSpec("dropout", p=0), OpSpec("max_pool", kernel=1), OpSpec("avg_pool", kernel=1, stride=1))

PARAMS: dict[str, SearchStrategy[Value]] = {
    "p": st.sampled_from([0.0, 0.1, 0.25, 0.5]) | st.floats(0, 0.99),
    "bias": st.sampled_from(["auto", True, False]),
    "eps": st.sampled_from([1e-5, 1e-3]),
    "momentum": st.sampled_from([0.1, 0.6]),
    "affine": st.booleans(),
    "negative_slope": st.sampled_from([0.01, 0.0, 0.2, -0.5]),
    "init": st.sampled_from([0.25, -0.3]),
    "alpha": st.sampled_from([1.0, 0.5]),
    "approximate": st.sampled_from(["none", "tanh"]),
    "count_include_pad": st.booleans(),
    "dilation": st.integers(1, 2),
}
PADDINGS: SearchStrategy[Value] = st.sampled_from(["same", 0, 1])


def rates() -> SearchStrategy[float]:
    """Rates of dropouts, 0 among them."""
    return st.sampled_from([0.0, 0.1, 0.25, 0.5]) | st.floats(0, 0.99)


@cache
def _names(path: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the op table; a look for plugins among the packages on the path takes 10 ms."""
    return op_names()


def kinds(*roles: Role, on_maps: bool = True) -> list[OpKind]:
    """The rows of the op table of these roles that have a layer there; plugins' rows count."""
    rows = (op_kind(name) for name in _names(tuple(sys.path)))
    return [row for row in rows if row.role in roles and (row.on_maps if on_maps else row.on_features)]


@st.composite
def op_specs(draw: DrawFn, *roles: Role, on_maps: bool = True) -> OpSpec:
    """Ops of these roles (any but ``add`` by default) with parameters near those that people use."""
    kind = draw(st.sampled_from(kinds(*(roles or set(Role) - {Role.MERGE}), on_maps=on_maps)))
    params: dict[str, Value] = {}
    for param in kind.params:
        if param.name in PARAMS:
            params[param.name] = draw(PARAMS[param.name])
    if kind.role is Role.NORM and kind.param("groups"):
        params["groups"] = draw(st.sampled_from([2, 3, 8]))
    if kind.role is Role.WEIGHT and kind.param("kernel"):
        params["kernel"] = draw(st.sampled_from([1, 3, 5]))
        params["padding"] = draw(PADDINGS)
    if kind.role is Role.POOL and kind.param("kernel"):
        kernel = draw(st.integers(1, 3))
        params["kernel"] = kernel
        params["stride"] = draw(st.sampled_from([None, 1, 2]))
        params["padding"] = draw(st.integers(0, kernel // 2))
    return OpSpec(kind.name, **params)


@st.composite
def block_specs(
    draw: DrawFn, *, max_ops: int = 8, max_pools: int = 8, on_maps: bool | None = None, residual: bool = True
) -> BlockSpec:
    """Valid blocks, on maps or on features, with repeats and shortcuts."""
    maps = draw(st.booleans()) if on_maps is None else on_maps
    small = draw(st.booleans())  # few kinds of op make long classes
    roles = (Role.ACTIVATION, Role.POOL, Role.DROPOUT, *(() if small else (Role.NORM, Role.WEIGHT)))
    ops = draw(st.lists(op_specs(*roles, on_maps=maps), max_size=max_ops - 1))
    pools = [index for index, op in enumerate(ops) if op.role is Role.POOL]
    ops = [op for index, op in enumerate(ops) if index not in pools[max_pools:]]
    ops.insert(draw(st.integers(0, len(ops))), draw(op_specs(Role.WEIGHT, on_maps=maps)))
    if residual and len(ops) < max_ops and draw(st.integers(0, 3)) == 0:
        # A branch keeps the sizes that its shortcut has.
        ops = [op.replace(padding="same") if op.name == "conv" else op for op in ops]
        last = max(index for index, op in enumerate(ops) if op.role is Role.WEIGHT)
        ops.insert(draw(st.integers(last + 1, len(ops))), OpSpec("add"))
    return BlockSpec(ops)


@st.composite
def equivalents(draw: DrawFn, spec: BlockSpec, *, max_moves: int = 12) -> BlockSpec:
    """Blocks that are the same network: single legal moves, one after the other."""
    ops = list(spec.ops)
    for _ in range(draw(st.integers(0, max_moves))):
        ops = draw(st.sampled_from([ops, *moves(ops)]))
    return BlockSpec(ops)


def moves(ops: list[OpSpec]) -> list[list[OpSpec]]:
    """What one swap, one op put in that does nothing, or one bias written in another way makes of the ops."""
    swapped = [
        [*ops[:i], ops[i + 1], ops[i], *ops[i + 2 :]] for i in range(len(ops) - 1) if commute(ops[i], ops[i + 1])
    ]
    on_maps = any(op.role is Role.WEIGHT and op.kind.on_maps for op in ops)
    idle = [op for op in IDENTITIES if (op.kind.on_maps if on_maps else op.kind.on_features)]
    longer = [[*ops[:i], op, *ops[i:]] for i in range(len(ops) + 1) for op in idle] if len(ops) < 12 else []
    respelt = [
        [*ops[:i], op.replace(bias=bias), *ops[i + 1 :]]
        for i, op in enumerate(ops)
        for bias in ("auto", True, False)
        if op.role is Role.WEIGHT and (bias_is_redundant(ops, i) or False not in (bias, op["bias"]))
    ]
    return [*swapped * 5, *longer, *respelt]


@st.composite
def equivalent_pairs(
    draw: DrawFn, *, max_ops: int = 8, max_pools: int = 8, on_maps: bool | None = None, residual: bool = True
) -> tuple[BlockSpec, BlockSpec]:
    """Two blocks that are the same network."""
    spec = draw(block_specs(max_ops=max_ops, max_pools=max_pools, on_maps=on_maps, residual=residual))
    return spec, draw(equivalents(spec))
