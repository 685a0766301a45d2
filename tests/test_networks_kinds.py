"""The built-in networks: each learns in every dimension that it takes, with its widths, depths and fixed ends."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from ordersearch.block import Block
from ordersearch.errors import NetworkError, ShapeError
from ordersearch.networks import build_network, find_network, network_names, suited_network
from ordersearch.networks.inception import Branches
from ordersearch.spec import BlockSpec

SHAPES = {0: (13,), 1: (2, 40), 2: (3, 16, 16), 3: (1, 8, 8, 8)}
LARGE = {"mnist_cnn": (1, 16, 16), "four_conv_cnn": (3, 20, 20)}
"""Samples of which convolutions without padding leave something."""
NARROW = {"cnn": 4, "mlp": 8, "resnet": 4, "resnet9": 4, "wide_resnet": 1, "inception": 8}
PLACES = [(name, dims) for name in network_names() for dims in find_network(name).dims]
PRE_ACTIVATION = "batch_norm > relu > conv > batch_norm > relu > conv > add"
IC_LAYER = "relu > batch_norm > dropout(p=0.05) > conv"


def built(name: str, shape: tuple[int, ...], blocks: dict[str, str] | None = None, **options: Any) -> Any:
    network = find_network(name).with_options(**options)
    return build_network(network, {role: BlockSpec.parse(text) for role, text in (blocks or {}).items()}, shape, 10)


def learns(network: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether one step of SGD on 8 samples reaches every weight and lowers the loss."""
    x, y = torch.randn(8, *shape, generator=torch.Generator().manual_seed(1)), torch.arange(8)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
    torch.manual_seed(0)
    before: Any = functional.cross_entropy(network(x), y)
    before.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    optimizer.step()
    torch.manual_seed(0)
    return bool(functional.cross_entropy(network(x), y) < before)


def names(network: nn.Module) -> list[str]:
    return [name for name, _ in network.named_children()]


@pytest.mark.parametrize(("name", "dims"), PLACES, ids=str)
def test_every_network_learns_in_every_dimension(name: str, dims: int) -> None:
    shape = LARGE.get(name, SHAPES[dims])
    options: Any = {"width": NARROW[name]} if name in NARROW else {}
    assert learns(built(name, shape, **options), shape)


@pytest.mark.parametrize("name", ["cnn", "resnet", "wide_resnet", "inception"])
@pytest.mark.parametrize("shape", [(1, 7, 7), (2, 9), (1, 8, 12), (1, 5, 6, 7)], ids=str)
def test_odd_and_unequal_sizes_fit(name: str, shape: tuple[int, ...]) -> None:
    assert built(name, shape, width=NARROW[name]).eval()(torch.randn(1, *shape)).shape == (1, 10)


@pytest.mark.parametrize("name", [name for name in network_names() if "depth" in find_network(name).options])
def test_depth_adds_blocks_and_width_widens_them(name: str) -> None:
    shape = SHAPES[2]
    narrow, wide, deep = (
        built(name, shape, width=width, depth=depth)
        for width, depth in ((NARROW[name], 1), (2 * NARROW[name], 1), (NARROW[name], 3))
    )
    n_blocks, n_deep = ([isinstance(m, Block) for m in network.modules()].count(True) for network in (narrow, deep))
    assert n_deep > n_blocks
    assert [isinstance(m, Block) for m in wide.modules()].count(True) == n_blocks
    n_narrow, n_wide = (sum(p.numel() for p in network.parameters()) for network in (narrow, wide))
    assert n_wide > 1.9 * n_narrow


def test_only_the_last_block_of_a_stage_pools() -> None:
    network = built("cnn", (1, 16, 16), {"conv": "conv > relu > max_pool"}, width=4, depth=2)
    pools = [[type(layer).__name__ for layer in block].count("MaxPool2d") for block in network if type(block) is Block]
    assert pools[:4] == [0, 1, 0, 1]


