"""Data sets in folders of idx files, as MNIST, Fashion-MNIST, KMNIST and EMNIST ship them."""

from __future__ import annotations

import gzip
import math
import re
import string
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.errors import DataError

_FILE = re.compile(r"(emnist-\w+-)?(train|t10k|test)-(images|labels)[-.]idx\d-ubyte(\.gz)?", re.IGNORECASE)
_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
# EMNIST numbers its classes; "balanced" and "bymerge" merge the small letters that look like their capitals.
_EMNIST_CLASSES = {
    "emnist-balanced-": string.digits + string.ascii_uppercase + "abdefghnqrt",
    "emnist-bymerge-": string.digits + string.ascii_uppercase + "abdefghnqrt",
    "emnist-byclass-": string.digits + string.ascii_uppercase + string.ascii_lowercase,
    "emnist-letters-": "-" + string.ascii_uppercase,
}


@dataclass(frozen=True)
class _IdxFiles:
    """The files of one data set.

    Attributes:
        prefix: What stands before "train" and "t10k" in their names: "" or, for EMNIST, such as "emnist-balanced-".
        paths: By part ("train" or "test") and kind ("images" or "labels").
    """

    prefix: str
    paths: dict[tuple[str, str], Path]


def is_idx_folder(path: Path) -> bool:
    """Whether this folder, or the folder ``raw`` in it (torchvision's layout), holds idx files."""
    return path.is_dir() and bool(_find_sets(path))


def read_idx_folder(path: Path, *, only: str | None = None) -> SourceArrays:
    """The images and labels of ``train-*`` and, where there are any, of ``t10k-*`` (or ``test-*``), gzipped or not.

    EMNIST's images, which are stored on their side, are turned upright.

    Args:
        path: The folder.
        only: Which data set, when the folder holds several as EMNIST's does, such as "emnist-balanced-".

    Raises:
        DataError: A file is missing, cut short or no idx file, or there are several data sets.
    """
    found = _one_set(path, only)
    parts = {part for part, _ in found.paths}
    folder = path.resolve()
    classes = _EMNIST_CLASSES.get(found.prefix)
    return SourceArrays(
        name=folder.parent.name if folder.name == "raw" else folder.name,
        train=_read_part(found, "train", path),
        test=_read_part(found, "test", path) if "test" in parts else None,
        class_names=None if classes is None else tuple(classes),
    )


def read_idx(path: Path) -> NDArray[Any]:
    """The array of one idx file: big-endian sizes, then the values; gzip is told by content, not by name.

    Raises:
        DataError: The file cannot be read, is no idx file, or holds fewer or more bytes than its sizes say.
    """
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data.startswith(_GZIP_MAGIC) else data
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}. Is the file whole?") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _DTYPES:
        raise DataError(
            f"{path}: starts with the bytes {data[:4].hex(' ')!r}, but an idx file starts with 00 00, a type "
            "(08, 09, 0b, 0c, 0d or 0e) and its number of dimensions."
        )
    offset = 4 + 4 * data[3]
    shape = tuple(int(size) for size in np.frombuffer(data[4:offset][: (len(data) - 4) // 4 * 4], ">u4"))
    dtype = np.dtype(_DTYPES[data[2]])
    n_bytes = offset + dtype.itemsize * math.prod(shape)
    if len(shape) < data[3] or n_bytes != len(data):
        raise DataError(
            f"{path}: its header says {'x'.join(map(str, shape))} values of {dtype.itemsize} byte(s), a file of "
            f"{n_bytes} bytes, but it has {len(data)}. Fetch the file again."
        )
    return np.frombuffer(data, dtype, offset=offset).reshape(shape)


def _find_sets(folder: Path) -> dict[str, _IdxFiles]:
    """The data sets in this folder or, when it has none, in the folder ``raw`` in it."""
    return _sets_in(folder) or _sets_in(folder / "raw")


def _sets_in(folder: Path) -> dict[str, _IdxFiles]:
    found: dict[str, _IdxFiles] = {}
    # Unpacked files come after their .gz in this order, and so replace them.
    for path in sorted(folder.glob("*-ubyte*"), key=lambda path: (path.suffix.lower() != ".gz", path.name)):
        if match := _FILE.fullmatch(path.name):
            prefix = (match[1] or "").lower()
            part = "train" if match[2].lower() == "train" else "test"
            found.setdefault(prefix, _IdxFiles(prefix, {})).paths[part, match[3].lower()] = path
    return found


def _one_set(path: Path, only: str | None) -> _IdxFiles:
    found = _find_sets(path)
    if only is not None:
        return found.get(only, _IdxFiles(only, {}))
    if len(found) > 1:
        names = ", ".join(f"{prefix}train-*" for prefix in sorted(found))
        raise DataError(f"{path}: holds several data sets: {names}. Put the files of one into a folder of their own.")
    return next(iter(found.values()), _IdxFiles("", {}))


def _read_part(found: _IdxFiles, part: str, folder: Path) -> Part:
    for kind, digit in (("images", 3), ("labels", 1)):
        if (part, kind) not in found.paths:
            name = f"{found.prefix}{'train' if part == 'train' else 't10k'}-{kind}-idx{digit}-ubyte"
            beside = ", ".join(sorted(path.name for path in found.paths.values())) or "the other files"
            raise DataError(f"{folder}: there is no {name} or {name}.gz beside {beside}. Each part needs both files.")
    images, labels = found.paths[part, "images"], found.paths[part, "labels"]
    x = read_idx(images)
    return Part(x.swapaxes(1, 2) if found.prefix and x.ndim == 3 else x, read_idx(labels), str(images), str(labels))
