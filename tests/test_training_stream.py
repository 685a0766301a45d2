"""Trainings on data that are streamed: what tensors give, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ordersearch.data import Dataset, dataset_from_arrays, load_dataset
from ordersearch.data.rows import ImageRows
from ordersearch.data.split import split_tensors
from ordersearch.data.stream import StreamSplit, split_stream
from ordersearch.data.tensors import Split
from ordersearch.errors import DataError, DivergedError
from ordersearch.training.fit import FitResult, evaluate, fit
from ordersearch.training.settings import TrainingSettings
from tests.images import cut, noise, write_images

QUICK = TrainingSettings(max_epochs=3, batch_size=32)


def network(channels: int = 1, size: int = 8, n_outputs: int = 10) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Linear(4 * (size // 2) ** 2, n_outputs),
        )


def trained(data: Split, model: nn.Module, settings: TrainingSettings = QUICK, **functions: Any) -> FitResult:
    return fit(model, data, settings=settings, learning_rate=1e-2, seed=0, **functions)


def untimed(result: FitResult) -> list[dict[str, float]]:
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in result.history]


def image_files(folder: Path, *, n: int = 40, size: int = 10) -> Dataset:
    rows = ImageRows(write_images(folder, noise(n, size, size)))
    y = np.arange(n) % 2
    return Dataset("files", rows, y, None, None, input="image", task="classification", class_names=("a", "b"))


@pytest.mark.parametrize(
    "settings",
    [
        QUICK,
        replace(QUICK, channels_last=False, batch_size=5000),
        replace(QUICK, precision="64", augment="flip,crop"),
        replace(QUICK, precision="bf16", max_epochs=1),
    ],
    ids=["default", "one batch", "float64, augmented", "bf16"],
)
def test_digits_have_one_history_however_they_are_read(settings: TrainingSettings) -> None:
    digits = load_dataset("digits")
    tensors, stream = split_tensors(digits, split=0), split_stream(digits, split=0)
    one, other = network(), network()
    assert untimed(trained(tensors, one, settings)) == untimed(trained(stream, other, settings))
    assert evaluate(one, tensors, settings=settings) == evaluate(other, stream, settings=settings)
    scores = [evaluate(one, data, part="test", settings=settings) for data in (tensors, stream)]
    assert scores[0] == scores[1] != evaluate(one, tensors, part="val", settings=settings)


def test_standardised_targets_have_one_history_too() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(5, 2, (200, 6)).astype(np.float32)
    y = np.stack([1000 + 50 * x[:, 0] - 20 * x[:, 1], 0.01 * x[:, 2] - 7], axis=1)
    table = dataset_from_arrays(x, y, task="regression")
    settings = TrainingSettings(max_epochs=60, batch_size=40, metric="val/r2")
    results = []
    for data in (split_tensors(table, split=0), split_stream(table, split=0)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = nn.Linear(6, 2)
        results.append(fit(model, data, settings=settings, learning_rate=0.1, seed=0))
    assert untimed(results[0]) == untimed(results[1])
    # The loss counts in variances of the training part's targets: a network that has learnt nothing has about 1.
    assert results[0].history[0]["val/loss"] < 4
    assert results[0].metrics["val/r2"] > 0.99
    assert results[0].metrics["val/loss"] == pytest.approx(1 - results[0].metrics["val/r2"], abs=0.01)


@pytest.mark.parametrize("augment", ["", "flip,crop"])
def test_image_files_have_one_history_with_any_number_of_workers(tmp_path: Path, augment: str) -> None:
    dataset, settings = image_files(tmp_path), TrainingSettings(max_epochs=3, batch_size=8, augment=augment)
    first = trained(split_tensors(dataset, split=0), network(3, 10, 2), settings)
    for n_workers in (0, 1, 2):
        stream = replace(split_stream(dataset, split=0), n_workers=n_workers)
        assert untimed(trained(stream, network(3, 10, 2), settings)) == untimed(first)


def test_workers_live_as_long_as_the_fit(tmp_path: Path) -> None:
    seen: list[set[int | None]] = []
    stream = replace(split_stream(image_files(tmp_path), split=0), n_workers=2)
    model = network(3, 10, 2)
    model.register_forward_pre_hook(lambda *_: seen.append({child.pid for child in multiprocessing.active_children()}))
    state = torch.get_rng_state()
    trained(stream, model)
    assert len(seen) == 2 * QUICK.max_epochs
    assert all(pids == seen[0] and len(pids) == 2 for pids in seen)
    assert multiprocessing.active_children() == []
    assert torch.equal(torch.get_rng_state(), state)


class Failing(nn.Module):
    """Raises in its third forward pass, which is in the second epoch."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error, self.n_calls = error, 0

    def forward(self, x: Tensor) -> Tensor:
        self.n_calls += 1
        if self.n_calls == 3:
            raise self.error
        return x


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt("pressed")])
def test_workers_end_with_a_fit_that_fails(tmp_path: Path, error: BaseException) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)}
    stream = replace(split_stream(image_files(tmp_path), split=0), n_workers=2)
    with pytest.raises(type(error), match=r"^(broken|pressed|)$"):
        trained(stream, nn.Sequential(Failing(error), *network(3, 10, 2)), replace(QUICK, batch_size=100))
    assert multiprocessing.active_children() == []
    assert {number: signal.getsignal(number) for number in handlers} == handlers


def test_workers_end_with_a_divergence(tmp_path: Path) -> None:
    model = network(3, 10, 2)
    nn.init.constant_(next(model.parameters()), float("nan"))
    with pytest.raises(DivergedError, match="Epoch 1 of 3: the training loss is nan"):
        trained(replace(split_stream(image_files(tmp_path), split=0), n_workers=1), model)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_broken_image_comes_out_of_a_fit_as_it_is(tmp_path: Path, n_workers: int) -> None:
    stream = replace(split_stream(image_files(tmp_path), split=0), n_workers=n_workers)
    cut(tmp_path / f"{stream.parts.train.rows[3]:04d}.png")
    with pytest.raises(DataError, match=r"^[^\n]*\.png: this image cannot be read: [^\n]*$"):
        trained(stream, network(3, 10, 2))
    assert multiprocessing.active_children() == []


def test_a_pruned_fit_ends_its_workers(tmp_path: Path) -> None:
    stream = replace(split_stream(image_files(tmp_path), split=0), n_workers=2)
    result = trained(stream, network(3, 10, 2), should_prune=lambda: True)
    assert (result.pruned, result.n_epochs) == (True, 1)
    assert multiprocessing.active_children() == []


def test_a_process_that_streams_prints_nothing(tmp_path: Path) -> None:
    code = """
import os, sys
from dataclasses import replace
from pathlib import Path
from tests.test_training_stream import image_files, network, trained
from ordersearch.data.stream import split_stream
trained(replace(split_stream(image_files(Path(sys.argv[1])), split=0), n_workers=2), network(3, 10, 2))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_too_few_streamed_samples_are_refused() -> None:
    stream: StreamSplit = split_stream(load_dataset("digits"), split=0).first(1, 5)
    with pytest.raises(DataError, match="The split has 1 samples to train on and 5 to validate on"):
        trained(stream, network())