def test_a_stage_without_pool_ends_in_a_stride() -> None:
    network = built("cnn", (1, 16, 16), {"conv": "conv > relu"}, depth=2)
    assert [network.get_submodule(f"stage_1_block_{n}.conv").stride for n in (1, 2)] == [(1, 1), (2, 2)]


def test_stage_ends_drop_out_where_only_they_have_a_dropout() -> None:
    blocks = {"conv": "conv > relu > max_pool", "stage_end": "conv > relu > max_pool > dropout"}
    network = built("cnn", (1, 16, 16), blocks, depth=2)
    assert [name for name, layer in network.named_modules() if isinstance(layer, nn.Dropout)] == [
        "stage_1_block_2.dropout",
        "stage_2_block_2.dropout",
    ]


def test_the_first_block_of_later_residual_stages_downsamples() -> None:
    strided = built("resnet", (3, 16, 16), width=4, depth=2)
    sizes = (16, 16)
    reached = []
    for name, block in strided.named_children():
        if name.startswith("stage"):
            sizes = block.output_sizes(sizes)
            reached.append(sizes[0])
    assert reached == [16, 16, 8, 8, 4, 4]
    pooled = built("resnet", (3, 16, 16), {"residual": "conv > relu > max_pool > conv > add"}, width=4, depth=2)
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in pooled.modules()) == 2 * 2, "in branch and shortcut"
    assert all(layer.stride == (1, 1) for layer in pooled.modules() if isinstance(layer, nn.Conv2d))
    assert learns(pooled, (3, 16, 16))


def test_a_resnet_of_depth_three_is_the_resnet_20_of_the_paper() -> None:
    network = built("resnet", (3, 32, 32), depth=3)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert (len(convs) + 1, [conv.out_channels for conv in convs[::6]]) == (20, [16, 16, 32, 64])


def test_a_wide_resnet_is_wide_and_has_a_dropout_in_each_block() -> None:
    network = built("wide_resnet", (3, 32, 32), depth=4, width=10)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len([c for c in convs if c.kernel_size == (3, 3)]) + 3 == 28
    assert sorted({conv.out_channels for conv in convs}) == [16, 160, 320, 640]
    assert sum(isinstance(m, nn.Dropout) for m in network.modules()) == 12
    # 36.48 M of its paper, table 4, without norms' and shortcuts' differences.
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(36.5e6, rel=0.01)


def test_resnet9_has_pages_blocks_and_widths() -> None:
    network = built("resnet9", (3, 32, 32), width=64)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [64, 128, 128, 128, 256, 512, 512, 512]
    assert names(network) == ["prep", "conv_1", "residual_1", "conv_2", "conv_3", "residual_3", "pool", "output"]
    assert sum(isinstance(m, nn.MaxPool2d) for m in network.modules()) == 3
    # Page's network has 6 573 120 weights; a bias of each of the ten outputs comes on top.
    assert sum(p.numel() for p in network.parameters()) == 6_573_120 + 10


def test_inception_concatenates_branches_of_three_windows_and_a_pool() -> None:
    network = built("inception", (3, 16, 16), {"conv": "conv > batch_norm > relu > max_pool"}, width=10, depth=2)
    module = network.stage_1_module_1
    windows = [
        [layer.kernel_size[0] for layer in branch.modules() if isinstance(layer, nn.Conv2d)]
        for branch in module.children()
    ]
    assert windows == [[1], [1, 3], [1, 5], [1]]
    assert module(torch.randn(2, 10, 8, 8)).shape == (2, 10, 8, 8)
    assert network.stage_1_module_2(torch.randn(2, 10, 8, 8)).shape == (2, 10, 4, 4)
    assert [len([m for m in branch.modules() if isinstance(m, nn.MaxPool2d)]) for branch in module.children()] == [
        0,
        0,
        0,
        1,
    ]
    assert sum(isinstance(m, Branches) for m in network.modules()) == 4


