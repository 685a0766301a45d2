"""Handing a search over to another process: what it is made of in one message, its arrays in a file that both map."""

from __future__ import annotations

import io
import mmap
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import FunctionType
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.rows import ImageRows
from ordersearch.errors import OrdersearchError
from ordersearch.networks import Network, find_network

_ALIGNED = 64

T = TypeVar("T")


@dataclass(frozen=True)
class Parcel:
    """A value as it is handed over.

    Attributes:
        pickled: The value without its arrays.
        spans: Where in the file each array's bytes are: the first one, and how many.
    """

    pickled: bytes
    spans: tuple[tuple[int, int], ...]


def obstacle(value: object) -> str:
    """Why a value cannot be handed over, in a sentence, or nothing; no array is copied for it.

    Example:
        >>> obstacle({"a": np.zeros(3)})
        ''
    """
    try:
        _pickled(value, lambda _: False)
    except Exception as cause:  # noqa: BLE001 - whatever the parts of the value raise when they are pickled
        told = (str(cause) or type(cause).__name__).splitlines()[0].rstrip(".")
        return (
            f"this search cannot be handed to another process ({told}). What it is made of has to stand in a module, "
            "under its own name."
        )
    return ""


def hand_over(value: object, file: IO[bytes]) -> Parcel:
    """Write the arrays of a value into a file.

    Example:
        >>> from tempfile import TemporaryFile
        >>> with TemporaryFile() as file:
        ...     parcel = hand_over({"a": np.arange(3)}, file)
        ...     take_over(parcel, file.fileno())
        {'a': array([0, 1, 2])}

    Raises:
        OSError: There is no room for the file.
    """
    buffers: list[pickle.PickleBuffer] = []
    pickled = _pickled(value, buffers.append)
    spans: list[tuple[int, int]] = []
    for buffer in buffers:
        with buffer.raw() as raw:
            start = -(-file.tell() // _ALIGNED) * _ALIGNED
            file.seek(start)
            file.write(raw)
            spans.append((start, raw.nbytes))
    # A file of no bytes cannot be mapped.
    file.write(b"\0")
    file.flush()
    return Parcel(pickled, tuple(spans))


def take_over(parcel: Parcel, file: int) -> Any:
    """The value of a parcel; its arrays are the file's pages, which all processes share until they write into them.

    Args:
        parcel: From ``hand_over``.
        file: The open file's number.
    """
    pages = memoryview(mmap.mmap(file, 0, access=mmap.ACCESS_COPY))
    return pickle.loads(parcel.pickled, buffers=[pages[start : start + n] for start, n in parcel.spans])


def _pickled(value: object, keep: Callable[[pickle.PickleBuffer], Any]) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=keep).dump(value)
    return stream.getvalue()


class _Pickler(pickle.Pickler):
    """Pickles what a search is made of such that another process finds the same again."""

    def reducer_override(self, value: Any) -> Any:
        """How a value is made again, or NotImplemented for the usual way."""
        if isinstance(value, Network):
            return _network_by_name(value)
        if isinstance(value, ImageRows):
            # With the decoded images, which are left out where the rows go to a process that only reads.
            return object.__new__, (type(value),), value.__dict__
        if isinstance(value, np.memmap):
            return _mapped_again(value)
        if isinstance(value, FunctionType | type) and value.__module__ == "__main__":
            raise pickle.PicklingError(f"{value.__qualname__} is defined in the script that runs")
        return NotImplemented


def _network_by_name(network: Network) -> Any:
    """By its name and options, where they lead to the same network again: a user's function need not be pickled."""
    try:
        found = find_network(network.name)
    except OrdersearchError:
        return NotImplemented
    if replace(found, options=network.options) != network:
        return NotImplemented
    return _find, (network.name, dict(network.options))


def _find(name: str, options: dict[str, Any]) -> Network:
    return replace(find_network(name), options=options)


def _mapped_again(array: np.memmap[Any, Any]) -> Any:
    """By its file, which is mapped again instead of copied."""
    if array.filename is None or not array.flags.c_contiguous:
        return NotImplemented
    # Of a view, the offset that numpy keeps is that of the array it was made from.
    pages: Any = array._mmap  # type: ignore[attr-defined]
    granularity = mmap.ALLOCATIONGRANULARITY
    start = array.offset - array.offset % granularity
    first = np.frombuffer(pages, np.uint8).__array_interface__["data"][0]
    offset = start + array.__array_interface__["data"][0] - first
    return _map, (str(array.filename), array.dtype, offset, array.shape)


def _map(path: str, dtype: np.dtype[Any], offset: int, shape: Sequence[int]) -> NDArray[Any]:
    return np.memmap(path, dtype, mode="r", offset=offset, shape=tuple(shape))
