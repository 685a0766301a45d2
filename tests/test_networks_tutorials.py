"""The tutorials' networks against what they print, written by hand in plain PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ordersearch.errors import NetworkError, ShapeError
from ordersearch.networks import build_network, find_network, suited_network
from ordersearch.spec import BlockSpec

KERAS: Any = {"eps": 1e-3, "momentum": 0.01}


def mnist_by_hand() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.BatchNorm2d(32, **KERAS),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Conv2d(32, 64, 3),
        nn.BatchNorm2d(64, **KERAS),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.BatchNorm1d(128, **KERAS),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


def four_conv_by_hand() -> nn.Sequential:
    def conv(in_channels: int, out_channels: int) -> list[nn.Module]:
        return [nn.Conv2d(in_channels, out_channels, 3), nn.BatchNorm2d(out_channels, **KERAS), nn.ReLU()]

    return nn.Sequential(
        *[*conv(3, 32), *conv(32, 32), nn.MaxPool2d(2), nn.Dropout(0.2)],
        *[*conv(32, 64), *conv(64, 64), nn.MaxPool2d(2), nn.Dropout(0.2)],
        nn.Flatten(),
        *[nn.Linear(1600, 512), nn.BatchNorm1d(512, **KERAS), nn.ReLU(), nn.Dropout(0.4)],
        nn.Linear(512, 10),
    )


def signal_by_hand() -> nn.Sequential:
    conv = nn.Conv1d(2, 64, 5)
    return nn.Sequential(
        *[conv, nn.BatchNorm1d(64, **KERAS), nn.ReLU(), nn.MaxPool1d(2), nn.Dropout(0.2)],
        *[nn.Flatten(), nn.Linear(64 * 18, 10)],
    )


TUTORIALS = {
    # The numbers that Keras' summary prints, the running means and variances of the batch norms taken off.
    "mnist_cnn": ((1, 28, 28), mnist_by_hand, 1_200_778 - 2 * (32 + 64 + 128)),
    "four_conv_cnn": ((3, 32, 32), four_conv_by_hand, 893_226 - 2 * (32 + 32 + 64 + 64 + 512)),
    "signal_cnn": ((2, 40), signal_by_hand, 12_490 - 2 * 64),
}


def leaves(module: nn.Module) -> list[nn.Module]:
    return [layer for layer in module.modules() if not list(layer.children())]


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorials_network_has_the_layers_that_the_tutorial_prints(name: str) -> None:
    shape, by_hand, n_parameters = TUTORIALS[name]
    network = build_network(name, {}, shape, 10)
    assert [repr(layer) for layer in leaves(network)] == [repr(layer) for layer in leaves(by_hand())]
    assert sum(parameter.numel() for parameter in network.parameters()) == n_parameters


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorials_network_computes_what_the_hand_written_one_computes(name: str, training: bool) -> None:
    shape, by_hand, _ = TUTORIALS[name]
    network, written = build_network(name, {}, shape, 10), by_hand()
    written.load_state_dict(dict(zip(written.state_dict(), network.state_dict().values(), strict=True)))
    x = torch.randn(4, *shape)
    outputs = []
    for module in (network, written):
        module.train(training)
        torch.manual_seed(7)
        outputs.append(module(x))
    assert torch.equal(*outputs)
    for ours, theirs in zip(network.buffers(), written.buffers(), strict=True):
        assert torch.equal(ours, theirs)


def searched(name: str, shape: tuple[int, ...], **blocks: str) -> Any:
    return build_network(name, {role: BlockSpec.parse(text) for role, text in blocks.items()}, shape, 10)


def test_a_searched_order_takes_the_tutorials_constants_where_it_says_nothing_else() -> None:
    network = searched("signal_cnn", (2, 40), conv="conv > relu > max_pool > dropout > batch_norm(eps=0.01)")
    (block,) = [layer for name, layer in network.named_children() if name.startswith("stage")]
    assert str(block.spec) == (
        "conv(kernel=5, padding=0) > relu > max_pool > dropout > batch_norm(eps=0.01, momentum=0.01)"
    )


def test_a_searched_conv_order_keeps_the_dense_role_at_the_tutorials_own_rate() -> None:
    network = searched("mnist_cnn", (1, 28, 28), conv="conv > relu > max_pool > dropout(p=0.1)")
    assert [layer.p for layer in leaves(network) if isinstance(layer, nn.Dropout)] == [0.1, 0.1, 0.5]


def test_a_searched_order_of_the_four_conv_network_drops_out_at_stage_ends_only() -> None:
    order = "conv > batch_norm > relu > max_pool > dropout(p=0.1)"
    network = searched("four_conv_cnn", (3, 32, 32), conv=order)
    assert [layer.p for layer in leaves(network) if isinstance(layer, nn.Dropout)] == [0.1, 0.1, 0.4]
    everywhere = searched("four_conv_cnn", (3, 32, 32), conv=order, stage_end=order)
    assert [layer.p for layer in leaves(everywhere) if isinstance(layer, nn.Dropout)] == [0.1] * 4 + [0.4]


@pytest.mark.parametrize(("name", "shape"), [("four_conv_cnn", (1, 8, 8)), ("signal_cnn", (1, 4))])
def test_samples_that_are_too_small_for_convolutions_without_padding_are_refused(
    name: str, shape: tuple[int, ...]
) -> None:
    message = rf"'{name}' does not fit samples of shape .*, since its convolutions do not pad .* for a window of [35]\."
    with pytest.raises(ShapeError, match=message):
        build_network(name, {}, shape, 10)


def test_a_searched_order_that_pads_fits_smaller_samples() -> None:
    network = searched("four_conv_cnn", (1, 8, 8), conv="conv(padding=1) > relu > max_pool")
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_pre_activation_orders_get_a_stem_and_a_tail_in_a_tutorials_network() -> None:
    order = BlockSpec.parse("relu > batch_norm > dropout(p=0.05) > conv")
    network = suited_network(find_network("mnist_cnn"), {"conv": [order]})
    names = [name for name, _ in build_network(network, {"conv": order}, (1, 28, 28), 10).named_children()]
    assert names == [
        *["stem", "stage_1_block_1", "stage_1_block_2", "conv_tail", "tail", "dense_1", "dense_tail", "output"]
    ]


def test_a_tutorials_widths_are_its_own() -> None:
    with pytest.raises(NetworkError, match=r"Network 'mnist_cnn' has no option 'width'\. Its size is fixed\."):
        find_network("mnist_cnn").with_options(width=8)
