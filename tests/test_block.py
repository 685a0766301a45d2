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


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("op", ["avg_pool", "max_pool"])
def test_a_padded_window_fits_where_its_layer_takes_it(op: str, dims: int) -> None:
    block = build(f"conv > {op}(kernel=3, padding=1)", 1, 2, dims=dims)
    sizes, x = [2] * dims, torch.zeros(1, 1, *[2] * dims)
    if (op, dims) == ("avg_pool", 3):
        with pytest.raises(RuntimeError, match="smaller than kernel size"):
            block(x)
        with pytest.raises(ShapeError, match=r"op 2 \(avg_pool\) would get 2x2x2 for a window of 3\."):
            block.output_sizes(sizes)
    else:
        assert block.output_sizes(sizes) == tuple(block(x).shape[2:])


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


def test_a_factory_tells_of_every_block() -> None:
    told: list[Block] = []
    conv = BlockFactory(CONVENTION, on_block=told.append)
    made = [conv(2, 4), conv.downsampling(4, 4)]
    assert [id(block) for block in told] == [id(block) for block in made]
    assert conv == BlockFactory(CONVENTION)


def test_a_factory_is_given_the_window_by_the_place() -> None:
    block = BlockFactory(BlockSpec.parse("conv(kernel=5, padding=2) > relu > conv(padding=0) > add"))(3, 4, kernel=7)
    assert str(block.spec) == "conv(kernel=7) > relu > conv(kernel=7, padding=0) > add"
    assert BlockFactory(CONVENTION)(3, 4, kernel=5).output_sizes((9, 9)) == (4, 4)


@pytest.mark.parametrize(
    ("spec", "place", "message"),
    [
        ("linear > relu", {"kernel": 3}, r"Block 'linear > relu': got kernel=3, but a linear block has no window\."),
        ("conv > relu", {"kernel": 0}, r"conv\(kernel=\.\.\.\): got 0, but kernel is an integer from 1 to 4096"),
        ("conv > relu", {"kernel": 4, "stride": 2}, r"an even reach of 4 has no strided form: take an odd kernel\."),
    ],
)
def test_a_window_that_does_not_suit_the_place_is_refused(spec: str, place: dict[str, int], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        BlockFactory(BlockSpec.parse(spec))(2, 2, **place)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [5, 8, 9])
@pytest.mark.parametrize(
    "text",
    [
        "conv > batch_norm > relu > max_pool",
        "conv > batch_norm > relu",
        "avg_pool > relu > conv",
        "conv > max_pool(kernel=3, stride=1, padding=1) > relu",
        "batch_norm > relu > conv > batch_norm > relu > conv > add",
        "conv > max_pool > relu > conv > add",
    ],
)
def test_a_downsampling_block_halves_maps_once_by_its_pool_or_its_stride(text: str, size: int) -> None:
    block = BlockFactory(BlockSpec.parse(text)).downsampling(3, 4)
    halves = (size // 2, -(-size // 2))
    assert block.output_sizes((size, size))[0] in halves
    assert tuple(block(torch.randn(2, 3, size, size)).shape[2:]) == block.output_sizes((size, size))


def test_a_downsampling_block_of_features_is_a_block() -> None:
    assert BlockFactory(BlockSpec.parse("linear > relu")).downsampling(3, 4)(torch.randn(2, 3)).shape == (2, 4)


def test_a_downsampling_block_can_leave_out_its_dropout() -> None:
    block = BlockFactory(CONVENTION).downsampling(3, 4, dropout=False, kernel=5)
    assert str(block.spec) == "conv(kernel=5) > batch_norm > relu > max_pool"


def test_an_even_window_without_pool_cannot_downsample() -> None:
    with pytest.raises(SpecError, match=r"'conv\(kernel=2\)': .* take an odd kernel\."):
        BlockFactory(BlockSpec.parse("conv(kernel=2) > relu")).downsampling(3, 4)


PLACEMENTS = {
    "original": "conv > batch_norm > relu > conv > batch_norm > add > relu",
    "norm after addition": "conv > batch_norm > relu > conv > add > batch_norm > relu",
    "relu before addition": "conv > batch_norm > relu > conv > batch_norm > relu > add",
    "relu-only pre-activation": "relu > conv > batch_norm > relu > conv > batch_norm > add",
    "full pre-activation": "batch_norm > relu > conv > batch_norm > relu > conv > add",
    "wide resnet": "batch_norm > relu > conv > batch_norm > relu > dropout(p=0.3) > conv > add",
    "one dropout after the last norm": "conv > batch_norm > relu > conv > batch_norm > dropout(p=0.1) > add > relu",
    "bottleneck": "conv(kernel=1) > batch_norm > relu > conv > batch_norm > relu > conv(kernel=1) > batch_norm > add",
}
"""Figure 4 of He et al. 2016, arXiv:1603.05027; Zagoruyko & Komodakis 2016; Kim et al. 2023, arXiv:2302.06112."""


@pytest.mark.parametrize("place", [(4, 4, 1), (4, 6, 1), (4, 4, 2), (4, 6, 2)], ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("text", PLACEMENTS.values(), ids=PLACEMENTS)
def test_every_residual_placement_learns_with_any_shortcut(text: str, dims: int, place: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    in_channels, out_channels, stride = place
    block = build(text, in_channels, out_channels, stride=stride, dims=dims)
    x = torch.randn(8, in_channels, *[5] * dims)
    output = block(x)
    assert output.shape == (8, out_channels, *[-(-5 // stride)] * dims)
    output.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())
    shortcut = block.residual.shortcut
    assert len(shortcut) == (place != (4, 4, 1))
    assert (output.detach() < 0).any() == (not text.endswith("relu")), "what stands behind the addition is behind it"


def test_the_norm_behind_an_addition_normalises_the_sum() -> None:
    block = build("conv > batch_norm > relu > conv > add > batch_norm > relu", 4, 4)
    assert [name for name, _ in block.named_children()] == ["residual", "batch_norm_2", "relu_2"]


def test_an_original_block_computes_what_the_hand_written_one_computes() -> None:
    torch.manual_seed(0)
    block = build(PLACEMENTS["original"], 3, 4, stride=2)
    branch = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
    )
    shortcut = nn.Conv2d(3, 4, 1, stride=2, bias=False)
    with_weights_of(block.residual.branch, branch)
    with_weights_of(block.residual.shortcut, shortcut)
    x = torch.randn(5, 3, 9, 9)
    assert torch.equal(block(x), torch.relu(branch(x) + shortcut(x)))


def test_a_linear_residual_block_of_tables_learns() -> None:
    text = "batch_norm > linear > relu > dropout(p=0.1) > linear > dropout(p=0.1) > add"
    for in_features in (4, 6):
        block = build(text, in_features, 6)
        block(torch.randn(16, in_features)).square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())
        assert len(block.residual.shortcut) == (in_features != 6)
