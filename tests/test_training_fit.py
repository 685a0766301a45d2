from __future__ import annotations

import gc
import logging
import math
import random
import signal
import subprocess
import sys
import threading
import warnings
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ordersearch.data.tensors import Task, TensorSplit
from ordersearch.errors import DataError, DivergedError, MissingMetricError
from ordersearch.training.fit import FitResult, evaluate, fit
from ordersearch.training.schedule import one_cycle
from ordersearch.training.settings import TrainingSettings

CLASSES = 3
QUICK = TrainingSettings(max_epochs=3, batch_size=16)


def toy(task: Task = "classification", *, n: int = 49, seed: int = 0) -> TensorSplit:
    """Bright squares in one of three places, so few that an epoch takes milliseconds."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(0, CLASSES, (2 * n,), generator=generator)
    x = 0.3 * torch.randn(2 * n, 1, 6, 6, generator=generator)
    for place in range(CLASSES):
        x[places == place, :, 2 * place : 2 * place + 2] += 1
    one_hot = nn.functional.one_hot(places, CLASSES).float()
    y = {"classification": places, "multilabel": one_hot, "regression": 3 * one_hot + 1}[task]
    return TensorSplit(x[:n], y[:n], x[n:], y[n:], x[n:], y[n:], task)


def network(*, dropout: float = 0.3) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(72, CLASSES),
        )


def trained(
    *, settings: TrainingSettings = QUICK, data: TensorSplit | None = None, learning_rate: float = 1e-2, seed: int = 0
) -> FitResult:
    return fit(network(), data or toy(), settings=settings, learning_rate=learning_rate, seed=seed)


def untimed(result: FitResult) -> list[dict[str, float]]:
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in result.history]


class Interrupting(nn.Module):
    """A layer in whose forward pass the user presses Ctrl-C."""

    def forward(self, x: Tensor) -> Tensor:
        raise KeyboardInterrupt


def test_a_network_learns() -> None:
    result = trained(settings=TrainingSettings(max_epochs=8, batch_size=16))
    assert result.metrics["val/accuracy"] > 0.9
    assert result.metrics["val/loss"] < 0.5 * result.history[0]["val/loss"]


def test_the_result_says_what_came_of_it() -> None:
    result = trained()
    assert [list(epoch) for epoch in result.history] == [["train/loss", "val/loss", "val/accuracy", "seconds"]] * 3
    assert result.n_epochs == 3
    assert not result.pruned
    assert result.n_parameters == 72 + 16 + 73 * CLASSES
    assert result.metrics == result.history[-1]
    assert result.seconds > sum(epoch["seconds"] for epoch in result.history) > 0


def test_the_last_epoch_is_what_evaluate_gives() -> None:
    model, data = network(), toy()
    result = fit(model, data, settings=QUICK, learning_rate=1e-2, seed=0)
    assert evaluate(model, data, settings=QUICK) == {
        "loss": result.metrics["val/loss"],
        "accuracy": result.metrics["val/accuracy"],
    }


def test_the_same_run_is_bit_equal_whatever_was_drawn_before() -> None:
    first = trained()
    torch.rand(100)
    torch.manual_seed(12)
    assert untimed(trained()) == untimed(first)


def test_seeds_give_other_batches_and_masks() -> None:
    assert untimed(trained(seed=1)) != untimed(trained(seed=0))


def test_masks_differ_from_epoch_to_epoch() -> None:
    masks: list[Tensor] = []

    class Watched(nn.Dropout):
        def forward(self, input: Tensor) -> Tensor:
            output = super().forward(input)
            if self.training:
                masks.append(output[:2, :, :2, :2] != 0)
            return output

    model = nn.Sequential(Watched(0.5), *network())
    fit(model, toy(n=32), settings=TrainingSettings(max_epochs=2, batch_size=32), learning_rate=1e-3, seed=0)
    assert len(masks) == 2
    assert not torch.equal(masks[0], masks[1])


def test_the_callers_generators_are_as_before() -> None:
    state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    trained()
    assert torch.equal(torch.get_rng_state(), state)
    assert str(np.random.get_state()) == str(numpy_state)
    assert random.getstate() == python_state


def test_gradients_stay_switched_off_for_a_caller_who_did_so() -> None:
    with torch.no_grad():
        trained()
        assert not torch.is_grad_enabled()


def test_float64_is_trained_and_agrees_with_float32() -> None:
    double = trained(settings=TrainingSettings(max_epochs=3, batch_size=16, precision="64")).metrics["val/loss"]
    assert double == pytest.approx(trained().metrics["val/loss"], rel=1e-3)
    assert double != float(np.float32(double))


def test_bf16_is_autocast_and_keeps_float32_weights() -> None:
    model, seen = network(), []
    model[0].register_forward_hook(lambda _layer, _inputs, output: seen.append(output.dtype))
    settings = TrainingSettings(max_epochs=1, batch_size=16, precision="bf16")
    fit(model, toy(), settings=settings, learning_rate=1e-2, seed=0)
    assert set(seen) == {torch.bfloat16}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_layout_is_asked_for_and_changes_no_value() -> None:
    layouts: dict[bool, list[bool]] = {True: [], False: []}
    losses = []
    for channels_last in (True, False):
        model = network(dropout=0.0)
        model[1].register_forward_hook(
            lambda _layer, _inputs, output, seen=layouts[channels_last]: seen.append(
                output.is_contiguous(memory_format=torch.channels_last)
            )
        )
        settings = TrainingSettings(max_epochs=2, batch_size=16, channels_last=channels_last, precision="64")
        losses.append(fit(model, toy(), settings=settings, learning_rate=1e-2, seed=0).metrics["val/loss"])
    assert all(layouts[True])
    assert not any(layouts[False])
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_tables_and_regression_are_trained() -> None:
    data = toy("regression")
    flat = TensorSplit(
        data.x_train.flatten(1), data.y_train, data.x_val.flatten(1), data.y_val, data.x_test, data.y_test, "regression"
    )
    model = nn.Sequential(nn.Linear(36, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, CLASSES))
    settings = TrainingSettings(max_epochs=30, batch_size=16, metric="val/r2")
    result = fit(model, flat, settings=settings, learning_rate=3e-2, seed=0)
    assert list(result.metrics) == ["train/loss", "val/loss", "val/r2", "seconds"]
    assert result.metrics["val/r2"] > 0.8


def test_several_labels_are_trained() -> None:
    result = trained(data=toy("multilabel"), settings=TrainingSettings(max_epochs=8, batch_size=16))
    assert result.metrics["val/accuracy"] > 0.85


def test_the_training_loss_is_the_mean_over_samples_and_not_over_batches() -> None:
    # The learning rate is so small that the weights stay as they are, and no layer tells training from evaluation.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, CLASSES))
    data, settings = toy(n=21), TrainingSettings(max_epochs=1, batch_size=16, precision="64")
    trained_on = replace(data, x_val=data.x_train, y_val=data.y_train)
    before = evaluate(model.double(), trained_on, settings=settings)
    result = fit(model, data, settings=settings, learning_rate=1e-12, seed=0)
    assert result.metrics["train/loss"] == pytest.approx(before["loss"], rel=1e-6)


def test_weights_decay_and_biases_do_not() -> None:
    # The inputs are zero, so decay is all that moves the weights.
    x, y = torch.zeros(16, 4), torch.ones(16, 1)
    data = TensorSplit(x, y, x, y, x, y, "regression")
    biases = []
    for weight_decay in (0.5, 0.0):
        layer = nn.Linear(4, 1)
        nn.init.ones_(layer.weight)
        nn.init.ones_(layer.bias)
        settings = TrainingSettings(max_epochs=4, weight_decay=weight_decay, precision="64")
        fit(layer, data, settings=settings, learning_rate=0.1, seed=0)
        left = math.prod(1 - rate * weight_decay for rate in one_cycle(0.1, 4))
        assert layer.weight.tolist() == [pytest.approx([left] * 4)]
        biases.append(layer.bias.item())
    assert biases[0] == biases[1]


def test_batch_norm_has_its_own_momentum_back_and_another_while_training() -> None:
    model, seen = network(), set()
    norm = model[1]
    assert isinstance(norm, _BatchNorm)
    norm.register_forward_hook(lambda layer, _inputs, _output: seen.add(layer.momentum))
    fit(model, toy(), settings=QUICK, learning_rate=1e-2, seed=0)
    assert seen == {QUICK.batch_norm_momentum}
    assert norm.momentum == 0.1


def test_the_model_is_left_in_its_mode_and_without_gradients() -> None:
    model = network().eval()
    modes = []
    model[4].register_forward_hook(lambda layer, _inputs, _output: modes.append(layer.training))
    fit(model, toy(), settings=QUICK, learning_rate=1e-2, seed=0)
    assert modes == ([True] * 3 + [False]) * 3
    assert not any(layer.training for layer in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_nothing_is_written_printed_or_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    level, filters = logging.getLogger("pytorch_lightning").level, list(warnings.filters)
    with caplog.at_level(logging.INFO):
        trained()
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert logging.getLogger("pytorch_lightning").level == level
    assert list(warnings.filters) == filters


def test_a_process_that_fits_prints_nothing(tmp_path: Path) -> None:
    code = """
