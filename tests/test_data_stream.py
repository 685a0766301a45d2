from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ordersearch.data import Dataset, dataset_from_arrays, load_dataset
from ordersearch.data.batch_reader import suited_workers
from ordersearch.data.rows import ImageRows
from ordersearch.data.split import split_tensors
from ordersearch.data.stream import StreamSplit, split_stream
from ordersearch.data.tensors import Batches, Split
from ordersearch.errors import DataError
from tests.images import cut, noise, write_images

CPU = torch.device("cpu")


def image_files(folder: Path, *, n: int = 24, size: int = 9) -> Dataset:
    """Two classes of images, in files that are decoded when they are read."""
    rows = ImageRows(write_images(folder, noise(n, size, size)))
    y = np.arange(n) % 2
    return Dataset("files", rows, y, None, None, input="image", task="classification", class_names=("a", "b"))


def order_of(split: Split, sizes: list[int], seed: int = 0) -> list[Tensor]:
    order = torch.randperm(split.n_train, generator=torch.Generator().manual_seed(seed))
    return list(torch.split(order[: sum(sizes)], sizes))


def all_batches(split: Split) -> Iterator[tuple[Tensor, Tensor]]:
    with split.opened() as opened:
        yield from opened.train_batches(order_of(split, [4, 1, 7]))
        yield from opened.validation_batches(3)
        yield from opened.train_batches(order_of(split, [2], seed=1))
        yield from opened.test_batches(5)


def require_equal(one: Batches, other: Batches) -> None:
    """The same values, bit for bit, in the same layout: kernels choose by strides."""
    for (x, y), (x_other, y_other) in zip(one, other, strict=True):
        assert torch.equal(x, x_other)
        assert torch.equal(y, y_other)
        assert (x.dtype, x.stride(), y.dtype) == (x_other.dtype, x_other.stride(), y_other.dtype)


def open_files() -> list[str]:
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return sorted(os.readlink(link) for link in links if os.path.lexists(link))


@pytest.fixture
def leaves_nothing() -> Iterator[None]:
    """Fails where processes, open files, signal handlers or states of generators are left behind."""
    gc.collect()
    files = open_files()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)}
    states = str((torch.get_rng_state().tolist(), np.random.get_state(), random.getstate()))
    yield
    assert multiprocessing.active_children() == []
    # The thread that feeds a worker's queue closes its pipe when it is done, a moment after the worker.
    deadline = time.monotonic() + 5
    while open_files() != files and time.monotonic() < deadline:
        time.sleep(0.01)
    assert open_files() == files
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert str((torch.get_rng_state().tolist(), np.random.get_state(), random.getstate())) == states


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_streamed_digits_are_the_tensors_of_the_same_split(dtype: torch.dtype, channels_last: bool) -> None:
    digits = load_dataset("digits")
    kinds: list[Split] = [split_tensors(digits, split=3), split_stream(digits, split=3)]
    tensors, stream = (kind.to(CPU, dtype=dtype, channels_last=channels_last) for kind in kinds)
    require_equal(all_batches(tensors), all_batches(stream))
    for split in (tensors, stream):
        assert (split.n_train, split.n_val, split.n_test) == (1151, 287, 359)
        assert (split.sample_shape, split.device, split.dtype, split.task) == ((1, 8, 8), CPU, dtype, "classification")
    assert torch.equal(tensors.y_val, stream.y_val)
    assert torch.equal(tensors.y_test, stream.y_test)


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_tables_and_their_targets_agree(task: str) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(30, 9, (40, 5)).astype(np.float32)
    y = generator.normal(7, 3, (40, 2)) if task == "regression" else generator.integers(0, 2, (40, 2))
    y[:3] = 1
    table = dataset_from_arrays(x, y, x_test=x[:9] + 1, y_test=y[:9], task=task)
    tensors, stream = split_tensors(table, split=0), split_stream(table, split=0)
    assert tensors.y_val.shape == (8, 2)
    require_equal(all_batches(tensors), all_batches(stream))
    assert torch.equal(tensors.y_test, stream.y_test)


def test_arrays_in_files_agree_and_are_not_read_whole(tmp_path: Path) -> None:
    x = noise(40, 9, 9).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    y = np.arange(40) % 2
    stream = split_stream(dataset_from_arrays(mapped, y), split=0)
    require_equal(all_batches(split_tensors(dataset_from_arrays(x, y), split=0)), all_batches(stream))


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("n_workers", [0, 1, 2])
@pytest.mark.parametrize("channels_last", [False, True])
def test_image_files_agree_with_any_number_of_workers(tmp_path: Path, n_workers: int, channels_last: bool) -> None:
    dataset = image_files(tmp_path)
    tensors = split_tensors(dataset, split=0).to(CPU, channels_last=channels_last)
    stream = replace(split_stream(dataset, split=0), n_workers=n_workers).to(CPU, channels_last=channels_last)
    require_equal(all_batches(tensors), all_batches(stream))


