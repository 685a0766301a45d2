"""Pickles of plain values: read as they are, and nothing in them is ever run."""

from __future__ import annotations

import codecs
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ordersearch.data.plain_pickle import read_plain_pickle
from ordersearch.errors import DataError


def python_2_pickle(data: NDArray[np.uint8], labels: list[int]) -> bytes:
    """What cPickle of Python 2 wrote at protocol 2 for a batch, with its texts as bytes and numpy's old module."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"tR(K\x01(K"
        + bytes([data.shape[0]])
        + b"M"
        + struct.pack("<H", data.shape[1])
        + b"tcnumpy\ndtype\n"
        + b"("
        + text(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<i", data.size)
        + data.tobytes()
        + b"tb"
    )
    items = text(b"labels") + b"(" + b"".join(b"K" + bytes([label]) for label in labels) + b"l" + text(b"data") + array
    return b"\x80\x02}(" + items + b"u."


def dumped(path: Path, value: Any, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def test_a_pickle_of_python_2(tmp_path: Path) -> None:
    data = np.arange(600, dtype=np.uint16).astype(np.uint8).reshape(2, 300)
    (tmp_path / "batch").write_bytes(python_2_pickle(data, [7, 3]))
    held = read_plain_pickle(tmp_path / "batch")
    assert list(held) == ["labels", "data"]
    assert held["labels"] == [7, 3]
    np.testing.assert_array_equal(held["data"], data)
    assert held["data"].dtype == np.uint8


@given(
    array=hnp.arrays(hnp.integer_dtypes() | hnp.unsigned_integer_dtypes(), hnp.array_shapes(max_dims=3, max_side=4)),
    protocol=st.integers(0, 4),
    is_fortran=st.booleans(),
)
def test_arrays_of_integers_come_back(
    array: NDArray[Any], protocol: int, is_fortran: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    array = np.asfortranarray(array) if is_fortran else array
    path = dumped(tmp_path_factory.mktemp("pickles") / "a", {"data": array, "names": ["a", b"b", 3]}, protocol)
    held = read_plain_pickle(path)
    assert held["data"].dtype == array.dtype
    np.testing.assert_array_equal(held["data"], array)
    assert held["names"] == ["a", b"b", 3]


class Run:
    """Its pickle calls a function when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Run(os.system, "echo ran > ran"), "posix.system"),
        (Run(eval, "open('ran', 'w').close()"), "__builtin__.eval"),
        (Run(codecs.lookup, "utf-8"), "_codecs.lookup"),
        (Run(np.load, "ran", None, True), "numpy.load"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        (np.array([Run(os.system, "echo ran > ran")], dtype=object), "the dtype 'O8'"),
        (np.zeros(3), "the dtype 'f8'"),
        (np.zeros(3, [("a", "u1")]), "the dtype 'V1'"),
        (np.float64(1), "numpy._core.multiarray.scalar"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_anything_else_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = dumped(tmp_path / "batch", {"data": value})
    with pytest.raises(DataError, match=rf"batch: this pickle names {name}, .* because unpickling anything else runs"):
        read_plain_pickle(path)
    assert not (tmp_path / "ran").exists()


def test_a_small_pickle_of_a_huge_list_is_not_unfolded(tmp_path: Path) -> None:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    assert len(read_plain_pickle(dumped(tmp_path / "batch", {"data": value}))["data"]) == 2


def test_what_is_no_dict_comes_back_as_it_is(tmp_path: Path) -> None:
    assert read_plain_pickle(dumped(tmp_path / "batch", [1, "a"])) == [1, "a"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_pickle_cut_short_is_told(tmp_path: Path, share: float) -> None:
    data = python_2_pickle(np.zeros((2, 300), np.uint8), [1, 2])
    (tmp_path / "batch").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"batch: cannot be unpickled: .*Is the file whole\?"):
        read_plain_pickle(tmp_path / "batch")


@given(data=st.binary(max_size=200))
def test_any_bytes_end_in_a_value_or_one_error(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("pickles") / "a"
    path.write_bytes(data)
    try:
        read_plain_pickle(path)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017
