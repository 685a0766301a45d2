"""Inputs in the data set's dtype with their channels first: in memory, or brought there where they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.layout import Layout

if TYPE_CHECKING:
    from ordersearch.data.rows import Rows

Samples: TypeAlias = "NDArray[Any] | Rows"
_BYTES_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False)
class ArrangedRows:
    """Rows whose channels move, or whose dtype changes, as they are read.

    Attributes:
        source: The samples as the source lays them out; an array that lies in a file, or rows.
        layout: Where their channels are.
        dtype: What they become.

    Example:
        >>> from ordersearch.data.layout import find_layout
        >>> rows = ArrangedRows(np.zeros((9, 32, 32, 3), np.int16), find_layout((9, 32, 32, 3)), np.dtype(np.float32))
        >>> rows.shape, rows[np.array([2, 5])].shape
        ((9, 3, 32, 32), (2, 3, 32, 32))
    """

    source: Samples
    layout: Layout
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        # A float64 too large for float32 becomes infinite, which the check of all values tells.
        with np.errstate(over="ignore"):
            return self.layout.arrange(self.source[rows].astype(self.dtype, copy=False))

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples first, then channels (or features)."""
        return (len(self), *self.layout.sample_shape)

    @property
    def decodes(self) -> bool:
        """As the source."""
        return False if isinstance(self.source, np.ndarray) else self.source.decodes

    @cached_property
    def fingerprint(self) -> str:
        """Of the source's shape and dtype, and of its own fingerprint or the bytes of its array."""
        digest = hashlib.sha256(f"{self.source.dtype.str}{self.source.shape};".encode())
        if not isinstance(self.source, np.ndarray):
            digest.update(self.source.fingerprint.encode())
            return digest.hexdigest()
        for chunk in chunks_of(self.source):
            digest.update(np.ascontiguousarray(chunk).data)
        return digest.hexdigest()


def arranged(x: Samples, layout: Layout, dtype: np.dtype[Any]) -> Samples:
    """``x`` in ``dtype`` and with its channels first.

    Arrays in memory are copied only where something changes, and come back read-only. What lies in a file (an array
    that is mapped, or rows) is changed where it is read instead, so that it never has to fit into memory.
    """
    changes = x.dtype != dtype or layout.channels_last or tuple(x.shape[1:]) != layout.sample_shape
    if isinstance(x, np.ndarray):
        in_file = isinstance(x, np.memmap)
        if not (in_file and (x.dtype != dtype or layout.channels_last or not x.flags.c_contiguous)):
            with np.errstate(over="ignore"):
                return frozen(layout.arrange(x.astype(dtype, copy=False)))
    elif not changes:
        return x
    return ArrangedRows(x, layout, dtype)


def is_whole(x: Samples) -> bool:
    """Whether all values can be looked at cheaply: they are in memory or in one file, and need no decoding."""
    return isinstance(x, np.ndarray) or (isinstance(x, ArrangedRows) and isinstance(x.source, np.ndarray))


def chunks_of(x: Samples) -> Iterator[NDArray[Any]]:
    """All samples, some megabytes at a time."""
    n_bytes = x.dtype.itemsize * int(np.prod(x.shape[1:], dtype=np.int64))
    step = max(1, _BYTES_AT_ONCE // n_bytes)
    for start in range(0, len(x), step):
        stop = min(start + step, len(x))
        yield x[start:stop] if isinstance(x, np.ndarray) else x[np.arange(start, stop)]


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, which cannot be written through this view of it."""
    # A view, so that the caller's own array stays writable; the fingerprint is cached, so ours must not change.
    view = array.view()
    view.flags.writeable = False
    return view