import os, sys, torch
from torch import nn
from ordersearch.data.tensors import TensorSplit
from ordersearch.training.fit import fit
from ordersearch.training.schedule import one_cycle
from ordersearch.training.settings import TrainingSettings
os.chdir(sys.argv[1])
x, y = torch.randn(20, 4), torch.arange(20) % 2
fit(nn.Linear(4, 2), TensorSplit(x, y, x, y, x, y, "classification"),
    settings=TrainingSettings(max_epochs=2), learning_rate=0.01, seed=0)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_freed_without_the_garbage_collector() -> None:
    model = network()
    alive: list[weakref.ref[Any]] = [weakref.ref(model), weakref.ref(next(model.parameters()))]
    gc.collect()
    gc.disable()
    try:
        fit(model, toy(), settings=QUICK, learning_rate=1e-2, seed=0, report=lambda _value, _step: None)
        del model
        assert [reference() for reference in alive] == [None, None]
    finally:
        gc.enable()


def test_a_model_that_failed_is_freed_too() -> None:
    model = network()
    nn.init.constant_(next(model.parameters()), math.nan)
    alive = weakref.ref(model)
    with pytest.raises(DivergedError, match="the training loss is nan"):
        fit(model, toy(), settings=QUICK, learning_rate=1e-2, seed=0)
    del model
    gc.collect()
    assert alive() is None


