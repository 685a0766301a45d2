"""Networks: built alike for every order, and refused with a reason where they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ordersearch.errors import BlocksFileError, NetworkError, ShapeError, UnknownNameError
from ordersearch.export import BlocksFile, RankedBlocks, write_blocks
from ordersearch.networks import (
    Network,
    build_network,
    default_network,
    find_network,
    load_blocks,
    network_names,
    suited_network,
)
from ordersearch.spec import BlockSpec

CONVENTION = {"conv": BlockSpec.parse("conv > batch_norm > relu > max_pool > dropout(p=0.1)")}
NORM_LAST = {"conv": BlockSpec.parse("conv > relu > max_pool > dropout(p=0.3) > batch_norm")}


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (2, 40), (1, 8, 8, 8), (1, 100, 100)], ids=str)
def test_cnn_gives_one_output_a_class_for_signals_images_and_volumes(shape: tuple[int, ...]) -> None:
    assert build_network("cnn", CONVENTION, shape, 7)(torch.randn(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("shape", [(13,), (1, 8, 8)], ids=str)
def test_mlp_takes_tables_and_flattens_the_rest(shape: tuple[int, ...]) -> None:
    blocks = {"dense": BlockSpec.parse("linear > batch_norm > relu > dropout")}
    assert build_network("mlp", blocks, shape, 3)(torch.randn(2, *shape)).shape == (2, 3)


def test_cnn_takes_conv_and_dense_blocks_together() -> None:
    dense = BlockSpec.parse("linear > batch_norm > tanh")
    network = build_network("cnn", {**CONVENTION, "dense": dense}, (1, 8, 8), 10)
    assert any(isinstance(layer, nn.Tanh) for layer in network.modules())


def test_shared_layers_start_with_the_same_weights_in_every_order() -> None:
    one, other = (
        build_network("cnn", blocks, (1, 8, 8), 10, seed=5).state_dict() for blocks in (CONVENTION, NORM_LAST)
    )
    shared = [
        name for name in one if name in other and name.endswith(("conv.weight", "linear.weight", "output.weight"))
    ]
    assert len(shared) == 4
    assert all(torch.equal(one[name], other[name]) for name in shared)


def test_a_seed_fixes_the_weights_and_leaves_the_global_generator() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one = build_network("cnn", CONVENTION, (1, 8, 8), 10, seed=5)
    assert torch.equal(torch.rand(1), expected)
    again, another = (build_network("cnn", CONVENTION, (1, 8, 8), 10, seed=seed) for seed in (5, 6))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    weights = "stage_1_block_1.conv.weight"
    assert not torch.equal(one.state_dict()[weights], another.state_dict()[weights])


def test_an_order_that_shrinks_a_map_to_nothing_is_said_to() -> None:
    shrinking = {"conv": BlockSpec.parse("conv > max_pool > max_pool > max_pool")}
    with pytest.raises(
        ShapeError, match=r"does not fit a 1x1 input: op 2 \(max_pool\) would get 1x1 for a window of 2"
    ):
        build_network("cnn", shrinking, (1, 8, 8), 10)


def test_roles_that_a_network_does_not_have_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"'mlp' is made of dense blocks, but the search space has the roles conv\."):
        build_network("mlp", CONVENTION, (13,), 3)


def test_data_that_a_network_is_not_made_for_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"'cnn' takes signals, images, volumes, but the data are tables\."):
        build_network("cnn", CONVENTION, (13,), 3)


def test_an_unknown_network_gets_the_nearest_name() -> None:
    with pytest.raises(
        UnknownNameError, match=r"No network is named 'cn'\. Did you mean 'cnn'\? Known: cnn, four_conv_cnn"
    ):
        find_network("cn")


def test_every_network_is_listed_and_found() -> None:
    residual, tutorials = ("resnet", "resnet9", "wide_resnet"), ("mnist_cnn", "four_conv_cnn", "signal_cnn")
    assert set(network_names()) >= {"cnn", "mlp", *residual, "inception", *tutorials}
    assert all(find_network(name).name == name for name in network_names())
    assert (default_network(0), default_network(2)) == ("mlp", "cnn")


def options_of(**options: int | bool) -> Network:
    return Network("own", "", ("conv",), (2,), wrong_outputs, options={"width": 16, "stem": False, **options})


def test_options_are_replaced_in_a_copy() -> None:
    network = options_of()
    changed = network.with_options(width=32, stem=None)
    assert changed.described() == {"name": "own", "width": 32, "stem": False}
    assert network.described() == {"name": "own", "width": 16, "stem": False}
    assert network.with_options(width=None) is network


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 2}, r"Network 'own' has no option 'depth'\. It has: width\."),
        ({"width": 0}, r"Network 'own', width: got 0, but it is an integer of at least 1\."),
        ({"width": True}, r"Network 'own', width: got True, but it is an integer of at least 1\."),
        ({"width": "8"}, r"Network 'own', width: got '8', but it is an integer of at least 1\."),
        ({"stem": 1}, r"Network 'own', stem: got 1, but it is true or false\."),
    ],
)
def test_options_that_a_network_does_not_take_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        options_of().with_options(**options)


def test_constants_go_where_a_block_leaves_the_defaults_and_settling_twice_changes_nothing_more() -> None:
    network = find_network("signal_cnn")
    blocks = {"conv": BlockSpec.parse("conv(kernel=7) > batch_norm(momentum=0.4) > relu > conv(padding=1) > add")}
    settled = network.settled(blocks)
    assert str(settled["conv"]) == (
        "conv(kernel=7, padding=0) > batch_norm(eps=0.001, momentum=0.4) > relu > conv(kernel=5, padding=1) > add"
    )
    assert network.settled(settled) == settled
    assert find_network("cnn").settled(blocks) == blocks


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("relu > batch_norm > dropout > conv", True),
        ("max_pool > conv > relu", True),
        ("spatial_dropout > conv > relu", True),
        ("batch_norm > relu > conv > add", True),
        ("batch_norm > conv > relu > max_pool", False),
        ("conv > relu", False),
        ("relu > linear", True),
        ("batch_norm > dropout > linear > relu", False),
    ],
)
def test_a_stem_is_there_for_orders_that_would_meet_the_samples_first(text: str, needs: bool) -> None:
    orders = {"conv": [BlockSpec.parse("conv > relu"), BlockSpec.parse(text)]}
    assert suited_network(options_of(), orders).options["stem"] is needs


def test_a_network_without_a_stem_to_switch_on_stays_as_it_is() -> None:
    network = find_network("resnet")
    assert suited_network(network, {"residual": [BlockSpec.parse("relu > conv > add")]}) is network


def wrong_outputs(*_: object) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


def wrong_inputs(*_: object) -> nn.Module:
    return nn.Linear(3, 3)


def test_a_network_that_gives_other_outputs_than_the_task_needs_is_refused() -> None:
    network = Network("own", "", ("conv",), (2,), wrong_outputs)
    with pytest.raises(NetworkError, match=r"'own' gives \(3,\) values a sample, but the task needs 10"):
        build_network(network, CONVENTION, (1, 8, 8), 10)


def test_a_network_that_cannot_take_the_samples_is_refused() -> None:
    network = Network("own", "", ("conv",), (2,), wrong_inputs)
    with pytest.raises(ShapeError, match=r"'own' does not fit samples of shape \(1, 8, 8\): "):
        build_network(network, CONVENTION, (1, 8, 8), 10)


def blocks_file(path: Path, dims: int) -> Path:
    ranking = tuple(RankedBlocks(blocks, 0.1, 1, (0,), 0.01) for blocks in (CONVENTION, NORM_LAST))
    write_blocks(path, BlocksFile(ranking, dims))
    return path


def test_the_winner_of_a_blocks_file_makes_modules(tmp_path: Path) -> None:
    block = load_blocks(blocks_file(tmp_path / "blocks.yaml", 2))["conv"](3, 64)
    assert isinstance(block, nn.Module)
    assert block(torch.randn(2, 3, 8, 8)).shape == (2, 64, 4, 4)


def test_other_ranks_and_dimensions_of_a_blocks_file_are_kept(tmp_path: Path) -> None:
    conv = load_blocks(str(blocks_file(tmp_path / "blocks.yaml", 1)), rank=2)["conv"]
    assert conv.spec == NORM_LAST["conv"]
    assert isinstance(conv(3, 4)[0], nn.Conv1d)


def test_a_rank_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BlocksFileError, match=r"The ranking has the ranks 1 to 2, but rank 3 was asked for\."):
        load_blocks(blocks_file(tmp_path / "blocks.yaml", 2), rank=3)