def test_image_files_and_the_same_images_as_an_array_agree(tmp_path: Path) -> None:
    files = image_files(tmp_path)
    array = replace(files, x=np.moveaxis(noise(24, 9, 9), -1, 1))
    # The scale is told from the same values, added up in another order.
    for (x, y), (x_array, y_array) in zip(
        all_batches(split_stream(files, split=0)), all_batches(split_tensors(array, split=0)), strict=True
    ):
        torch.testing.assert_close(x, x_array, rtol=1e-6, atol=1e-6)
        assert torch.equal(y, y_array)


def test_first_takes_the_first_of_each_part(tmp_path: Path) -> None:
    dataset = image_files(tmp_path)
    short: list[Split] = [split_tensors(dataset, split=0).first(9, 2), split_stream(dataset, split=0).first(9, 2)]
    for split in short:
        assert (split.n_train, split.n_val, len(split.y_val)) == (9, 2, 2)
    require_equal(*(split.train_batches([torch.arange(9)]) for split in short))
    require_equal(*(split.validation_batches(9) for split in short))


def test_workers_are_for_what_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert suited_workers(decodes=False) == 0
    for n_cores, n_workers in ((1, 0), (2, 1), (4, 3), (16, 4)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid, n=n_cores: set(range(n)))
        assert suited_workers(decodes=True) == n_workers
    split = split_stream(image_files(tmp_path), split=0)
    with split.opened() as opened:
        passes = chain(opened.validation_batches(2), opened.test_batches(2))
        assert {len(multiprocessing.active_children()) for _ in passes} == {4}
    rows = split.parts.train.x
    assert isinstance(rows, ImageRows)
    rows.keep()
    assert not any(multiprocessing.active_children() for _ in split.validation_batches(2))


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("n_workers", [0, 1, 2])
def test_a_broken_image_is_named_without_the_workers_stack(tmp_path: Path, n_workers: int) -> None:
    dataset = image_files(tmp_path)
    split = replace(split_stream(dataset, split=0), n_workers=n_workers)
    cut(tmp_path / f"{split.parts.validation.rows[-1]:04d}.png")
    with pytest.raises(DataError, match=r"^[^\n]*\.png: this image cannot be read: [^\n]*$"), split.opened() as opened:
        for _ in opened.validation_batches(1):
            pass


@pytest.mark.usefixtures("leaves_nothing")
def test_workers_end_with_an_interrupt_and_with_batches_half_read(tmp_path: Path) -> None:
    split = replace(split_stream(image_files(tmp_path), split=0), n_workers=2)

    def interrupted() -> None:
        with split.opened() as opened:
            for _ in opened.train_batches(order_of(split, [2, 2, 2])):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        interrupted()
    # Not opened, the workers of a single pass end with it.
    batches: Any = split.validation_batches(1)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    batches.close()


@pytest.mark.usefixtures("leaves_nothing")
def test_an_epoch_that_was_left_early_does_not_leak_into_the_next(tmp_path: Path) -> None:
    split = replace(split_stream(image_files(tmp_path), split=0), n_workers=2)
    with split.opened() as opened:
        next(opened.train_batches(order_of(split, [1] * 9)))
        require_equal(opened.validation_batches(2), split.validation_batches(2))


@pytest.mark.usefixtures("leaves_nothing")
def test_an_interrupt_while_workers_start_comes_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = replace(split_stream(image_files(tmp_path), split=0), n_workers=2)
    start = multiprocessing.process.BaseProcess.start

    def interrupted(process: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        start(process)

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"^$"), split.opened() as opened:
        next(opened.validation_batches(1))


@pytest.mark.usefixtures("leaves_nothing")
def test_workers_do_not_answer_the_interrupt_of_a_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    split: StreamSplit = replace(split_stream(image_files(tmp_path), split=0), n_workers=2)
    with split.opened() as opened:
        batches = opened.validation_batches(1)
        first = next(batches)
        for child in multiprocessing.active_children():
            assert child.pid is not None
            os.kill(child.pid, signal.SIGINT)
        require_equal(iter([first, *batches]), split_tensors(image_files(tmp_path), split=0).validation_batches(1))
    assert capfd.readouterr() == ("", "")