def test_data_on_the_device_already_are_not_copied() -> None:
    data = toy()
    pointers = []
    model = network()
    model.register_forward_pre_hook(
        lambda layer, inputs: None if layer.training else pointers.append(inputs[0].data_ptr())
    )
    fit(model, data, settings=QUICK, learning_rate=1e-2, seed=0)
    assert set(pointers) == {data.x_val.data_ptr()}


@pytest.mark.parametrize(("n", "sizes"), [(33, [16, 17]), (34, [16, 16, 2]), (32, [16, 16]), (2, [2])])
def test_batches_fold_a_single_sample_away(n: int, sizes: list[int]) -> None:
    model, seen = network(), []
    model.register_forward_pre_hook(lambda layer, inputs: seen.append(len(inputs[0])) if layer.training else None)
    fit(model, toy(n=n), settings=TrainingSettings(max_epochs=1, batch_size=16), learning_rate=1e-2, seed=0)
    assert seen == sizes


def test_a_training_loss_that_is_not_finite_names_its_epoch() -> None:
    model = network()
    nn.init.constant_(next(model.parameters()), math.nan)
    message = r"^Epoch 1 of 3: the training loss is nan, but it must stay finite. A learning rate below 0.01 may help.$"
    with pytest.raises(DivergedError, match=message):
        fit(model, toy(), settings=QUICK, learning_rate=1e-2, seed=0)


