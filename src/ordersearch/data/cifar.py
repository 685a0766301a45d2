"""CIFAR-10 and CIFAR-100 as they are distributed: folders of pickled batches, or of the binary version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.data.plain_pickle import read_plain_pickle
from ordersearch.errors import DataError

_IMAGE = (3, 32, 32)
_N_VALUES = 3 * 32 * 32
_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))

Batch = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class _Version:
    """One of the four ways in which CIFAR is distributed.

    Attributes:
        folder: What its archive unpacks to.
        train: The files of the training part.
        test: The file of the test part.
        read: The images and labels of one file.
        class_names: The names of the classes, from the file beside them.
    """

    folder: str
    train: tuple[str, ...]
    test: str
    read: Callable[[Path], Batch]
    class_names: Callable[[Path], tuple[str, ...] | None]


def is_cifar_folder(path: Path) -> bool:
    """Whether this folder, or a folder in it that is called as the archives unpack, holds CIFAR batches."""
    return path.is_dir() and _find(path) is not None


def read_cifar_folder(path: Path) -> SourceArrays:
    """The images and fine labels of CIFAR-10 or CIFAR-100, in the Python or the binary version.

    Pickles are read by ``plain_pickle``, which runs nothing.

    Raises:
        DataError: A batch is missing, cut short or holds something else.
    """
    found = _find(path)
    if found is None:
        raise DataError(f"{path}: there are no CIFAR batches in this folder, such as data_batch_1 or train.bin.")
    version, folder = found
    missing = [name for name in version.train if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder}: there is no {missing[0]}, but the training part is {', '.join(version.train)}.")
    test = folder / version.test
    return SourceArrays(
        name=path.resolve().name,
        train=_part(version, folder, version.train),
        test=_part(version, folder, (version.test,)) if test.is_file() else None,
        class_names=version.class_names(folder),
        input="image",
    )


def _find(path: Path) -> tuple[_Version, Path] | None:
    for version in _VERSIONS:
        for folder in (path, path / version.folder):
            if any((folder / name).is_file() for name in version.train):
                return version, folder
    return None


def _part(version: _Version, folder: Path, names: tuple[str, ...]) -> Part:
    batches = [version.read(folder / name) for name in names]
    images = np.concatenate([images for images, _ in batches]) if len(batches) > 1 else batches[0][0]
    labels = np.concatenate([labels for _, labels in batches])
    at = str(folder / names[0]) + (f" to {names[-1]}" if len(names) > 1 else "")
    return Part(images, labels, at, f"{at}: labels")


def _read_pickled(path: Path) -> Batch:
    batch = read_plain_pickle(path)
    keys = list(batch) if isinstance(batch, dict) else []
    label_key = next((key for key in ("fine_labels", "labels") if key in keys), "labels")
    if "data" not in keys or label_key not in keys:
        found = f"the keys {', '.join(map(repr, keys[:8]))}" if keys else f"a {type(batch).__name__}"
        raise DataError(f"{path}: holds {found}, but a CIFAR batch has 'data' and 'labels' (or 'fine_labels').")
    data, labels = batch["data"], batch[label_key]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (_N_VALUES,):
        raise DataError(f"{path}: its 'data' are no bytes of shape (n, {_N_VALUES}), which CIFAR's images are.")
    if not isinstance(labels, list) or len(labels) != len(data) or not all(type(label) is int for label in labels):
        raise DataError(f"{path}: its {label_key!r} are not one whole number for each of the {len(data)} images.")
    return data.reshape(-1, *_IMAGE), np.array(labels, np.int64)


def _read_binary(label_bytes: int) -> Callable[[Path], Batch]:
    n_row = label_bytes + _N_VALUES

    def read(path: Path) -> Batch:
        data = np.fromfile(path, np.uint8)
        if len(data) == 0 or len(data) % n_row:
            raise DataError(
                f"{path}: has {len(data)} bytes, but each image takes {n_row} ({label_bytes} for its label). "
                "Fetch the file again."
            )
        rows = data.reshape(-1, n_row)
        # CIFAR-100 has the coarse label first, the fine one after it.
        return rows[:, label_bytes:].reshape(-1, *_IMAGE), rows[:, label_bytes - 1].astype(np.int64)

    return read


def _pickled_names(file: str, key: str) -> Callable[[Path], tuple[str, ...] | None]:
    def read(folder: Path) -> tuple[str, ...] | None:
        path = folder / file
        if not path.is_file():
            return None
        meta = read_plain_pickle(path)
        names = meta.get(key) if isinstance(meta, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
            raise DataError(f"{path}: holds no list {key!r} of class names. Fetch the file again, or remove it.")
        return tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names)

    return read


def _listed_names(file: str) -> Callable[[Path], tuple[str, ...] | None]:
    def read(folder: Path) -> tuple[str, ...] | None:
        path = folder / file
        return tuple(path.read_text("utf-8", "replace").split()) if path.is_file() else None

    return read


_VERSIONS = (
    _Version(
        "cifar-10-batches-py", _BATCHES, "test_batch", _read_pickled, _pickled_names("batches.meta", "label_names")
    ),
    _Version(
        "cifar-10-batches-bin",
        tuple(f"{name}.bin" for name in _BATCHES),
        "test_batch.bin",
        _read_binary(1),
        _listed_names("batches.meta.txt"),
    ),
    _Version("cifar-100-python", ("train",), "test", _read_pickled, _pickled_names("meta", "fine_label_names")),
    _Version("cifar-100-binary", ("train.bin",), "test.bin", _read_binary(2), _listed_names("fine_label_names.txt")),
)
