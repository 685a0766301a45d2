"""What cannot be trained as one batched model is told, with the reason."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from ordersearch.block import build_block
from ordersearch.data import dataset_from_arrays
from ordersearch.data.split import split_tensors
from ordersearch.data.stream import split_stream
from ordersearch.data.tensors import TensorSplit
from ordersearch.networks import build_network, find_network, network_names
from ordersearch.ops import Role, op_kind, op_names
from ordersearch.spec import BlockSpec
from ordersearch.training.folded import can_fold
from ordersearch.training.packed import fit_packed
from ordersearch.training.packing import packing_obstacle
from ordersearch.training.settings import TrainingSettings

SETTINGS = TrainingSettings(max_epochs=1, batch_size=8)


def table() -> TensorSplit:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(30, 4, generator=generator), torch.arange(30) % 2
    return TensorSplit(x[:20], y[:20], x[20:], y[20:], x[20:], y[20:], "classification")


class Recurrent(nn.Module):
    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.layer = kind(4, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.layer(x[:, None])[0])[:, 0]


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Reading(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x.mean().item()


class Choosing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[x[:, 0] > 0]


class Constant(nn.Module):
    """Draws numbers of its seed that no state dictionary holds."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = torch.rand(4)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factors


class Counting(nn.Module):
    """Keeps a statistic that is no buffer, of all that it has seen in training."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0.0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.total += float(len(x))
        return x * self.total


class Shy(nn.Module):
    def __deepcopy__(self, memo: object) -> Shy:
        raise TypeError("this network is one of a kind")

    def forward(self, x: Tensor) -> Tensor:
        return x


NO_FORM = "cannot be batched: PyTorch has no batched form of"
OBSTACLES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "RReLU": (nn.RReLU, f"Layer '1' (RReLU) {NO_FORM} aten::rrelu."),
    "LSTM": (lambda: Recurrent(nn.LSTM), f"Layer '1.layer' (LSTM) {NO_FORM} aten::lstm."),
    "GRU": (lambda: Recurrent(nn.GRU), f"Layer '1.layer' (GRU) {NO_FORM} aten::gru."),
    "RNN": (lambda: Recurrent(nn.RNN), f"Layer '1.layer' (RNN) {NO_FORM} aten::rnn_tanh."),
    "GRUCell": (lambda: nn.GRUCell(4, 4), "PyTorch has no batched form of aten::gru_cell."),
    "spectral_norm": (
        lambda: parametrizations.spectral_norm(nn.Linear(4, 4)),
        f"Layer '1.parametrizations.weight.0' (_SpectralNorm) {NO_FORM} aten::div.",
    ),
    "spectral_norm, by hook": (
        lambda: nn.utils.spectral_norm(nn.Linear(4, 4)),
        f"Layer '1' (Linear) {NO_FORM} aten::div.",
    ),
    "momentum=None": (
        lambda: nn.BatchNorm1d(4, momentum=None),
        "Layer '1' (BatchNorm1d) has momentum=None, for which it reads out a counter.",
    ),
    "lazy": (lambda: nn.LazyLinear(4), "Layer '1' (LazyLinear) has no weights before its first batch."),
    "branch": (Branching, "Layer '1' (Branching) cannot be batched: its code branches on values."),
    "item": (Reading, "Layer '1' (Reading) cannot be batched: its code reads values out of a tensor."),
    "shape": (Choosing, "Layer '1' (Choosing) cannot be batched: the shape of what it gives depends on values."),
    "constant": (
        Constant,
        "The networks give something else together than alone: they hold values that are no buffer.",
    ),
    "copy": (Shy, "The network cannot be copied: this network is one of a kind."),
}


def pair(layer: Callable[[], nn.Module]) -> list[nn.Module]:
    models: list[nn.Module] = []
    for seed in range(2):
        with torch.random.fork_rng(), warnings.catch_warnings():
            # A lazy layer and an old spectral norm warn of themselves.
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            models.append(nn.Sequential(nn.Linear(4, 4), layer(), nn.Dropout(0.3)))
    return models


@pytest.mark.parametrize("name", OBSTACLES)
def test_an_obstacle_is_told_in_a_sentence(name: str) -> None:
    layer, reason = OBSTACLES[name]
    assert packing_obstacle(pair(layer), table(), SETTINGS) == reason


@pytest.mark.parametrize("name", ["LSTM", "branch", "spectral_norm", "spectral_norm, by hook"])
def test_trying_changes_nothing(name: str) -> None:
    models, generator = pair(OBSTACLES[name][0]), torch.get_rng_state()
    before = [copy.deepcopy(model.state_dict()) for model in models]
    layers = [list(model.modules()) for model in models]
    n_hooks = [len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in layers[0]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert packing_obstacle(models, table(), SETTINGS)
    assert torch.equal(torch.get_rng_state(), generator)
    assert [list(model.modules()) for model in models] == layers
    assert [len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in layers[0]] == n_hooks
    for model, state in zip(models, before, strict=True):
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
        assert all(parameter.grad is None for parameter in model.parameters())


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(4, 2, dropout=0.2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.layer(x[:, None], x[:, None], x[:, None])[0])[:, 0]


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn_like(x) if self.training else x


@pytest.mark.parametrize("layer", [Counting, Attending, Noisy, lambda: nn.BatchNorm1d(4), lambda: nn.Softmax(1)])
def test_what_can_be_batched_has_no_obstacle_and_trains(layer: Callable[[], nn.Module]) -> None:
    models = pair(layer)
    assert packing_obstacle(models, table(), SETTINGS) == ""
    results = fit_packed(models, [table()] * 2, settings=SETTINGS, learning_rate=1e-3, seeds=[0, 1])
    assert [type(result).__name__ for result in results] == ["FitResult"] * 2


@pytest.mark.parametrize("network", ["mlp", "cnn", "resnet", "inception"])
def test_networks_of_known_layers_have_no_obstacle(network: str) -> None:
    models = [build_network(network, {}, (1, 8, 8), 2, seed=seed) for seed in range(2)]
    x, y = torch.randn(6, 1, 8, 8), torch.arange(6) % 2
    assert packing_obstacle(models, TensorSplit(x, y, x, y, x, y, "classification"), SETTINGS) == ""


@pytest.mark.parametrize("name", network_names())
def test_every_network_is_folded_with_its_own_block(name: str) -> None:
    network = find_network(name)
    shape = {0: (9,), 1: (2, 64), 2: (3, 32, 32), 3: (1, 16, 16, 16)}
    for dims in network.dims:
        assert can_fold([build_network(network, {}, shape[dims], 3, seed=seed) for seed in range(2)])


@pytest.mark.parametrize("name", [name for name in op_names() if op_kind(name).role not in (Role.MERGE, Role.WEIGHT)])
def test_every_op_is_folded(name: str) -> None:
    weights = [
        weight for weight, call in (("conv", op_kind(name).on_maps), ("linear", op_kind(name).on_features)) if call
    ]
    for weight in weights:
        spec = BlockSpec.parse(f"{weight} > {name}")
        assert can_fold([build_block(spec, 4, 4) for _ in range(2)])


def test_what_only_looks_known_is_not_folded() -> None:
    def models(layer: Callable[[], nn.Module]) -> list[nn.Module]:
        return [nn.Sequential(nn.Linear(4, 4), layer()) for _ in range(2)]

    class Louder(nn.ReLU):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    assert can_fold(models(nn.ReLU))
    assert not can_fold(models(Louder))
    assert not can_fold(models(lambda: nn.Flatten(0)))
    hooked, changed, tied = models(nn.ReLU), models(nn.ReLU), models(nn.ReLU)
    hooked[1].get_submodule("1").register_forward_hook(lambda _layer, _inputs, output: 2 * output)
    changed[1].get_submodule("1").forward = lambda x: 2 * x
    for model in tied:
        cast(nn.Sequential, model).append(model.get_submodule("0"))
    assert not any(map(can_fold, (hooked, changed, tied)))
    assert not can_fold([nn.Sequential(nn.Dropout(0.1)), nn.Sequential(nn.Dropout(0.2))])


def test_one_network_is_enough_to_try() -> None:
    assert packing_obstacle(pair(Branching)[:1], table(), SETTINGS) == OBSTACLES["branch"][1]
    assert packing_obstacle(pair(Attending)[:1], table(), SETTINGS) == ""


def test_networks_that_differ_between_seeds_are_told() -> None:
    models = [nn.Sequential(nn.Linear(4, width), nn.Linear(width, 2)) for width in (3, 5)]
    reason = "The networks of two seeds have other weights: of other names, shapes or kinds."
    assert packing_obstacle(models, table(), SETTINGS) == reason


@pytest.mark.parametrize("kind", [Attending, Branching])
def test_where_the_data_are_makes_no_difference(kind: type[nn.Module]) -> None:
    digits = dataset_from_arrays(np.zeros((60, 4), np.float32), np.arange(60) % 2, name="few", input="table")
    streamed, held = split_stream(digits, split=0), split_tensors(digits, split=0)
    assert packing_obstacle(pair(kind), streamed, SETTINGS) == packing_obstacle(pair(kind), held, SETTINGS)
