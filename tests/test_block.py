"""Blocks against networks written by hand in plain PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ordersearch.block import Block, BlockFactory, build_block
from ordersearch.errors import ShapeError, SpecError
from ordersearch.spec import BlockSpec


def build(text: str, in_channels: int, out_channels: int, **place: Any) -> Any:
    """A block whose layers are looked into, which ``nn.Module`` has no types for."""
    return build_block(BlockSpec.parse(text), in_channels, out_channels, **place)


CONVENTION = BlockSpec.parse("conv > batch_norm > relu > max_pool > dropout(p=0.1)")


def by_hand() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1)
    )


def with_weights_of(source: nn.Module, target: nn.Module) -> None:
    target.load_state_dict(dict(zip(target.state_dict(), source.state_dict().values(), strict=True)))


def test_a_block_has_the_layers_that_a_hand_would_write() -> None:
    built, written = build_block(CONVENTION, 3, 8), by_hand()
    assert [repr(layer) for layer in built] == [repr(layer) for layer in written]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_a_block_computes_what_the_hand_written_one_computes(training: bool) -> None:
    built, written = build_block(CONVENTION, 3, 8), by_hand()
    with_weights_of(written, built)
    x = torch.randn(4, 3, 8, 8)
    outputs = []
    for block in (built, written):
        block.train(training)
        torch.manual_seed(7)
        outputs.append(block(x))
    assert torch.equal(outputs[0], outputs[1])
    for ours, theirs in zip(built.buffers(), written.buffers(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_maps_of_every_dimension_are_halved_by_a_pool(dims: int) -> None:
    block = build_block(CONVENTION, 3, 8, dims=dims)
    assert block(torch.randn(2, 3, *[8] * dims)).shape == (2, 8, *[4] * dims)
    assert block.output_sizes([8] * dims) == (4,) * dims


def test_a_linear_block_works_on_features() -> None:
    block = build("linear > layer_norm > gelu > dropout", 5, 7)
    assert [type(layer) for layer in block] == [nn.Linear, nn.LayerNorm, nn.GELU, nn.Dropout]
    assert block(torch.randn(2, 5)).shape == (2, 7)


def test_a_norm_takes_the_channels_of_its_position() -> None:
    block = build("batch_norm > conv > group_norm", 3, 12)
    assert block[0].num_features == 3
    assert (block[2].num_channels, block[2].num_groups) == (12, 6), "the largest divisor of 12 up to 8"


@pytest.mark.parametrize(
    ("text", "has_bias"),
    [
        ("conv > batch_norm", False),
        ("conv > max_pool > batch_norm", False),
        ("conv > relu > batch_norm", True),
        ("conv > dropout > batch_norm", True),
        ("conv > group_norm", True),
        ("conv > relu", True),
        ("conv(bias=true) > batch_norm", True),
        ("conv(bias=false) > relu", False),
    ],
)
def test_a_bias_is_left_out_where_the_next_norm_would_cancel_it(text: str, has_bias: bool) -> None:
    assert (build(text, 3, 4)[0].bias is not None) is has_bias


def test_the_bias_rule_looks_at_the_block_as_built() -> None:
    text = "conv > dropout > batch_norm"
    assert build(text, 3, 4)[0].bias is not None
    assert build(text, 3, 4, dropout=False)[0].bias is None


def test_pool_and_dropout_can_be_left_out() -> None:
    block = build_block(CONVENTION, 3, 8, pool=False, dropout=False)
    assert [type(layer) for layer in block] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert str(block.spec) == "conv > batch_norm > relu"


PRE_ACTIVATION = "batch_norm > relu > conv > batch_norm > relu > conv > add"


def test_a_residual_block_without_change_adds_its_input() -> None:
    block = build(PRE_ACTIVATION, 4, 4).eval()
    (residual,) = block
    x = torch.randn(2, 4, 6, 6)
    assert len(residual.shortcut) == 0
    assert torch.equal(block(x), residual.branch(x) + x)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_residual_block_projects_where_channels_or_stride_change(dims: int) -> None:
    block = build(PRE_ACTIVATION, 4, 6, dims=dims, stride=2)
    (residual,) = block
    assert [type(layer).__name__ for layer in residual.shortcut] == [f"Conv{dims}d"]
    assert block(torch.randn(2, 4, *[8] * dims)).shape == (2, 6, *[4] * dims)
    assert block.output_sizes([8] * dims) == (4,) * dims


def test_the_shortcut_is_pooled_as_its_branch_is() -> None:
    block = build("conv > batch_norm > relu > max_pool > conv > add > relu", 4, 4)
    assert block(torch.randn(2, 4, 8, 8)).shape == (2, 4, 4, 4)
    assert [name for name, _ in block.named_children()] == ["residual", "relu_2"]


def test_a_linear_residual_block_projects_with_a_linear_layer() -> None:
    block = build("batch_norm > relu > linear > add", 4, 6)
    assert block(torch.randn(3, 4)).shape == (3, 6)


def test_a_shortcut_of_another_size_than_its_branch_is_refused() -> None:
    block = build("conv(padding=0) > relu > add", 2, 2)
    with pytest.raises(ShapeError, match=r"cannot add 8x8 maps of the shortcut to 6x6 maps of the branch"):
        block.output_sizes((8, 8))


def test_building_draws_nothing_from_the_global_generator() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    build_block(CONVENTION, 3, 8)
    assert torch.equal(torch.rand(1), expected)


def test_what_does_not_fit_is_said_with_the_op_and_the_sizes() -> None:
    block = build("conv > max_pool > max_pool > max_pool > max_pool", 1, 2)
    message = (
        r"Block 'conv > max_pool > max_pool > max_pool > max_pool' does not fit an 8x8 input: op 5 \(max_pool\) would "
        r"get 1x1 for a window of 2\."
    )
    with pytest.raises(ShapeError, match=message):
        block.output_sizes([8, 8])


@pytest.mark.parametrize(
    "text",
    [
        "conv(kernel=5)",
        "conv(padding=0)",
        "conv(kernel=4)",
        "conv(kernel=3, dilation=2)",
        "conv > max_pool(kernel=3, stride=2, padding=1)",
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("size", [7, 12])
def test_sizes_are_foretold_as_torch_computes_them(text: str, size: int) -> None:
    block = build(text, 2, 2)
    assert block.output_sizes((size, size)) == tuple(block(torch.randn(1, 2, size, size)).shape[2:])


@pytest.mark.parametrize(
    ("spec", "place", "message"),
    [
        ("conv", {"dims": 4}, r"got dims=4, but maps have 1, 2 or 3 dimensions\."),
        ("linear", {"stride": 2}, r"got stride=2, but a linear block has no stride\."),
        ("conv(groups=3)", {}, r"got 2 channels in and 2 out, but groups divides both"),
        ("conv > max_pool(padding=2)", {}, r"'max_pool\(padding=2\)': padding is at most half the kernel"),
        ("conv(kernel=4)", {"stride": 2}, r"padding='same' with an even reach of 4 has no strided form"),
    ],
)
def test_a_place_that_does_not_suit_a_block_is_refused(spec: str, place: dict[str, int], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        build(spec, 2, 2, **place)


def test_no_channels_are_refused() -> None:
    with pytest.raises(SpecError, match=r"got 0 and 4 channels, but a block has at least one"):
        build_block(CONVENTION, 0, 4)


def test_a_factory_makes_new_blocks() -> None:
    conv = BlockFactory(CONVENTION, dims=1)
    first, second = conv(2, 4), conv(2, 4, pool=False)
    assert isinstance(first, Block)
    assert isinstance(first[0], nn.Conv1d)
    assert len(second) == len(first) - 1
