"""Which block each role of a network gets."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from ordersearch.errors import NetworkError
from ordersearch.networks import Network, build_network, find_network
from ordersearch.networks.blocks import DEFAULT_BLOCKS, Blocks
from ordersearch.spec import BlockSpec

ROLES = ("conv", "stage_end", "dense")
OWN: dict[str, Any] = {"conv": "conv > tanh > dropout", "stage_end": "conv > max_pool > tanh"}


def no_build(*_: object) -> nn.Module:
    raise AssertionError("only its blocks are looked at")


def found(searched: dict[str, str], *, stage_end_dropout: bool = False, **own: str) -> dict[str, str]:
    network = Network("own", "", ROLES, (2,), no_build, blocks=own, stage_end_dropout=stage_end_dropout)
    blocks = Blocks(network, {role: BlockSpec.parse(text) for role, text in searched.items()}, 2)
    return {role: str(factory.spec) for role, factory in blocks.items()}


def test_defaults_stand_in_for_what_is_not_searched() -> None:
    assert found({}) == {"conv": DEFAULT_BLOCKS["conv"], "stage_end": DEFAULT_BLOCKS["conv"], "dense": "linear > relu"}


def test_a_stage_end_takes_what_is_searched_for_conv() -> None:
    assert found({"conv": "conv > relu"})["stage_end"] == "conv > relu"
    assert found({"conv": "conv > relu"}, **OWN)["stage_end"] == "conv > relu"


def test_a_stage_end_of_its_own_is_kept() -> None:
    both = found({"conv": "conv > relu", "stage_end": "conv > elu"})
    assert (both["conv"], both["stage_end"]) == ("conv > relu", "conv > elu")
    assert found({"stage_end": "conv > elu"})["conv"] == DEFAULT_BLOCKS["conv"]


def test_a_networks_own_blocks_go_before_the_defaults() -> None:
    assert found({}, **OWN) == {**OWN, "dense": "linear > relu"}
    assert found({}, conv="conv > elu")["stage_end"] == "conv > elu"


def test_dropout_at_stage_ends_takes_it_out_of_a_single_conv_order_elsewhere() -> None:
    order = "conv > relu > max_pool > dropout"
    single = found({"conv": order}, stage_end_dropout=True)
    assert (single["conv"], single["stage_end"]) == ("conv > relu > max_pool", order)
    assert found({"conv": order, "stage_end": order}, stage_end_dropout=True)["conv"] == order


def test_constants_are_put_into_every_block() -> None:
    network = Network("own", "", ROLES, (2,), no_build, constants={"conv": {"padding": 0}})
    blocks = Blocks(network, {"stage_end": BlockSpec.parse("conv > relu")}, 2)
    assert str(blocks["stage_end"].spec) == "conv(padding=0) > relu"
    assert str(blocks["conv"].spec).startswith("conv(padding=0) > ")


def test_a_network_of_any_roles_has_the_searched_and_the_known_ones() -> None:
    blocks = Blocks(Network("own", "", (), (2,), no_build), {"trunk": BlockSpec.parse("conv > relu")}, 2)
    assert list(blocks) == [*DEFAULT_BLOCKS, "stage_end", "trunk"]


def test_an_unknown_role_is_refused_when_it_is_used() -> None:
    blocks = Blocks(Network("own", "", ROLES, (2,), no_build), {}, 2)
    with pytest.raises(
        NetworkError,
        match=r"Network 'own': no role is named 'dens'\. Did you mean 'dense'\? Known: conv, dense, stage_end",
    ):
        blocks["dens"]
    assert "dens" not in blocks
    assert blocks.get("dens") is None
    assert blocks.get("dense") is blocks["dense"]
    assert len(blocks) == 3


def test_a_searched_role_without_a_place_is_refused() -> None:
    order = BlockSpec.parse("conv > relu > max_pool")
    with pytest.raises(
        NetworkError,
        match=r"Network 'cnn' \(width=16, depth=1, stem=False\) makes no layer of blocks\['conv'\], .* or --depth\.",
    ):
        build_network("cnn", {"conv": order, "stage_end": order}, (1, 8, 8), 10)
    deeper = find_network("cnn").with_options(depth=2)
    assert build_network(deeper, {"conv": order, "stage_end": order}, (1, 8, 8), 10)
