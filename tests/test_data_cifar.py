"""CIFAR-10 and CIFAR-100 as they are distributed, in both versions."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ordersearch.data import load_dataset
from ordersearch.errors import DataError
from tests.test_data_plain_pickle import Run

N = 6
TEN = ["airplane", "automobile", "bird"]
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]


def images(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (N, 3072), dtype=np.uint8)


def write_pickle(path: Path, value: Any) -> None:
    path.write_bytes(pickle.dumps(value, protocol=2))


def write_cifar10(folder: Path, *, test: bool = True, names: bool = True) -> Path:
    folder.mkdir(parents=True)
    for seed, name in enumerate([*BATCHES, *(["test_batch"] if test else [])]):
        labels = (np.arange(N) % 3).tolist()
        write_pickle(folder / name, {"batch_label": name, "labels": labels, "data": images(seed), "filenames": []})
    if names:
        write_pickle(folder / "batches.meta", {b"label_names": TEN, b"num_vis": 3072})
    return folder


def write_cifar100(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for seed, name in enumerate(("train", "test")):
        held = {"fine_labels": [0, 1, 2] * 2, "coarse_labels": [9] * N, "data": images(seed)}
        write_pickle(folder / name, held)
    write_pickle(folder / "meta", {"fine_label_names": [name.encode() for name in TEN], "coarse_label_names": ["all"]})
    return folder


def write_binary(folder: Path, files: list[str], label_bytes: int, names: str) -> Path:
    folder.mkdir(parents=True)
    for seed, name in enumerate(files):
        rows = np.full((N, label_bytes + 3072), 9, np.uint8)
        rows[:, label_bytes - 1] = np.arange(N) % 3
        rows[:, label_bytes:] = images(seed)
        rows.tofile(folder / name)
    (folder / names).write_text("\n".join(TEN) + "\n\n")
    return folder


def write_version(folder: Path, version: str) -> Path:
    if version == "cifar-10-batches-py":
        return write_cifar10(folder)
    if version == "cifar-100-python":
        return write_cifar100(folder)
    if version == "cifar-10-batches-bin":
        files = [f"{name}.bin" for name in [*BATCHES, "test_batch"]]
        return write_binary(folder, files, 1, "batches.meta.txt")
    return write_binary(folder, ["train.bin", "test.bin"], 2, "fine_label_names.txt")


@pytest.mark.parametrize("is_inside", [False, True])
@pytest.mark.parametrize(
    ("version", "n_train"),
    [("cifar-10-batches-py", 5), ("cifar-10-batches-bin", 5), ("cifar-100-python", 1), ("cifar-100-binary", 1)],
)
def test_every_version(tmp_path: Path, version: str, n_train: int, is_inside: bool) -> None:
    write_version(tmp_path / version, version)
    dataset = load_dataset(tmp_path if is_inside else tmp_path / version)
    assert dataset.name == (tmp_path.name if is_inside else version)
    assert (dataset.input, dataset.input_shape, dataset.class_names) == ("image", (3, 32, 32), tuple(TEN))
    assert dataset.x.dtype == np.uint8
    assert dataset.y.tolist() == [0, 1, 2] * 2 * n_train
    expected = np.concatenate([images(seed) for seed in range(n_train)]).reshape(-1, 3, 32, 32)
    np.testing.assert_array_equal(dataset.x, expected)
    assert dataset.x_test is not None
    np.testing.assert_array_equal(dataset.x_test, images(n_train).reshape(-1, 3, 32, 32))


def test_neither_test_part_nor_names_are_needed(tmp_path: Path) -> None:
    dataset = load_dataset(write_cifar10(tmp_path / "mine", test=False, names=False))
    assert dataset.x_test is None
    assert dataset.class_names == ("0", "1", "2")


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    (write_cifar10(tmp_path / "mine") / "data_batch_3").unlink()
    with pytest.raises(DataError, match="mine: there is no data_batch_3, but the training part is data_batch_1, "):
        load_dataset(tmp_path / "mine")


def test_a_batch_cut_short_is_named(tmp_path: Path) -> None:
    path = write_cifar10(tmp_path / "mine") / "data_batch_2"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"data_batch_2: cannot be unpickled: .*Is the file whole\?"):
        load_dataset(tmp_path / "mine")


def test_a_binary_batch_cut_short_is_named(tmp_path: Path) -> None:
    folder = write_version(tmp_path / "mine", "cifar-100-binary")
    (folder / "test.bin").write_bytes((folder / "test.bin").read_bytes()[:-1])
    with pytest.raises(DataError, match=r"test\.bin: has 18443 bytes, but each image takes 3074 \(2 for its label\)"):
        load_dataset(folder)


@pytest.mark.parametrize("name", ["data_batch_4", "batches.meta"])
def test_a_malicious_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_cifar10(tmp_path / "mine")
    write_pickle(folder / name, Run(os.system, "echo ran > ran"))
    with pytest.raises(DataError, match=rf"{name}: this pickle names posix\.system, .*runs code\. Fetch the file"):
        load_dataset(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("held", "match"),
    [
        ({"images": 1}, "data_batch_1: holds the keys 'images', but a CIFAR batch has 'data' and 'labels'"),
        ([1, 2], "data_batch_1: holds a list, but a CIFAR batch has"),
        ({"data": np.zeros((2, 9), np.uint8), "labels": [0, 1]}, r"its 'data' are no bytes of shape \(n, 3072\)"),
        ({"data": images(0).astype(np.int64), "labels": [0] * N}, r"its 'data' are no bytes of shape \(n, 3072\)"),
        ({"data": "text", "labels": [0, 1]}, "its 'data' are no bytes"),
        ({"data": images(0), "labels": [0, 1]}, "its 'labels' are not one whole number for each of the 6 images"),
        ({"data": images(0), "fine_labels": list("abcdef")}, "its 'fine_labels' are not one whole number for each"),
    ],
)
def test_batches_that_hold_something_else_are_told(tmp_path: Path, held: Any, match: str) -> None:
    write_pickle(write_cifar10(tmp_path / "mine") / "data_batch_1", held)
    with pytest.raises(DataError, match=match):
        load_dataset(tmp_path / "mine")


def test_names_that_are_no_texts_are_told(tmp_path: Path) -> None:
    write_pickle(write_cifar10(tmp_path / "mine") / "batches.meta", {"label_names": [1, 2]})
    with pytest.raises(DataError, match=r"batches\.meta: holds no list 'label_names' of class names"):
        load_dataset(tmp_path / "mine")
