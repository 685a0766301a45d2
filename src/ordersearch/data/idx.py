"""Data sets in folders of idx files, as MNIST and Fashion-MNIST ship them."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arrays import Part, SourceArrays
from ordersearch.errors import DataError

_FILE = re.compile(r"(train|t10k|test)-(images|labels)[-.]idx\d-ubyte(\.gz)?", re.IGNORECASE)
_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"


def is_idx_folder(path: Path) -> bool:
    """Whether this folder, or the folder ``raw`` in it (torchvision's layout), holds idx files."""
    return path.is_dir() and bool(_find_files(path) or _find_files(path / "raw"))


def read_idx_folder(path: Path) -> SourceArrays:
    """The images and labels of ``train-*`` and, where there are any, of ``t10k-*`` (or ``test-*``), gzipped or not.

    Raises:
        DataError: A file is missing, cut short or no idx file.
    """
    files = _find_files(path) or _find_files(path / "raw")
    parts = {part for part, _ in files}
    folder = path.resolve()
    return SourceArrays(
        name=folder.parent.name if folder.name == "raw" else folder.name,
        train=_read_part(files, "train", path),
        test=_read_part(files, "test", path) if "test" in parts else None,
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


def _find_files(folder: Path) -> dict[tuple[str, str], Path]:
    found: dict[tuple[str, str], Path] = {}
    # Unpacked files come after their .gz in this order, and so replace them.
    for path in sorted(folder.glob("*-ubyte*"), key=lambda path: (path.suffix.lower() != ".gz", path.name)):
        if match := _FILE.fullmatch(path.name):
            part = "train" if match[1].lower() == "train" else "test"
            found[part, match[2].lower()] = path
    return found


def _read_part(files: dict[tuple[str, str], Path], part: str, folder: Path) -> Part:
    for kind, digit in (("images", 3), ("labels", 1)):
        if (part, kind) not in files:
            name = f"{'train' if part == 'train' else 't10k'}-{kind}-idx{digit}-ubyte"
            found = ", ".join(sorted(path.name for path in files.values()))
            raise DataError(f"{folder}: there is no {name} or {name}.gz beside {found}. Each part needs both files.")
    images, labels = files[part, "images"], files[part, "labels"]
    return Part(read_idx(images), read_idx(labels), str(images), str(labels))
