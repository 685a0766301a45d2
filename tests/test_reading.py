"""Blocks that we build, read from what they do."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ordersearch.block import Block, build_block
from ordersearch.errors import ShapeError
from ordersearch.identities import bias_is_redundant, canonical
from ordersearch.ops import OpSpec, Role
from ordersearch.reading import from_module
from ordersearch.space import SearchSpace
from ordersearch.space.shipped import shipped_spaces
from ordersearch.spec import BlockSpec
from tests.reading_parts import IN, OUT, SIZES, batch
from tests.strategies import block_specs

SMALL = [name for name in shipped_spaces() if name not in ("conv", "dense", "residual", "wide")]


def orders(name: str) -> list[BlockSpec]:
    """Every order of a shipped space, of all of its roles, rates at their default."""
    space = SearchSpace.load(name)
    found = {spec: None for role in space.block_roles for same in space.orders(role).values() for spec in (same or ())}
    return list(found)


def read(text: str, dims: int = 2, in_channels: int = IN, out_channels: int = OUT, **place: Any) -> str:
    """What a block of ours is read as."""
    block = build_block(BlockSpec.parse(text), in_channels, out_channels, dims=dims or 2, **place)
    return str(from_module(block, batch(dims, in_channels)))


def misread(blocks: list[tuple[Block, int]], in_channels: int = IN) -> list[tuple[str, str]]:
    """The blocks, each with its dimensions, that are read as something else than what they were built from."""
    found = []
    for block, dims in blocks:
        got = from_module(block, batch(dims, in_channels))
        if got != block.spec:
            found.append((str(block.spec), str(got)))
    return found


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_every_order_of_the_conv_space(dims: int) -> None:
    assert misread([(build_block(spec, IN, OUT, dims=dims), dims) for spec in orders("conv")]) == []


def test_every_order_of_the_conv_space_with_a_stride_or_an_op_left_out() -> None:
    blocks = [build_block(spec, IN, OUT, stride=2) for spec in orders("conv")]
    shorter = {
        spec.without(role): build_block(spec, IN, OUT, pool=role is not Role.POOL, dropout=role is not Role.DROPOUT)
        for spec in orders("conv")
        for role in (Role.POOL, Role.DROPOUT)
    }
    assert misread([(block, 2) for block in (*blocks, *shorter.values())]) == []


def test_every_order_of_the_dense_space() -> None:
    assert misread([(build_block(spec, IN, OUT), 0) for spec in orders("dense")]) == []


@pytest.mark.parametrize("place", [(8, 8, 1), (4, 8, 1), (8, 8, 2)], ids=str)
def test_every_order_of_the_residual_space(place: tuple[int, int, int]) -> None:
    in_channels, out_channels, stride = place
    blocks = [
        (build_block(spec, in_channels, out_channels, dims=dims, stride=stride), dims)
        for spec in orders("residual")
        for dims in (1, 2, 3)
    ]
    assert misread(blocks, in_channels) == []


@pytest.mark.parametrize("name", SMALL)
def test_every_order_of_the_other_spaces(name: str) -> None:
    dims = itertools.cycle((1, 2, 3))
    places = [(spec, next(dims) if spec.on_maps else 0) for spec in orders(name)]
    assert misread([(build_block(spec, IN, OUT, dims=d or 2), d) for spec, d in places]) == []


def test_orders_of_the_wide_space() -> None:
    assert misread([(build_block(spec, IN, OUT, dims=1), 1) for spec in orders("wide")[::16]]) == []


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("name", ["conv", "dense", "residual"])
def test_what_is_printed_of_a_block_is_its_spec(name: str, dims: int) -> None:
    for spec in orders(name):
        printed = BlockSpec.parse(str(build_block(spec, IN, OUT, dims=dims)))
        assert printed.order == spec.order
        # A bias that the next norm cancels is printed as left out.
        assert canonical(printed) == canonical(spec)


def as_read(spec: BlockSpec) -> BlockSpec:
    """A spec in the one way in which what it builds at 8 channels is read."""
    kept = [op for op in spec if not op.is_identity or op.role in (Role.WEIGHT, Role.MERGE)]
    return BlockSpec(_as_read(kept, index) for index in range(len(kept)))


def _as_read(ops: list[OpSpec], index: int) -> OpSpec:
    op = ops[index]
    bias = op.params.get("bias")
    op = op.replace(**op.kind.spelling(op.params)) if op.kind.spelling else op
    if op.name == "group_norm":
        return op.replace(groups={3: 2}.get(int(op["groups"] or 1), op["groups"]))
    if bias is None or bias == "auto":
        return op
    return op.replace(bias="auto" if bias is not bias_is_redundant(ops, index) else bias)


@settings(max_examples=40)
@given(block_specs(), st.integers(1, 3), st.sampled_from([1, 2]))
def test_parameters_are_read_exactly(spec: BlockSpec, dims: int, stride: int) -> None:
    dims = dims if spec.on_maps else 0
    block = build_block(spec, 8, 8, dims=dims or 2, stride=stride if dims else 1)
    try:
        block.output_sizes(SIZES[dims])
    except ShapeError:
        assume(False)
    assert from_module(block, batch(dims, 8)) == as_read(spec)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("conv(padding=1) > max_pool(kernel=2, stride=2)", "conv > max_pool"),
        ("conv(bias=true) > relu > batch_norm", "conv > relu > batch_norm"),
        ("conv(bias=true) > batch_norm", "conv(bias=true) > batch_norm"),
        ("conv(bias=false) > batch_norm", "conv > batch_norm"),
        ("conv(bias=false) > relu", "conv(bias=false) > relu"),
        ("conv > group_norm(groups=3)", "conv > group_norm(groups=2)"),
        ("conv > group_norm(groups=1)", "conv > layer_norm"),
        ("conv > dropout(p=0) > relu > max_pool(kernel=1)", "conv > relu"),
        ("conv(kernel=1, padding=0)", "conv(kernel=1)"),
    ],
)
def test_what_says_the_same_is_read_in_one_way(text: str, read_as: str) -> None:
    assert read(text) == read_as


def test_an_even_window_that_keeps_the_size() -> None:
    # PyTorch warns of the copy that it makes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read("conv(kernel=4) > relu") == "conv(kernel=4) > relu"
