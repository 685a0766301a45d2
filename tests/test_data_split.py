"""Splits: partitions by class, keyed by their number; normalised by what trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ordersearch.data import Dataset, dataset_from_arrays, load_dataset
from ordersearch.data.partition import partition, partition_sizes, strata
from ordersearch.data.split import split_tensors
from ordersearch.data.tensors import Task
from ordersearch.errors import DataError

FRACTIONS = st.floats(0.01, 0.99)
CLASS_SIZES = st.lists(st.integers(2, 40), min_size=2, max_size=6).filter(lambda sizes: max(sizes) > 2)


def labels_of(sizes: list[int], seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


@given(sizes=CLASS_SIZES, split=st.integers(-5, 10**9), has_test=st.booleans(), val=FRACTIONS, test=FRACTIONS)
def test_a_split_is_a_stratified_partition(
    sizes: list[int], split: int, has_test: bool, val: float, test: float
) -> None:
    y = labels_of(sizes)
    parts = partition(y, split=split, has_test=has_test, validation_fraction=val, test_fraction=test)
    rows = [parts.train, parts.validation, *([] if parts.test is None else [parts.test])]
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(y)))
    assert (parts.test is None) == has_test
    counts = [np.bincount(y[part], minlength=len(sizes)) for part in rows]
    assert (counts[0] >= 1).all()
    assert (counts[1] >= 1).all()
    for i, size in enumerate(sizes):
        left = size if has_test else size - int(counts[2][i])
        assert abs(counts[1][i] - val * left) <= 0.5 or counts[1][i] in (1, left - 1)
        if not has_test:
            assert abs(counts[2][i] - test * size) <= 0.5 or counts[2][i] in (1, size - 2)
    told = partition_sizes(np.array(sizes), has_test=has_test, validation_fraction=val, test_fraction=test)
    assert told == (len(parts.train), len(parts.validation), 0 if parts.test is None else len(parts.test))


@given(sizes=CLASS_SIZES, split=st.integers(0, 100))
def test_the_test_part_is_the_same_for_every_split(sizes: list[int], split: int) -> None:
    y = labels_of(sizes)
    one, other = partition(y, split=split, has_test=False), partition(y, split=split + 1, has_test=False)
    assert one.test is not None
    assert other.test is not None
    assert one.test.tolist() == other.test.tolist()


def test_splits_do_not_follow_global_state_and_are_pinned() -> None:
    y = labels_of([6, 4])
    rows = [partition(y, split=split, has_test=False) for split in (0, 1)]
    np.random.seed(5)
    again = [partition(y, split=np.int64(split), has_test=False) for split in (0, 1)]  # type: ignore[arg-type]
    assert [part.validation.tolist() for part in rows] == [part.validation.tolist() for part in again]
    # Written down once: a change here would give every stored run another meaning.
    assert rows[0].test is not None
    assert (rows[0].test.tolist(), rows[0].validation.tolist(), rows[1].validation.tolist()) == PINNED


PINNED: tuple[list[int], list[int], list[int]] = ([0, 3], [1, 9], [8, 9])


def test_validation_differs_between_splits() -> None:
    y = labels_of([50, 50])
    drawn = {tuple(partition(y, split=split, has_test=True).validation.tolist()) for split in range(20)}
    assert len(drawn) == 20


def test_every_sample_validates_about_equally_often() -> None:
    y = labels_of([60, 40])
    times = sum(np.isin(np.arange(100), partition(y, split=s, has_test=True).validation) for s in range(400))
    # Binomial(400, 0.2): mean 80, sd 8.
    assert np.min(times) > 45
    assert np.max(times) < 115


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_fractions_outside_of_their_range_are_told(fraction: float) -> None:
    with pytest.raises(DataError, match=r"as the fraction of samples to hold out, but it lies in \(0, 1\)"):
        partition(labels_of([5, 5]), split=0, has_test=True, validation_fraction=fraction)


def test_nothing_left_to_test_on_is_told() -> None:
    with pytest.raises(DataError, match="No class has more than 2 of the 4 samples"):
        partition(labels_of([2, 2]), split=0, has_test=False)
    assert len(partition(labels_of([2, 2]), split=0, has_test=True).validation) == 2


def noise(
    *shape: int, seed: int = 0, test: int = 0, input: str = "auto", dtype: type[np.generic] = np.float32
) -> Dataset:
    generator = np.random.default_rng(seed)
    x = (generator.normal(30, 9, (shape[0] + test, *shape[1:]))).astype(dtype)
    y = np.arange(shape[0] + test) % 3
    if not test:
        return dataset_from_arrays(x, y, input=input)
    n = shape[0]
    return dataset_from_arrays(x[:n], y[:n], x_test=x[n:], y_test=y[n:], input=input)


@given(
    sample_shape=st.sampled_from([(5,), (2, 9), (9, 9), (3, 9, 9), (9, 9, 3), (1, 5, 5, 5)]),
    test=st.sampled_from([0, 6]),
    dtype=st.sampled_from([np.uint8, np.float32]),
    split=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_only_what_trains_sets_the_scale(
    sample_shape: tuple[int, ...], test: int, dtype: type[np.generic], split: int
) -> None:
    dataset = noise(30, *sample_shape, test=test, dtype=dtype)
    tensors = split_tensors(dataset, split=split)
    axes = [0, *range(2, dataset.x.ndim)]
    mean, deviation = tensors.x_train.double().mean(axes), tensors.x_train.double().std(axes, correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(deviation, torch.ones_like(deviation), atol=1e-5, rtol=0)
    parts = partition(dataset.y, split=split, has_test=bool(test))
    raw = dataset.x[parts.train].astype(np.float64)
    raw_mean, raw_deviation = raw.mean(tuple(axes), keepdims=True), raw.std(tuple(axes), keepdims=True)
    x_test = dataset.x_test if dataset.x_test is not None else dataset.x[parts.test]
    for tensor, source in ((tensors.x_val, dataset.x[parts.validation]), (tensors.x_test, x_test)):
        np.testing.assert_allclose(tensor.numpy(), (source - raw_mean) / raw_deviation, atol=1e-5)


def test_tensors_have_their_dtypes_and_labels_their_rows() -> None:
    digits = load_dataset("digits")
    tensors = split_tensors(digits, split=3)
    parts = partition(digits.y, split=3, has_test=False)
    assert tensors.task == "classification"
    for part, rows in (("train", parts.train), ("val", parts.validation), ("test", parts.test)):
        x, y = getattr(tensors, f"x_{part}"), getattr(tensors, f"y_{part}")
        assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
        assert x.is_contiguous()
        assert y.tolist() == digits.y[rows].tolist()


def test_values_far_from_the_validation_part_do_not_reach_training() -> None:
    dataset = noise(30, 5)
    rows = partition(dataset.y, split=1, has_test=False)
    x = dataset.x.copy()
    x[rows.validation] += 1e4
    x[rows.test] -= 1e4
    changed = dataset_from_arrays(x, dataset.y)
    assert torch.equal(split_tensors(dataset, split=1).x_train, split_tensors(changed, split=1).x_train)


def test_the_sources_own_test_part_stays_whole() -> None:
    dataset = noise(30, 5, test=6)
    for split in range(3):
        assert split_tensors(dataset, split=split).y_test.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e30])
def test_a_constant_feature_is_only_shifted(constant: float) -> None:
    x = noise(30, 3).x.copy()
    x[:, 1] = constant
    tensors = split_tensors(dataset_from_arrays(x, np.arange(30) % 3), split=0)
    assert torch.isfinite(tensors.x_test).all()
    assert tensors.x_test[:, 1].abs().max() <= 1e-6 * max(constant, 1)
    assert tensors.x_train[:, 0].std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_a_large_offset_costs_no_precision() -> None:
    x = (np.random.default_rng(0).integers(0, 100, (30, 2)) + 1e6).astype(np.float32)
    tensors = split_tensors(dataset_from_arrays(x, np.arange(30) % 3), split=0)
    assert tensors.x_train.double().mean(0).abs().max() < 1e-6


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = noise(50, 9, 9, dtype=np.uint8)
    whole = split_tensors(dataset, split=0)
    monkeypatch.setattr("ordersearch.data.normaliser._VALUES_AT_ONCE", 100)
    torch.testing.assert_close(split_tensors(dataset, split=0).x_train, whole.x_train)


def test_a_hand_made_dataset_with_a_rare_class_is_told() -> None:
    dataset = Dataset(
        "mine",
        np.zeros((3, 2), np.float32),
        np.array([0, 0, 1]),
        None,
        None,
        input="table",
        task="classification",
        class_names=("cat", "dog"),
    )
    with pytest.raises(DataError, match="mine: of 2 classes, class 'dog' has fewer than 2 samples"):
        split_tensors(dataset, split=0)


@given(n=st.integers(5, 400), split=st.integers(0, 99), has_test=st.booleans())
def test_numbers_to_predict_are_stratified_by_their_rank(n: int, split: int, has_test: bool) -> None:
    y = np.random.default_rng(n).exponential(size=(n, 2)).astype(np.float32)
    bins = strata(y, "regression")
    assert bins.max() + 1 == min(max(n // 20, 1), 10)
    assert np.ptp(np.bincount(bins)) <= 1
    order = np.argsort(y[:, 0])
    assert (np.diff(bins[order]) >= 0).all()
    parts = partition(bins, split=split, has_test=has_test)
    for part in (parts.validation, parts.test):
        if part is not None:
            assert np.ptp(np.bincount(bins[part], minlength=bins.max() + 1)) <= 1
    told = partition_sizes(np.bincount(bins), has_test=has_test)
    assert told == (len(parts.train), len(parts.validation), 0 if parts.test is None else len(parts.test))


def test_equal_numbers_share_the_bins_and_labels_need_none() -> None:
    assert np.bincount(strata(np.ones((100, 1), np.float32), "regression")).tolist() == [20] * 5
    assert strata(np.eye(4, dtype=np.float32), "multilabel").tolist() == [0] * 4


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_splits_of_other_tasks_are_pinned(task: Task) -> None:
    y = np.linspace(1, 0, 60, dtype=np.float32)[:, None]
    parts = partition(strata(y, task), split=0, has_test=True)
    # Written down once: a change here would give every stored run another meaning.
    assert parts.validation.tolist() == PINNED_OTHERS[task]


PINNED_OTHERS: dict[str, list[int]] = {
    "regression": [5, 6, 10, 18, 20, 25, 28, 34, 46, 50, 55, 58],
    "multilabel": [0, 5, 6, 9, 10, 18, 20, 25, 28, 34, 55, 58],
}


def test_targets_are_standardised_by_what_trains() -> None:
    generator = np.random.default_rng(0)
    y = generator.normal([5, -100], [0.1, 20], (60, 2))
    dataset = dataset_from_arrays(generator.normal(size=(60, 3)), y)
    tensors = split_tensors(dataset, split=0)
    assert tensors.task == "regression"
    assert tensors.y_train.dtype == tensors.y_val.dtype == tensors.y_test.dtype == torch.float32
    torch.testing.assert_close(tensors.y_train.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(tensors.y_train.std(0, correction=0), torch.ones(2), atol=1e-5, rtol=0)
    rows = partition(dataset.strata, split=0, has_test=False)
    raw = dataset.y[rows.train]
    np.testing.assert_allclose(
        tensors.y_val.numpy(), (dataset.y[rows.validation] - raw.mean(0)) / raw.std(0), rtol=1e-3, atol=1e-4
    )


def test_labels_stay_0_and_1() -> None:
    y = np.random.default_rng(0).integers(0, 2, (40, 3))
    dataset = dataset_from_arrays(np.arange(120.0).reshape(40, 3), y)
    tensors = split_tensors(dataset, split=1)
    rows = partition(dataset.strata, split=1, has_test=False)
    assert (tensors.task, tensors.y_train.dtype) == ("multilabel", torch.float32)
    assert tensors.y_train.tolist() == y[rows.train].tolist()


@pytest.mark.parametrize("has_test", [False, True])
def test_the_sources_own_validation_part_is_used_as_it_is(has_test: bool) -> None:
    whole = noise(30, 5, test=9)
    assert whole.x_test is not None
    assert whole.y_test is not None
    parts: dict[str, Any] = {"x_val": whole.x_test[:4], "y_val": whole.y_test[:4]}
    if has_test:
        parts |= {"x_test": whole.x_test[4:], "y_test": whole.y_test[4:]}
    dataset = dataset_from_arrays(whole.x, whole.y, **parts)
    one, other = split_tensors(dataset, split=0), split_tensors(dataset, split=1)
    assert torch.equal(one.x_train, other.x_train)
    assert torch.equal(one.x_val, other.x_val)
    assert one.y_val.tolist() == whole.y_test[:4].tolist()
    assert (len(one.y_train), len(one.y_test)) == ((30, 5) if has_test else (24, 6))
    assert dataset.sizes() == (len(one.y_train), 4, len(one.y_test))
    assert dataset.n_train() == len(one.y_train)
    mean, deviation = one.x_train.double().mean(0), one.x_train.double().std(0, correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(deviation, torch.ones_like(deviation), atol=1e-5, rtol=0)


def test_one_sample_of_a_class_is_enough_when_others_validate() -> None:
    x = np.arange(10.0).reshape(5, 2)
    dataset = dataset_from_arrays(x, [0, 0, 0, 0, 1], x_val=x, y_val=[0, 1, 1, 0, 1], x_test=x, y_test=[0, 0, 1, 1, 1])
    assert split_tensors(dataset, split=0).y_train.tolist() == [0, 0, 0, 0, 1]