def test_a_learning_rate_beyond_all_bounds_diverges() -> None:
    data = toy("regression")
    with pytest.raises(DivergedError, match=r"Epoch \d of 3: the (training|validation) loss is (inf|nan)"):
        fit(network(), data, settings=QUICK, learning_rate=1e30, seed=0)


def test_a_validation_loss_that_is_not_finite_is_named() -> None:
    data = toy()
    data.x_val[0, 0, 0, 0] = math.inf
    with pytest.raises(DivergedError, match=r"Epoch 1 of 3: the validation loss is nan"):
        trained(data=data)


def test_everything_is_given_back_after_a_divergence() -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    model, state = network().eval(), torch.get_rng_state()
    nn.init.constant_(next(model.parameters()), math.nan)
    with pytest.raises(DivergedError, match="training loss is nan"):
        fit(model, toy(), settings=QUICK, learning_rate=1e-2, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert model[1].momentum == 0.1
    assert not model.training
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.mark.parametrize("metric", ["val/acc", "val/r2"])
def test_a_metric_that_the_task_does_not_log_is_refused_before_training(metric: str) -> None:
    with pytest.raises(MissingMetricError, match=f"'{metric}' was not .* Logged: train/loss, val/accuracy, val/loss"):
        trained(settings=TrainingSettings(max_epochs=1, metric=metric))


@pytest.mark.parametrize(("n_train", "n_val"), [(1, 5), (5, 0)])
def test_too_few_samples_are_refused(n_train: int, n_val: int) -> None:
    x, y = torch.zeros(5, 1, 6, 6), torch.zeros(5, dtype=torch.int64)
    data = TensorSplit(x[:n_train], y[:n_train], x[:n_val], y[:n_val], x, y, "classification")
    with pytest.raises(DataError, match=f"{n_train} samples to train on and {n_val} to validate on"):
        trained(data=data)


def test_an_interrupt_comes_out_as_one_and_leaves_the_handlers() -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        fit(nn.Sequential(Interrupting(), network()), toy(), settings=QUICK, learning_rate=1e-2, seed=0)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_ctrl_c_in_a_report_comes_out_as_an_interrupt() -> None:
    def report(_value: float, _step: int) -> None:
        signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        fit(network(), toy(), settings=QUICK, learning_rate=1e-2, seed=0, report=report)
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_exit_that_was_meant_stays_one() -> None:
    def report(_value: float, _step: int) -> None:
        raise SystemExit(7)

    with pytest.raises(SystemExit, match="7"):
        fit(network(), toy(), settings=QUICK, learning_rate=1e-2, seed=0, report=report)


def test_the_callers_sigterm_handler_works_during_a_fit() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
    try:
        result = fit(
            network(),
            toy(),
            settings=QUICK,
            learning_rate=1e-2,
            seed=0,
            report=lambda _value, step: signal.raise_signal(signal.SIGTERM) if step == 0 else None,
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]
    assert result.n_epochs == 3


def test_fits_in_threads_take_turns_and_agree() -> None:
    alone, results = trained(), []
    # Building a model draws from the generator that a fit in another thread is using: that comes first.
    models = [network() for _ in range(3)]

    def train(model: nn.Module) -> None:
        results.append(fit(model, toy(), settings=QUICK, learning_rate=1e-2, seed=0))

    threads = [threading.Thread(target=train, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [untimed(result) for result in results] == [untimed(alone)] * 3
