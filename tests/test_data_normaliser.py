"""The scale of inputs and targets, from arrays and from rows that are read where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ordersearch.data import Dataset, dataset_from_arrays
from ordersearch.data.arrays import Part, SourceArrays, assemble
from ordersearch.data.normaliser import normaliser, row_chunks
from ordersearch.data.parts import split_rows
from ordersearch.data.split import split_tensors
from tests.listed_rows import ListedRows


def both(x: NDArray[Any], **options: Any) -> tuple[Dataset, Dataset]:
    """The same samples as an array and as rows."""
    y = np.arange(len(x)) % 2
    made = [assemble(SourceArrays("a", Part(held, y, "x", "y")), **options) for held in (x, ListedRows(x))]
    return made[0], made[1]


@given(
    shape=st.sampled_from([(40, 3), (40, 2, 9), (40, 3, 9, 8), (40, 2, 8, 8, 8)]),
    dtype=st.sampled_from([np.uint8, np.float32]),
    at_once=st.sampled_from([7, 2000, 2**20]),
)
def test_rows_show_what_an_array_of_them_shows(shape: tuple[int, ...], dtype: Any, at_once: int) -> None:
    x = np.random.default_rng(0).normal(90, 20, shape).astype(dtype)
    x[:, 0] = 7
    dataset, in_rows = both(x, input={2: "table", 3: "signal", 4: "image", 5: "volume"}[len(shape)])
    rows = np.arange(5, 37)
    whole = normaliser(dataset, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ordersearch.data.normaliser._VALUES_AT_ONCE", at_once)
        read = normaliser(in_rows, rows)
    assert read.mean.shape == whole.mean.shape
    np.testing.assert_allclose(read.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(read.deviation, whole.deviation, rtol=1e-12)
    assert whole.deviation.flat[0] == read.deviation.flat[0] == 1


def test_rows_are_read_once_and_only_as_many_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).integers(0, 256, (300, 1, 8, 8), dtype=np.uint8)
    rows = ListedRows(x)
    dataset = assemble(SourceArrays("a", Part(rows, np.arange(300) % 2, "x", "y")))
    assert rows.n_read == 0
    normaliser(dataset, np.arange(300))
    assert rows.n_read == 300
    monkeypatch.setattr("ordersearch.data.normaliser._MOST_DECODED", 50)
    scale = normaliser(dataset, np.arange(300))
    assert rows.n_read == 350
    assert scale.mean.item() == pytest.approx(x.mean(), abs=3)


def test_missing_numbers_do_not_count() -> None:
    x = np.random.default_rng(0).normal(5, 2, (40, 3)).astype(np.float32)
    x[::3, 0] = np.nan
    x[:, 1] = np.nan
    x[1::2, 2] = np.nan
    x[::2, 2] = 4
    known = x[~np.isnan(x[:, 0]), 0].astype(np.float64)
    for dataset in both(x):
        scale = normaliser(dataset, np.arange(40))
        assert scale.mean.ravel().tolist() == [pytest.approx(known.mean(), rel=1e-12), 0, 4]
        assert scale.deviation.ravel().tolist() == [pytest.approx(known.std(), rel=1e-12), 1, 1]
        assert (scale.inputs(x)[np.isnan(x)] == 0).all()


@given(st.lists(st.integers(0, 29), min_size=1, max_size=30), st.sampled_from([np.uint8, np.float32]))
def test_a_batch_is_bit_for_bit_what_the_whole_is(chosen: list[int], dtype: Any) -> None:
    x = np.random.default_rng(1).normal(90, 20, (30, 2, 9)).astype(dtype)
    dataset = dataset_from_arrays(x, np.arange(30) % 2, input="signal", x_test=x, y_test=np.arange(30) % 2)
    tensors = split_tensors(dataset, split=0)
    train = split_rows(dataset, split=0).train.rows
    batch = normaliser(dataset, train).inputs(dataset.x[np.array(chosen)])
    assert batch.tobytes() == tensors.x_test.numpy()[chosen].tobytes()


def test_targets_that_are_no_numbers_stay() -> None:
    dataset, _ = both(np.arange(80.0).reshape(40, 2))
    scale = normaliser(dataset, np.arange(40))
    assert scale.target_mean is None
    assert scale.targets(dataset.y) is dataset.y


def test_numbers_to_predict_are_scaled() -> None:
    dataset = dataset_from_arrays(np.arange(80.0).reshape(40, 2), np.linspace(0, 1, 40))
    scale = normaliser(dataset, np.arange(20))
    assert scale.target_mean is not None
    assert scale.target_mean.shape == (1,)
    targets = scale.targets(dataset.y)
    assert targets.dtype == np.float32
    assert targets.shape == (40, 1)
    assert (targets[:20].mean(), targets[:20].std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-6))


def test_chunks_cover_the_rows_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordersearch.data.normaliser._VALUES_AT_ONCE", 10)
    x = np.arange(60).reshape(20, 3)
    rows = np.array([4, 1, 19, 7])
    chunks = list(row_chunks(x, rows))
    assert [place for place, _ in chunks] == [slice(0, 3), slice(3, 4)]
    assert np.concatenate([chunk for _, chunk in chunks]).tolist() == x[rows].tolist()
