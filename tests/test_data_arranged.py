"""Inputs that are rows, or lie in a file: kept where they are, and changed as they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ordersearch.data.arranged import ArrangedRows, arranged, chunks_of, is_whole
from ordersearch.data.arrays import Part, SourceArrays, assemble
from ordersearch.data.layout import find_layout
from ordersearch.data.split import split_tensors
from tests.listed_rows import ListedRows

LABELS = np.arange(12) % 2


def pixels(*shape: int, dtype: Any = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def mapped(path: Path, x: NDArray[Any]) -> NDArray[Any]:
    np.save(path, x)
    array: NDArray[Any] = np.load(path, mmap_mode="r")
    return array


def test_rows_that_need_no_change_are_kept_as_they_are() -> None:
    rows = ListedRows(pixels(12, 3, 8, 9))
    dataset = assemble(SourceArrays("a", Part(rows, LABELS, "x", "y"), input="image"))
    assert dataset.x is rows
    assert rows.n_read == 0
    assert dataset.layout == "the source holds images, channels first because the last size 9 is over 4"
    assert dataset.describe()[0] == "a: 12 images and no test part, 3 channels of 8x9 each, uint8."


@pytest.mark.parametrize("shape", [(12, 8, 9, 3), (12, 8, 9)])
def test_channels_of_rows_move_as_they_are_read(shape: tuple[int, ...]) -> None:
    x = pixels(*shape)
    parts = [Part(held, LABELS, "x", "y") for held in (x, ListedRows(x))]
    whole, read = (assemble(SourceArrays("a", part, test=part)) for part in parts)
    assert isinstance(read.x, ArrangedRows)
    assert read.x.decodes
    assert (read.input_shape, len(read.x), read.x.shape) == (whole.input_shape, 12, whole.x.shape)
    chosen = np.array([7, 2, 2])
    np.testing.assert_array_equal(read.x[chosen], whole.x[chosen])
    one, other = split_tensors(whole, split=0), split_tensors(read, split=0)
    np.testing.assert_allclose(one.x_val, other.x_val, atol=1e-6)
    assert one.y_val.tolist() == other.y_val.tolist()


def test_rows_of_another_dtype_than_the_test_part_come_in_one() -> None:
    train = Part(ListedRows(pixels(12, 1, 8, 9)), LABELS, "x", "y")
    test = Part(ListedRows(pixels(12, 1, 8, 9, dtype=np.int16)), LABELS, "x_test", "y_test")
    dataset = assemble(SourceArrays("a", train, test))
    assert dataset.x_test is not None
    assert dataset.x[np.array([0])].dtype == dataset.x_test[np.array([0])].dtype == dataset.x.dtype == np.float32


def test_the_fingerprint_of_rows_enters() -> None:
    prints = set()
    for x in (pixels(12, 8, 9, 3), pixels(12, 8, 9, 3) // 2, pixels(12, 3, 8, 9)):
        prints.add(assemble(SourceArrays("a", Part(ListedRows(x), LABELS, "x", "y"))).fingerprint)
    assert len(prints) == 3


def test_arrays_in_files_are_copied_only_when_read(tmp_path: Path) -> None:
    as_is = pixels(12, 3, 8, 9)
    layout = find_layout(as_is.shape)
    kept = arranged(mapped(tmp_path / "a.npy", as_is), layout, np.dtype(np.uint8))
    assert isinstance(kept, np.ndarray)
    assert not kept.flags.owndata
    assert not kept.flags.writeable
    last = mapped(tmp_path / "b.npy", np.moveaxis(as_is, 1, -1).astype(np.int32))
    moved = arranged(last, find_layout(last.shape), np.dtype(np.float32))
    assert isinstance(moved, ArrangedRows)
    assert moved.source is last
    assert not moved.decodes
    np.testing.assert_array_equal(moved[np.arange(12)], as_is)
    assert len(moved.fingerprint) == 64
    in_memory = arranged(np.array(last), find_layout(last.shape), np.dtype(np.float32))
    assert isinstance(in_memory, np.ndarray)
    np.testing.assert_array_equal(in_memory, as_is)


def test_what_can_be_looked_at_as_a_whole(tmp_path: Path) -> None:
    x = pixels(12, 8, 9, 3, dtype=np.int32)
    rows, layout = ListedRows(x, decodes=False), find_layout(x.shape)
    assert is_whole(x)
    assert not is_whole(rows)
    assert is_whole(ArrangedRows(mapped(tmp_path / "a.npy", x), layout, np.dtype(np.float32)))
    assert not is_whole(ArrangedRows(rows, layout, np.dtype(np.float32)))


def test_chunks_hold_every_sample_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordersearch.data.arranged._BYTES_AT_ONCE", 700)
    x = pixels(12, 3, 8, 9)
    for held in (x, ListedRows(x)):
        chunks = list(chunks_of(held))
        assert len(chunks) == 4
        np.testing.assert_array_equal(np.concatenate(chunks), x)
