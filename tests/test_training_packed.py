"""Several seeds in one batched model: each is its own single training."""

from __future__ import annotations

import copy
import gc
import math
import signal
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from ordersearch.data.sources import load_dataset
from ordersearch.data.split import split_tensors
from ordersearch.data.tensors import Split, Task, TensorSplit
from ordersearch.errors import DataError, DivergedError, MissingMetricError
from ordersearch.networks import build_network, find_network
from ordersearch.spec import BlockSpec
from ordersearch.training.fit import FitResult, fit
from ordersearch.training.packed import fit_packed
from ordersearch.training.packing import pack
from ordersearch.training.settings import TrainingSettings

EXACT = TrainingSettings(max_epochs=2, batch_size=32, precision="64")
SEEDS = (3, 5, 4)
SMALL: list[TensorSplit] = [split_tensors(load_dataset("digits"), split=split).first(81, 50) for split in range(3)]
"""81 samples: two batches of 32 and one of 17."""

Build = Callable[[int], nn.Module]


class Centred(nn.Module):
    """Of a user's own: subtracts a running mean, which it assigns anew, and counts its steps in place."""

    mean: Tensor
    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean = 0.8 * self.mean + 0.2 * x.detach().mean()
            self.steps += 1
        return x - self.mean


class Own(nn.Module):
    """A network of a user's own: functional calls, tied weights, a frozen one, and one that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.centred = Centred()
        self.first = nn.Linear(64, 64)
        self.second = nn.Linear(64, 64)
        self.second.weight = self.first.weight
        self.output = nn.Linear(64, 10)
        self.scale = nn.Parameter(torch.full((1,), 0.5), requires_grad=False)
        self.unused = nn.Parameter(torch.ones(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.centred(nn.functional.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)).flatten(1)
        x = torch.tanh(self.first(x)) + self.scale * torch.tanh(self.second(x))
        return cast(Tensor, self.output(x))


def own(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Own()


def built(name: str, specs: dict[str, str] | None = None, **options: Any) -> Build:
    network = find_network(name).with_options(**options)
    blocks = {role: BlockSpec.parse(text) for role, text in (specs or {}).items()}

    def build(seed: int) -> nn.Module:
        model = build_network(network, blocks, (1, 8, 8), 10, seed=seed)
        for layer in model.modules():
            if isinstance(layer, nn.modules.dropout._DropoutNd):
                layer.p = 0.0
        return model

    return build


def singles(build: Build, splits: Sequence[Split], settings: TrainingSettings, rate: float) -> Any:
    models = [build(seed) for seed in SEEDS]
    runs = zip(models, splits, SEEDS, strict=True)
    return models, [fit(model, split, settings=settings, learning_rate=rate, seed=seed) for model, split, seed in runs]


def together(
    build: Build, splits: Sequence[Split], settings: TrainingSettings, rate: float = 1e-2, **options: Any
) -> tuple[list[nn.Module], list[FitResult | DivergedError]]:
    models = [build(seed) for seed in SEEDS]
    return models, fit_packed(models, splits, settings=settings, learning_rate=rate, seeds=SEEDS, **options)


def assert_as_alone(build: Build, splits: Sequence[Split], settings: TrainingSettings, tolerance: float = 1e-8) -> None:
    alone, expected = singles(build, splits, settings, 1e-2)
    models, results = together(build, splits, settings)
    for result, single in zip(results, expected, strict=True):
        assert isinstance(result, FitResult)
        assert (result.n_epochs, result.n_parameters, result.pruned) == (single.n_epochs, single.n_parameters, False)
        for epoch, other in zip(result.history, single.history, strict=True):
            assert list(epoch) == list(other)
            assert untimed(epoch) == pytest.approx(untimed(other), abs=tolerance, rel=tolerance)
    for model, single in zip(models, alone, strict=True):
        for (name, value), other in zip(model.state_dict().items(), single.state_dict().values(), strict=True):
            torch.testing.assert_close(value, other, atol=tolerance, rtol=tolerance, msg=name)


def untimed(epoch: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in epoch.items() if key != "seconds"}


def values(results: Sequence[FitResult | DivergedError]) -> list[list[dict[str, float]]]:
    return [[untimed(epoch) for epoch in result.history] for result in results if isinstance(result, FitResult)]


NETWORKS = {
    "mlp": built("mlp"),
    "mlp, norms and slopes": built("mlp", {"dense": "layer_norm > linear > prelu > batch_norm"}),
    "cnn": built("cnn"),
    "cnn, norm first": built(
        "cnn", {"conv": "layer_norm > conv > mish > avg_pool", "dense": "linear > layer_norm > gelu"}
    ),
    "cnn, groups": built("cnn", {"conv": "conv(kernel=5) > group_norm(groups=2) > prelu > max_pool"}),
    "cnn, every batch norm": built("cnn", {"conv": "batch_norm > conv > selu > max_pool"}, depth=2, stem=True),
    "narrow resnet": built("resnet", width=4),
    "wide_resnet": built("wide_resnet", width=1),
    "inception": built("inception"),
    "a user's own": own,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_each_replica_is_its_own_single_training(name: str) -> None:
    assert_as_alone(NETWORKS[name], SMALL, EXACT)


@pytest.mark.parametrize(
    "name", ["mlp, norms and slopes", "cnn, norm first", "cnn, groups", "narrow resnet", "inception"]
)
def test_vmap_gives_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordersearch.training.packing.can_fold", lambda _models: False)
    assert_as_alone(NETWORKS[name], SMALL, EXACT)


def toy(task: Task, shape: tuple[int, ...], *, seed: int = 0, n: int = 41) -> TensorSplit:
    """Noise whose mean tells the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (2 * n,), generator=generator)
    x = torch.randn(2 * n, *shape, generator=generator) + labels.view(-1, *[1] * len(shape))
    one_hot = nn.functional.one_hot(labels, 3).float()
    y = {"classification": labels, "multilabel": one_hot, "regression": 3 * one_hot + 1}[task]
    return TensorSplit(x[:n], y[:n], x[n:], y[n:], x[n:], y[n:], task)


