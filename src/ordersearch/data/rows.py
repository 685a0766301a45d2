"""Samples that are read when they are asked for, such as image files that are decoded batch by batch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.images import Kind, read_header, read_image
from ordersearch.errors import DataError

__all__ = ["ImageRows", "Rows", "set_decoding_threads"]

_KINDS: dict[str, Kind] = {"L": "grey", "RGB": "colour"}
_EDGE_BYTES = 4096
_MOST_THREADS = 8
_threads: list[int] = []


class Rows(Protocol):
    """What may stand where a data set has an array of inputs: read row by row, never as a whole.

    Attributes:
        shape: As an array's, samples first.
        dtype: As an array's.
        fingerprint: A short text that differs when what the rows hold differs.
        decodes: Whether reading costs so much work that processes of their own should do it.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def decodes(self) -> bool: ...  # noqa: D102
    def __len__(self) -> int: ...
    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[Any]: ...


class ImageRows:
    """Image files as one array ``(n, channels, height, width)`` of uint8 that is decoded where it is read.

    Args:
        paths: The files, in the order of their labels.
        size: Height and width that every image is resized to, whatever its proportions; None for those of the first.
        mode: ``"L"``, one channel of grey, or ``"RGB"``, three of colours, whatever the files hold.

    Example:
        >>> from tempfile import mkdtemp
        >>> from PIL import Image
        >>> path = Path(mkdtemp()) / "grey.png"
        >>> Image.new("L", (9, 8), 200).save(path)
        >>> rows = ImageRows([path, path], mode="RGB")
        >>> rows.shape, rows[np.array([1])][0, :, 0, 0].tolist()
        ((2, 3, 8, 9), [200, 200, 200])

    Raises:
        DataError: There are no files, or the first one, whose size is asked for, is no image.
    """

    def __init__(
        self, paths: Sequence[Path | str], *, size: tuple[int, int] | None = None, mode: Literal["L", "RGB"] = "RGB"
    ) -> None:
        if not paths:
            raise DataError("Got no image files, but a data set has at least one.")
        # One text instead of a Path for each: a million files are some 100 MB less, in every process.
        self._paths = [os.fspath(path) for path in paths]
        self._kind = _KINDS[mode]
        if size is None:
            header = read_header(Path(self._paths[0]))
            size = header.height, header.width
        self._sample_shape = (1 if mode == "L" else 3, *size)
        self._kept: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n, channels, height, width)``."""
        return (len(self), *self._sample_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Bytes."""
        return np.dtype(np.uint8)

    @property
    def decodes(self) -> bool:
        """True until ``keep`` has decoded all of them."""
        return self._kept is None

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits over the shape and, of each file, its length and its first and last 4096 bytes.

        Nothing is decoded and no large file read whole; names and times do not enter, so that a copy is the same data.

        Raises:
            DataError: A file cannot be read.
        """
        digest = blake2b(f"{self.shape};".encode(), digest_size=16)
        for path in self._paths:
            digest.update(_edges(path))
        return digest.hexdigest()

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images of these rows, in this order.

        Raises:
            DataError: A file cannot be decoded.
        """
        if self._kept is not None:
            return self._kept[rows]
        images = np.empty((len(rows), *self._sample_shape), np.uint8)

        def decode(place: int) -> None:
            images[place] = read_image(Path(self._paths[rows[place]]), self._sample_shape, self._kind)

        with warnings.catch_warnings():
            # What Pillow finds odd in a file that it reads all the same would be told once for each image and epoch.
            warnings.simplefilter("ignore")
            _for_each(decode, range(len(rows)))
        return images

    def __getstate__(self) -> dict[str, Any]:
        # The files are read again where it is unpickled, which is what makes it small enough to send to a process.
        return {**self.__dict__, "_kept": None}

    def keep(self) -> None:
        """Decode all images now, and hold them from now on: a byte for each value.

        Raises:
            DataError: A file cannot be decoded.
        """
        if self._kept is None:
            self._kept = self[np.arange(len(self))]


def set_decoding_threads(n: int) -> None:
    """Let this process decode images in ``n`` threads from now on, instead of one for each core (at most 8)."""
    _threads[:] = [n]


def _for_each(work: Callable[[int], None], places: range) -> None:
    n_threads = min(_threads[0] if _threads else min(_MOST_THREADS, os.cpu_count() or 1), len(places))
    if n_threads < 2:
        for place in places:
            work(place)
        return
    # Pillow lets go of the interpreter while it decodes.
    threads = ThreadPoolExecutor(n_threads)
    try:
        for _ in threads.map(work, places):
            pass
    finally:
        threads.shutdown(cancel_futures=True)


def _edges(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            length = os.fstat(file.fileno()).st_size
            start = file.read(_EDGE_BYTES)
            file.seek(max(_EDGE_BYTES, length - _EDGE_BYTES))
            return length.to_bytes(8, "big") + start + file.read(_EDGE_BYTES)
    except OSError as error:
        raise DataError(
            f"{path}: this image cannot be read: {error.strerror}. Put it back or load the data anew."
        ) from error
