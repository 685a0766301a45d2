"""Data sets that are known by name and downloaded through torchvision, once, into a cache folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from ordersearch.data.arrays import SourceArrays
from ordersearch.data.cifar import is_cifar_folder, read_cifar_folder
from ordersearch.data.idx import is_idx_folder, read_idx_folder
from ordersearch.data.svhn import is_svhn_folder, read_svhn_folder
from ordersearch.errors import DataError

VARIABLE = "ORDERSEARCH_CACHE"
_TUTORIALS = Path("data")


@dataclass(frozen=True)
class Download:
    """A data set that torchvision downloads and a reader of files reads.

    Attributes:
        summary: What it is, in one line.
        torchvision: Its class in ``torchvision.datasets``.
        folder: Where below its root torchvision keeps it.
        is_there: Whether that folder holds any of its files.
        read: What they hold.
        files: What its files are called, for the error.
        calls: The options of each call that downloads it.
    """

    summary: str
    torchvision: str
    folder: str
    is_there: Callable[[Path], bool]
    read: Callable[[Path], SourceArrays]
    files: str
    calls: tuple[Mapping[str, Any], ...] = field(default=({},))


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where downloads are kept: ``ORDERSEARCH_CACHE``, else ``ordersearch`` in the user's folder for caches.

    Args:
        environ: The environment variables.

    Example:
        >>> cache_folder({"XDG_CACHE_HOME": "/home/ada/.cache"}).as_posix()
        '/home/ada/.cache/ordersearch'
    """
    if own := environ.get(VARIABLE):
        return Path(own).expanduser()
    # The XDG specification says that a relative path there is to be ignored.
    shared = Path(environ.get("XDG_CACHE_HOME", ""))
    return (shared if shared.is_absolute() else Path("~/.cache").expanduser()) / "ordersearch"


def read_download(name: str) -> SourceArrays:
    """The data set of this name, read from the cache folder or ``./data``, else downloaded into the cache folder.

    torchvision is needed only for the download; the files are read here. It shows its progress on stderr.

    Args:
        name: One of ``DOWNLOADS``.

    Raises:
        DataError: torchvision cannot be imported, the download fails, or the files are broken.
    """
    row, cache = DOWNLOADS[name], cache_folder()
    for root in (cache, _TUTORIALS):
        folder = root / row.folder
        if not row.is_there(folder):
            continue
        try:
            return _read(name, folder)
        except DataError as error:
            if root is not cache:
                raise
            # A download that was interrupted: torchvision fetches what is missing.
            _download(name, cache, after=error)
            return _read(name, folder)
    _download(name, cache)
    return _read(name, cache / row.folder)


def _read(name: str, folder: Path) -> SourceArrays:
    row = DOWNLOADS[name]
    if not row.is_there(folder):
        raise DataError(f"{name}: torchvision has downloaded it, but {folder} holds no {row.files}.")
    try:
        source = row.read(folder)
        if source.test is None:
            raise DataError(f"{folder}: the files of {name}'s test part are missing.")
    except DataError as error:
        raise DataError(f"{error} Once its files are removed from {folder}, {name} is downloaded again.") from error
    return replace(source, name=name, notes=(*source.notes, f"Read from {folder}."), input="image")


def _download(name: str, root: Path, after: DataError | None = None) -> None:
    row = DOWNLOADS[name]
    instead = f"or give the path of a folder with its files ({row.files})"
    try:
        dataset = getattr(import_module("torchvision.datasets"), row.torchvision)
    # A torchvision that was built for another torch fails with whatever its compiled part raises.
    except Exception as error:
        lacking = after or f"{name}: it is neither in {root} nor in ./data."
        raise DataError(
            f"{lacking} It is downloaded through torchvision, which cannot be imported ({type(error).__name__}: "
            f"{error}). Install it with pip install 'ordersearch[vision]', {instead}."
        ) from error
    print(f"Downloading {name} into {root} through torchvision.", file=sys.stderr)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with redirect_stdout(sys.stderr):
            for options in row.calls:
                dataset(root=str(root), download=True, **options)
    except Exception as error:
        raise DataError(
            f"{name}: the download into {root} failed: {type(error).__name__}: {error}. Try again, {instead}."
        ) from error


def _like_mnist(name: str, summary: str) -> Download:
    return Download(summary, name, name, is_idx_folder, read_idx_folder, "train-images-idx3-ubyte.gz, ...")


DOWNLOADS: dict[str, Download] = {
    "mnist": _like_mnist("MNIST", "70000 handwritten digits, 28x28 grey"),
    "fashion_mnist": _like_mnist("FashionMNIST", "70000 pieces of clothing of 10 kinds, 28x28 grey"),
    "kmnist": _like_mnist("KMNIST", "70000 handwritten Japanese characters of 10 kinds, 28x28 grey"),
    "emnist": Download(
        "131600 handwritten digits and letters of 47 kinds (its balanced split), 28x28 grey",
        "EMNIST",
        "EMNIST",
        is_idx_folder,
        partial(read_idx_folder, only="emnist-balanced-"),
        "emnist-balanced-train-images-idx3-ubyte.gz, ...",
        ({"split": "balanced"},),
    ),
    "cifar10": Download(
        "60000 photographs of 10 kinds of things, 32x32 RGB",
        "CIFAR10",
        "cifar-10-batches-py",
        is_cifar_folder,
        read_cifar_folder,
        "data_batch_1, ...",
    ),
    "cifar100": Download(
        "60000 photographs of 100 kinds of things, 32x32 RGB",
        "CIFAR100",
        "cifar-100-python",
        is_cifar_folder,
        read_cifar_folder,
        "train, test and meta",
    ),
    "svhn": Download(
        "99289 house numbers photographed from the street, 32x32 RGB",
        "SVHN",
        "",
        is_svhn_folder,
        read_svhn_folder,
        "train_32x32.mat and test_32x32.mat",
        ({"split": "train"}, {"split": "test"}),
    ),
}