def sequential(*layers: Callable[[], nn.Module]) -> Build:
    def build(seed: int) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return nn.Sequential(*[layer() for layer in layers])

    return build


def with_slopes() -> nn.Module:
    slopes = nn.PReLU(4)
    nn.init.uniform_(slopes.weight)
    return slopes


LAYERS: dict[str, tuple[tuple[int, ...], Build]] = {
    "1d": (
        (2, 9),
        sequential(
            lambda: nn.Conv1d(2, 4, 3, groups=2, padding=1, padding_mode="circular"),
            with_slopes,
            lambda: nn.InstanceNorm1d(4, affine=True, track_running_stats=True),
            lambda: nn.MaxPool1d(2),
            lambda: nn.AdaptiveAvgPool1d(1),
            nn.Flatten,
            lambda: nn.Linear(4, 3),
        ),
    ),
    "2d": (
        (2, 7, 6),
        sequential(
            lambda: nn.GroupNorm(2, 2),
            lambda: nn.Conv2d(2, 4, 3, dilation=2, padding="same"),
            lambda: nn.BatchNorm2d(4, affine=False),
            lambda: nn.Conv2d(4, 4, 1, stride=2, groups=2, bias=False),
            lambda: nn.BatchNorm2d(4, track_running_stats=False, eps=1e-3),
            lambda: nn.ReLU(inplace=True),
            lambda: nn.AdaptiveMaxPool2d(2),
            nn.Flatten,
            lambda: nn.LayerNorm(16),
            lambda: nn.Linear(16, 3, bias=False),
        ),
    ),
    "3d": (
        (1, 4, 4, 4),
        sequential(
            lambda: nn.Conv3d(1, 4, 3, padding=1),
            lambda: nn.BatchNorm3d(4, momentum=0.3),
            nn.PReLU,
            lambda: nn.AvgPool3d(2),
            nn.Flatten,
            lambda: nn.Linear(32, 3),
        ),
    ),
    "a linear layer over the steps of a signal": (
        (2, 5),
        sequential(lambda: nn.Linear(5, 5), lambda: nn.LayerNorm(5), nn.ReLU, nn.Flatten, lambda: nn.Linear(10, 3)),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("task", ["classification", "regression", "multilabel"])
def test_layers_and_tasks(name: str, task: Task) -> None:
    shape, build = LAYERS[name]
    splits = [toy(task, shape, seed=seed) for seed in range(3)]
    settings = replace(EXACT, batch_size=16, metric="val/loss")
    assert_as_alone(build, splits, settings)


@pytest.mark.parametrize("channels_last", [True, False])
def test_augmented_images_and_one_split_for_all(channels_last: bool) -> None:
    settings = replace(EXACT, augment="flip,crop", channels_last=channels_last)
    assert_as_alone(NETWORKS["cnn"], [SMALL[0]] * 3, settings)


@pytest.mark.parametrize(("precision", "tolerance"), [("32", 1e-3), ("bf16", 0.1)])
def test_other_precisions_agree_as_far_as_they_can(precision: str, tolerance: float) -> None:
    settings = replace(EXACT, precision=precision, max_epochs=1)
    for build in (NETWORKS["cnn"], own):
        _, expected = singles(build, SMALL, settings, 1e-3)
        models, results = together(build, SMALL, settings, 1e-3)
        for result, single in zip(results, expected, strict=True):
            assert isinstance(result, FitResult)
            assert result.metrics["val/loss"] == pytest.approx(single.metrics["val/loss"], rel=tolerance)
        assert {p.dtype for model in models for p in model.parameters()} == {torch.float32}


def test_known_layers_are_folded_and_others_are_batched_by_vmap() -> None:
    kinds = {name: type(pack([build(0), build(1)], SMALL[0], TrainingSettings())) for name, build in NETWORKS.items()}
    batched = {name for name, kind in kinds.items() if kind.__name__ == "VmappedReplicas"}
    assert batched == {"a user's own"}


def linear(model: nn.Module) -> nn.Linear:
    return cast(nn.Linear, model.get_submodule("0"))


def test_weight_decays_in_matrices_only() -> None:
    # The inputs are zero, so decay is all that moves the weights.
    x, y = torch.zeros(16, 4), torch.ones(16, 1)
    data = TensorSplit(x, y, x, y, x, y, "regression")
    for build in (
        sequential(lambda: nn.Linear(4, 1)),
        sequential(lambda: nn.Linear(4, 1), lambda: nn.Threshold(-99, 0)),
    ):
        moved = []
        for decay in (0.5, 0.0):
            models = [build(seed) for seed in SEEDS]
            before = [linear(model).weight.detach().double() for model in models]
            settings = replace(EXACT, weight_decay=decay)
            fit_packed(models, [data] * 3, settings=settings, learning_rate=0.1, seeds=SEEDS)
            moved.append([linear(model).bias.item() for model in models])
            after = [linear(model).weight for model in models]
            same = [torch.equal(one, other) for one, other in zip(before, after, strict=True)]
            assert same == [decay == 0] * 3
        assert moved[0] == moved[1]


class Dropping(nn.Module):
    """A user's own dropout, which is batched by ``vmap``."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.25, self.training)


@pytest.mark.parametrize("layer", [lambda: nn.Dropout(0.25), lambda: nn.Dropout2d(0.25), Dropping])
def test_masks_differ_between_replicas_and_have_the_rate(layer: Callable[[], nn.Module]) -> None:
    split = toy("classification", (40, 1, 1), n=400)
    replicas = pack([nn.Sequential(layer()) for _ in SEEDS], split, TrainingSettings())
    replicas.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mask = replicas(torch.ones(400, 120, 1, 1))[..., 0, 0]
    assert mask.shape == (400, 3, 40)
    assert sorted(set(mask.flatten().tolist())) == [0, pytest.approx(1 / 0.75)]
    kept = (mask > 0).double()
    # 16000 draws a replica: the standard error of their mean is 0.0034, of a correlation 0.008.
    assert kept.mean((0, 2)).tolist() == pytest.approx([0.75] * 3, abs=0.014)
    assert kept.transpose(0, 1).flatten(1).var(1).tolist() == pytest.approx([0.1875] * 3, abs=0.01)
    correlations = torch.corrcoef(kept.transpose(0, 1).flatten(1)) - torch.eye(3)
    assert correlations.abs().max() < 0.035


@pytest.mark.parametrize("name", ["mlp", "a user's own"])
def test_dropout_trains_to_the_same_losses_in_law(name: str) -> None:
    def build(seed: int) -> nn.Module:
        model = nn.Sequential(nn.Dropout(0.2), NETWORKS[name](seed))
        return model if name == "mlp" else nn.Sequential(model, nn.Dropout(0.0))

    settings = replace(EXACT, max_epochs=3, batch_size=16)
    losses: dict[str, list[float]] = {"alone": [], "together": []}
    model = build(0)
    for seed in range(12):
        alone = fit(copy.deepcopy(model), SMALL[0], settings=settings, learning_rate=1e-2, seed=seed)
        losses["alone"].append(alone.metrics["train/loss"])
    for first in (0, 6):
        seeds = range(first, first + 6)
        models = [copy.deepcopy(model) for _ in seeds]
        results = fit_packed(models, [SMALL[0]] * 6, settings=settings, learning_rate=1e-2, seeds=seeds)
        losses["together"] += [result.metrics["train/loss"] for result in results if isinstance(result, FitResult)]
    one, other = (torch.tensor(values) for values in losses.values())
    assert len(set(losses["together"])) == 12
    # Means of 12, whose difference has this standard error.
    assert abs(one.mean() - other.mean()) < 3.5 * ((one.var() + other.var()) / 12).sqrt()
    assert 0.2 < one.std() / other.std() < 5


def test_the_same_pack_is_bit_equal_and_another_one_has_other_masks() -> None:
    def build(seed: int) -> nn.Module:
        return build_network(
            "mlp", {"dense": BlockSpec.parse("linear > relu > dropout(p=0.5)")}, (1, 8, 8), 10, seed=seed
        )

    settings = TrainingSettings(max_epochs=2, batch_size=32)
    first = values(together(build, SMALL, settings)[1])
    torch.rand(7)
    assert values(together(build, SMALL, settings)[1]) == first
    models = [build(seed) for seed in SEEDS[:2]]
    pair = fit_packed(models, SMALL[:2], settings=settings, learning_rate=1e-2, seeds=SEEDS[:2])
    assert values(pair)[0][-1]["train/loss"] != pytest.approx(first[0][-1]["train/loss"], rel=1e-3)


@pytest.mark.parametrize("name", ["mlp", "cnn", "cnn, groups", "narrow resnet", "a user's own"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_one_that_diverges_leaves_the_others_as_they_are(name: str, channels_last: bool) -> None:
    settings = replace(EXACT, channels_last=channels_last)
    build = NETWORKS[name]
    _, expected = together(build, SMALL, settings)
    models = [build(seed) for seed in SEEDS]
    for parameter in models[1].parameters():
        nn.init.constant_(parameter, math.nan)
    seen: list[list[float]] = []

    def should_stop(_epoch: int, values: list[float]) -> bool:
        seen.append(values)
        return False

    results = fit_packed(models, SMALL, settings=settings, learning_rate=1e-2, seeds=SEEDS, should_stop=should_stop)
    message = "Epoch 1 of 2: the training loss is nan, but it must stay finite. A learning rate below 0.01 may help."
    assert isinstance(results[1], DivergedError)
    assert str(results[1]) == message
    assert values([results[0], results[2]]) == [values(expected)[0], values(expected)[2]]
    assert [[math.isnan(value) for value in epoch] for epoch in seen] == [[False, True, False]] * 2


def test_when_all_diverge_no_further_epoch_is_trained() -> None:
    epochs: list[int] = []

    def should_stop(epoch: int, _values: list[float]) -> bool:
        epochs.append(epoch)
        return False

    settings = replace(EXACT, max_epochs=5)
    _, results = together(NETWORKS["mlp"], SMALL, settings, 1e40, should_stop=should_stop)
    assert all(isinstance(result, DivergedError) for result in results)
    assert epochs == list(range(len(epochs)))
    assert len(epochs) < 5


def test_all_are_stopped_together() -> None:
    told: list[tuple[int, list[float]]] = []

    def should_stop(epoch: int, values: list[float]) -> bool:
        told.append((epoch, values))
        return epoch == 1

    settings = replace(EXACT, max_epochs=4, metric="val/accuracy")
    _, results = together(NETWORKS["mlp"], SMALL, settings, should_stop=should_stop)
    histories = [result.history for result in results if isinstance(result, FitResult)]
    assert told == [(epoch, [history[epoch]["val/accuracy"] for history in histories]) for epoch in range(2)]
    assert [(result.pruned, result.n_epochs) for result in results if isinstance(result, FitResult)] == [(True, 2)] * 3


@pytest.mark.parametrize("name", ["cnn", "a user's own"])
def test_models_and_the_process_are_left_as_after_a_single_fit(name: str) -> None:
    state, handlers = torch.get_rng_state(), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    models = [NETWORKS[name](seed).eval() for seed in SEEDS]
    with torch.no_grad():
        fit_packed(models, SMALL, settings=TrainingSettings(max_epochs=1), learning_rate=1e-2, seeds=SEEDS)
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    for model in models:
        assert not any(layer.training for layer in model.modules())
        assert all(parameter.grad is None for parameter in model.parameters())
        assert {layer.momentum for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)} == {0.1}


@pytest.mark.parametrize("name", ["cnn", "a user's own"])
def test_models_are_freed_without_the_garbage_collector(name: str) -> None:
    models = [NETWORKS[name](seed) for seed in SEEDS]
    alive = [weakref.ref(model) for model in models]
    gc.collect()
    gc.disable()
    try:
        fit_packed(models, SMALL, settings=TrainingSettings(max_epochs=1), learning_rate=1e-2, seeds=SEEDS)
        del models
        assert [reference() for reference in alive] == [None] * 3
    finally:
        gc.enable()


def test_splits_of_several_sizes_are_refused() -> None:
    splits = [SMALL[0], SMALL[1], SMALL[2].first(80, 50)]
    with pytest.raises(DataError, match=r"one kind and size, but here are .*, 80, 50\) and .*, 81, 50\)"):
        together(NETWORKS["mlp"], splits, EXACT)


def test_a_seed_and_a_split_belong_to_each_model() -> None:
    with pytest.raises(ValueError, match="Got 3 models, 2 splits and 3 seeds, but there is one split and one seed for"):
        together(NETWORKS["mlp"], SMALL[:2], EXACT)


def test_a_metric_that_is_not_logged_is_refused_before_training() -> None:
    with pytest.raises(MissingMetricError, match="'val/acc' was not logged"):
        together(NETWORKS["mlp"], SMALL, replace(EXACT, metric="val/acc"))
