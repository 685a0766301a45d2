"""A whole network as source is the network that was trained."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ordersearch.block import BlockFactory
from ordersearch.errors import ExportError, NetworkError
from ordersearch.networks import Network, build_network, find_network, network_names
from ordersearch.networks.source import WRITTEN, network_source
from ordersearch.spec import BlockSpec
from tests.exported_source import Case, require_same

parse = BlockSpec.parse
CONV = {"conv": parse("conv > dropout(p=0.1) > batch_norm > relu > max_pool")}
STRIDED = {"conv": parse("conv > batch_norm > relu"), "dense": parse("linear > group_norm > tanh > dropout")}
PRE = {"conv": parse("relu > batch_norm > dropout(p=0.05) > conv")}
DENSE = {"dense": parse("batch_norm > dropout(p=0.1) > linear > relu")}
RESIDUAL = {"residual": parse("batch_norm > relu > conv > batch_norm > relu > dropout(p=0.3) > conv > add")}
WHERE = {"conv": parse("conv > relu > conv > relu > max_pool"), "stage_end": parse("conv > relu > max_pool > dropout")}

NETWORKS: list[tuple[str, dict[str, int], Mapping[str, BlockSpec], tuple[int, ...]]] = [
    ("cnn", {}, CONV, (1, 8, 8)),
    ("cnn", {"width": 6, "depth": 2}, CONV, (3, 12, 12)),
    ("cnn", {"stem": True, "depth": 2}, PRE, (1, 28, 28)),
    ("cnn", {"depth": 2}, WHERE, (1, 16, 16)),
    ("cnn", {}, STRIDED, (2, 40)),
    ("cnn", {"width": 4}, STRIDED, (1, 8, 8, 8)),
    ("cnn", {"width": 4}, CONV, (3, 70, 70)),
    ("cnn", {"width": 4, "stem": True}, PRE, (2, 600)),
    ("mlp", {}, DENSE, (13,)),
    ("mlp", {"width": 20, "depth": 3}, DENSE, (1, 8, 8)),
    ("mlp", {"stem": True, "depth": 1}, DENSE, (5,)),
    ("resnet", {"width": 4}, RESIDUAL, (3, 16, 16)),
    ("resnet", {"width": 4, "depth": 2}, {"residual": parse("conv > batch_norm > add > relu")}, (1, 40)),
    ("wide_resnet", {"width": 1}, RESIDUAL, (3, 8, 8)),
    ("resnet9", {"width": 4}, CONV, (3, 16, 16)),
    ("resnet9", {"width": 4, "stem": True}, {**PRE, **RESIDUAL}, (3, 16, 16)),
    ("mnist_cnn", {}, CONV, (1, 14, 14)),
    ("four_conv_cnn", {}, CONV, (1, 20, 20)),
    ("signal_cnn", {}, CONV, (3, 20)),
]


def test_source_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    network = find_network("cnn").with_options(stem=True, depth=2)
    golden("torch_network.py.txt", network_source(network, PRE, (1, 100, 100), 10, evidence=["Study: mine"]))


def test_blocks_inside_a_stage_and_at_its_end_are_one_class() -> None:
    source = network_source("four_conv_cnn", CONV, (1, 28, 28), 10)
    assert "self.stage_1_block_1 = ConvBlock(1, 32, pool=False, dropout=False)" in source
    assert "self.stage_1_block_2 = ConvBlock(32, 32)" in source


def test_a_network_that_is_no_row_is_refused() -> None:
    assert set(network_names()) - set(WRITTEN) >= {"inception"}
    with pytest.raises(
        ExportError,
        match=r"^Network 'inception' cannot be written as source: layer 'stage_1_module_1' is of type Branches, but .* "
        r"as cnn, mlp, .* are\. Export its blocks alone\.$",
    ):
        network_source("inception", CONV, (1, 16, 16), 10)
    with pytest.raises(NetworkError, match="'mlp' is made of dense blocks"):
        network_source("mlp", CONV, (13,), 10)


RATE: Any = torch.tensor(0.5)


def own(layers: Callable[[BlockFactory], nn.Module]) -> Network:
    """A network of one's own, for images of 8x8 with one channel and three classes."""
    return Network("own", "", (), (2,), lambda blocks, input_shape, n_outputs: layers(blocks["conv"]))


def row(conv: BlockFactory) -> nn.Sequential:
    """Blocks with other windows, layers with arguments of all kinds, rows with and without names."""
    return nn.Sequential(
        nn.ZeroPad2d((1, 2, 1, 2)),
        conv(1, 8, pool=False),
        nn.Conv2d(8, 8, (1, 3), padding="same", padding_mode="reflect", bias=False),
        nn.Sequential(conv(8, 8, kernel=5, pool=False), conv(8, 6, kernel=5, stride=2, dropout=False), nn.Softmax2d()),
        nn.Identity(),
        nn.Threshold(float("-inf"), 0.5),
        nn.BatchNorm2d(6, momentum=None),
        nn.Upsample(scale_factor=2.0, mode="bilinear"),
        nn.AdaptiveMaxPool2d((1, 2)),
        nn.Sequential(OrderedDict(flatten=nn.Flatten(), norm=nn.LayerNorm((12,)), output=nn.Linear(12, 3))),
    )


def test_the_source_is_the_network_in_a_fresh_interpreter(tmp_path: Path) -> None:
    cases = []
    for name, options, specs, shape in NETWORKS:
        network = find_network(name).with_options(**options)
        source = network_source(network, specs, shape, 3)
        cases.append(Case(source, "Network", build_network(network, specs, shape, 3), (4, *shape)))
    assert {name for name, *_ in NETWORKS} == set(WRITTEN)
    source = network_source(own(row), CONV, (1, 8, 8), 3)
    # The blocks with the other window have classes of their own: one has no pool.
    assert source.count("\nclass ") == 4
    cases.append(Case(source, "Network", build_network(own(row), CONV, (1, 8, 8), 3), (4, 1, 8, 8)))
    require_same(cases, tmp_path)


class Wrapped(nn.Module):
    """A network that is no row of layers."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Any:
        return self.network(x)


def tail(channels: int) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3)


def sharing(conv: BlockFactory) -> nn.Module:
    shared = nn.Conv2d(4, 4, 1)
    return nn.Sequential(conv(1, 4), shared, shared, *tail(4))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda conv: Wrapped(nn.Sequential(conv(1, 4), *tail(4))), "it is of type Wrapped, but only rows"),
        (lambda conv: nn.Sequential(conv(1, 4), Wrapped(nn.ReLU()), *tail(4)), "layer '1' is of type Wrapped"),
        (lambda conv: nn.Sequential(conv(1, 4), nn.Sequential(Wrapped(nn.ReLU())), *tail(4)), "layer '1.0' is of type"),
        (
            lambda conv: nn.Sequential(conv(1, 4), nn.Dropout(RATE), *tail(4)),
            "layer '1' is of type Dropout",
        ),
        (sharing, "Network 'own' has a layer that stands in two places. Export its blocks alone."),
        (
            lambda conv: nn.Sequential(conv(1, 4), nn.Sequential(OrderedDict({"my layer": nn.ReLU()})), *tail(4)),
            "layer '1' is of type Sequential",
        ),
    ],
)
def test_what_cannot_be_written_is_named(layers: Callable[[BlockFactory], nn.Module], message: str) -> None:
    with pytest.raises(ExportError, match=re.escape(message)):
        network_source(own(layers), CONV, (1, 8, 8), 3)
