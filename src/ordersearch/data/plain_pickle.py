"""Pickle files that hold plain values and arrays of integers, read without running what a pickle could run."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.errors import DataError

_INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


def read_plain_pickle(path: Path) -> Any:
    """What a pickle of dicts, lists, texts, numbers and arrays of integers holds; its texts may be bytes.

    Nothing that the file names is imported or called: the few names that such pickles need stand for functions of
    this module, and any other is refused.

    Raises:
        DataError: The file is no pickle, is cut short, or names anything else.
    """
    try:
        with path.open("rb") as file:
            return _settled(_PlainUnpickler(file, encoding="bytes").load())
    except _NameRefusedError as error:
        raise DataError(
            f"{path}: this pickle names {error}, but only plain values and arrays of integers are loaded, because "
            "unpickling anything else runs code. Fetch the file again from where it was published."
        ) from error
    # A broken pickle raises whatever its opcodes stumble over: EOFError, UnpicklingError, KeyError, MemoryError, ...
    except Exception as error:
        raise DataError(
            f"{path}: cannot be unpickled: {str(error).rstrip('.') or type(error).__name__}. Is the file whole?"
        ) from error


class _NameRefusedError(Exception):
    """A pickle that names what is not needed for plain values."""


class _DType:
    """Stands for ``numpy.dtype`` in a pickle."""

    def __init__(self, code: str | bytes, *_: Any) -> None:
        self.code = code.decode("ascii") if isinstance(code, bytes) else code
        if self.code not in _INTEGERS:
            raise _NameRefusedError(f"the dtype {self.code!r}")
        self.order = "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else order


class _Array:
    """Stands for ``numpy.ndarray`` in a pickle, as it does while it is made; ``array`` is what it holds."""

    array: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        values = np.frombuffer(data, np.dtype(dtype.code).newbyteorder(dtype.order))
        self.array = values.reshape(shape, order="F" if is_fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise _NameRefusedError(f"{module}.{name}")
        return _STAND_INS[module, name]


def _settled(value: Any) -> Any:
    """A dict with arrays in place of what stood for them and, as keys, text in place of bytes; another value as it is.

    Not what lies deeper: a pickle of a few bytes can say that each of thirty lists holds the one before it twice.
    """
    if not isinstance(value, dict):
        return value
    return {
        key.decode("utf-8") if isinstance(key, bytes) else key: held.array if isinstance(held, _Array) else held
        for key, held in value.items()
    }