def test_branches_that_make_other_sizes_are_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"Block 'conv\(kernel=1, padding=0\) > relu' cannot stand in parallel branches: they "
    ):
        built("inception", (3, 16, 16), {"conv": "conv(padding=0) > relu"})


def test_too_few_channels_for_the_branches_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"Network 'inception', width: got 3, but it has 4 branches to share it\."):
        built("inception", (3, 16, 16), width=3)


def test_mlp_halves_its_width_once_and_takes_linear_residual_blocks() -> None:
    text = "batch_norm > linear > relu > dropout(p=0.1) > linear > dropout(p=0.1) > add"
    network = built("mlp", (13,), {"dense": text}, width=16, depth=3)
    assert [m.out_features for m in network.modules() if isinstance(m, nn.Linear)] == [16, 16, 16, 8, 8, 8, 8, 8, 10]
    assert learns(network, (13,))


@pytest.mark.parametrize(("name", "dims"), [p for p in PLACES if "stem" in find_network(p[0]).options], ids=str)
def test_pre_activation_orders_learn_between_a_fixed_stem_and_tail(name: str, dims: int) -> None:
    shape = LARGE.get(name, SHAPES[dims])
    roles = {"mlp": {"dense": "relu > batch_norm > linear"}, "resnet9": {"conv": IC_LAYER, "residual": PRE_ACTIVATION}}
    blocks = {role: BlockSpec.parse(text) for role, text in roles.get(name, {"conv": IC_LAYER}).items()}
    network = suited_network(find_network(name), {role: [spec] for role, spec in blocks.items()})
    network = network.with_options(**({"width": NARROW[name]} if name in NARROW else {}))
    module = build_network(network, blocks, shape, 10)
    first, *_ = [
        layer for layer in module.modules() if not list(layer.children()) and not isinstance(layer, nn.Flatten)
    ]
    assert isinstance(first, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear)
    assert learns(module, shape)


@pytest.mark.parametrize("name", ["cnn", "resnet", "wide_resnet", "inception", "mlp", "resnet9", "mnist_cnn"])
def test_stem_and_tail_start_alike_for_all_orders(name: str) -> None:
    role = {"mlp": "dense", "resnet": "residual", "wide_resnet": "residual"}.get(name, "conv")
    weight = "linear" if name == "mlp" else "conv"
    stem = {"stem": True} if "stem" in find_network(name).options else {}
    orders = (f"{weight} > batch_norm > relu", f"relu > {weight}")
    one, other = (built(name, LARGE.get(name, (3, 16, 16)), {role: order}, **stem).state_dict() for order in orders)
    fixed = [key for key in one if key.split(".")[0] in ("stem", "prep", "tail", "conv_tail", "dense_tail", "output")]
    assert math.prod(one[fixed[0]].shape) > 0
    assert len(fixed) >= 8
    assert all(torch.equal(one[key], other[key]) for key in fixed)


def test_a_tail_stands_behind_the_last_block_and_before_the_head() -> None:
    assert names(built("cnn", (1, 8, 8), stem=True)) == [
        *["stem", "stage_1_block_1", "stage_2_block_1", "conv_tail", "tail", "dense_1", "dense_tail", "output"]
    ]
    assert names(built("resnet", (1, 8, 8))) == [
        *["stem", "stage_1_block_1", "stage_2_block_1", "stage_3_block_1", "tail", "pool", "output"]
    ]
    assert names(built("mlp", (4,), stem=True)) == ["flatten", "stem", "dense_1", "dense_2", "dense_tail", "output"]


@pytest.mark.parametrize("text", ["conv > batch_norm > relu", "conv > relu > max_pool > conv > relu"])
def test_residual_networks_take_blocks_without_a_shortcut(text: str) -> None:
    assert learns(built("resnet", (3, 16, 16), {"residual": text}, width=4), (3, 16, 16))
