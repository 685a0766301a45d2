"""What targets are taken for, and what becomes of numbers to predict and of labels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from ordersearch.data import Dataset, dataset_from_arrays
from ordersearch.data.targets import find_task
from ordersearch.errors import DataError, UnknownNameError


def dataset(y: Any, **options: Any) -> Dataset:
    n = len(y)
    return dataset_from_arrays(np.random.default_rng(0).normal(size=(n, 3)), y, **options)


@pytest.mark.parametrize(
    ("y", "task", "rule"),
    [
        (["a", "b", "a"], "classification", ""),
        ([True, False], "classification", ""),
        ([3, 1, 2], "classification", ""),
        ([[3], [1]], "classification", ""),
        ([0.0, 1.0, 2.0], "classification", r"floats without a fraction are classes \(task='regression'"),
        (np.array([0, 1, 2], np.float16), "classification", "floats without a fraction"),
        ([0.0, 1.5, 2.0], "regression", "floats with a fraction are numbers to predict"),
        ([[0.5], [1.0]], "regression", "floats with a fraction"),
        ([1e300, 1.0], "regression", "floats with a fraction"),
        ([float("nan"), 0.5], "regression", "floats with a fraction"),
        (np.arange(20), "classification", ""),
        (np.arange(21), "regression", r"21 distinct whole numbers of 1\.0 samples each on average are numbers"),
        (np.arange(21.0), "regression", "21 distinct whole numbers"),
        (np.tile(np.arange(21), 9), "regression", r"of 9\.0 samples each.*task='classification' would read them"),
        (np.tile(np.arange(21), 10), "classification", r"of 10\.0 samples each.*task='regression' would predict them"),
        ([[0, 1], [1, 0]], "classification", ""),
        ([[0.0, 1.0], [1.0, 0.0]], "classification", ""),
        ([[1, 1], [1, 0]], "multilabel", "2 columns of 0 and 1 that are not one-hot"),
        ([[1.0, 1.0], [0.0, 0.0]], "multilabel", "2 columns of 0 and 1"),
        ([[True, True], [False, True]], "multilabel", "2 columns of 0 and 1"),
        ([[0.5, 1.0], [1.0, 2.0]], "regression", "2 columns of floats are numbers to predict"),
    ],
)
def test_rule(y: Any, task: str, rule: str) -> None:
    found, why = find_task(np.array(y))
    assert found == task
    assert re.search(rule, why) if rule else why == ""


def test_what_is_asked_for_overrules() -> None:
    assert find_task(np.arange(3), "regression") == ("regression", "task='regression' was asked for")
    counts = dataset(np.tile([1, 2, 3], 5), task="regression")
    assert (counts.task, counts.y.shape) == ("regression", (15, 1))
    assert counts.y.dtype == np.float32
    classes = dataset(np.repeat(np.arange(30), 2), task="classification")
    assert (classes.task, classes.n_outputs) == ("classification", 30)
    labels = dataset([[0, 1], [1, 0]] * 3, task="multilabel")
    assert (labels.task, labels.n_outputs) == ("multilabel", 2)
    one = dataset([0, 1] * 3, task="multilabel")
    assert (one.task, one.y.shape, one.target_names) == ("multilabel", (6, 1), ("label",))
    with pytest.raises(UnknownNameError, match=r"No task is named 'regresion'\. Did you mean 'regression'"):
        dataset([1, 2], task="regresion")


def test_whole_numbers_with_names_are_classes_however_many() -> None:
    y = np.repeat(np.arange(30), 2)
    assert dataset(y).task == "regression"
    named = dataset(y, class_names=[f"kind {i}" for i in range(30)])
    assert (named.task, named.n_outputs, named.class_names[29]) == ("classification", 30, "kind 29")


@pytest.mark.parametrize(
    ("y", "task", "match"),
    [
        ([[1, 2], [3, 0]], "auto", "y holds whole numbers in 2 columns, which may be counts or classes"),
        ([f"name {i}" for i in range(20000)], "auto", "y: 20000 distinct texts in 20000 samples, 'name 0' the first"),
        ([f"name {i % 20000}" for i in range(60000)], "auto", "20000 distinct texts in 60000 samples"),
        (["a", "b", "c"], "regression", r"y holds <U1 of shape \(3,\), but targets of task='regression' are numbers"),
        (np.zeros((5, 2, 2)), "regression", r"of shape \(5, 2, 2\), but targets"),
        ([0.5, float("nan"), 1, 2, 3], "auto", "y: target 0 of sample 1 is nan, but targets of task='regression'"),
        ([[0.5, 1], [1, np.inf]], "auto", "y: target 1 of sample 1 is inf"),
        ([0.5, 1e39, 1, 2, 3], "auto", r"y: target 0 of sample 1 is 1e\+39, .* are finite float32 numbers"),
        ([0, 1, 2, 0, 1], "multilabel", "y: target 0 of sample 2 is 2, but targets of task='multilabel' are 0 or 1"),
        ([3.5] * 5, "auto", "y: 'target' is the same for every sample, so there is nothing to learn"),
        ([[1.5, 2.0], [1.5, 3.0]] * 3, "auto", "y: 'target 0' is the same for every sample"),
        ([[1, 1], [1, 1]] * 3, "auto", "y: 'label 0', 'label 1' are the same for every sample"),
        ([[1.5, 2], [0.5, 1]], "auto", "y: got 2 samples, but it takes 5 for some to train"),
        ([0.5, 1.5, 2.5], "classification", r"label 0 is 0\.5, .*task='regression' predicts them as numbers"),
        (1.7e9 + np.arange(50) / 8, "auto", r"y: target 0 lies between 1700000000\.0 and .*Subtract its mean first"),
    ],
)
def test_targets_that_cannot_be_learnt_are_told(y: Any, task: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        dataset(y, task=task)


def test_text_that_hardly_repeats_is_taken_when_classes_are_asked_for() -> None:
    with pytest.raises(DataError, match=r"of 30 classes, classes .* have fewer than 2 samples"):
        dataset([f"name {i}" for i in range(30)], task="classification")


def test_other_parts_have_the_outputs_of_the_training_part() -> None:
    x = np.zeros((6, 3)) + np.arange(6)[:, None]
    with pytest.raises(DataError, match="A target of y has 1 values and one of y_test 2, but all parts"):
        dataset_from_arrays(x, np.arange(6) / 4, x_test=x, y_test=np.ones((6, 2)))
    with pytest.raises(DataError, match="y_val holds <U1"):
        dataset_from_arrays(x, np.arange(6) / 4, x_val=x[:2], y_val=["a", "b"])
    # A part without a fraction by chance is still what the training part is.
    whole = dataset_from_arrays(x, np.arange(6) / 4, x_test=x, y_test=np.arange(6), x_val=x, y_val=np.arange(6))
    assert whole.y_test is not None
    assert whole.y_val is not None
    assert whole.y_test.dtype == whole.y_val.dtype == np.float32
    assert whole.y_test.shape == whole.y_val.shape == (6, 1)


def test_values_and_names_are_kept() -> None:
    numbers = dataset(np.arange(12).reshape(6, 2) / 8)
    np.testing.assert_array_equal(numbers.y, np.arange(12).reshape(6, 2) / 8)
    assert (numbers.n_outputs, numbers.target_names, numbers.class_names) == (2, ("target 0", "target 1"), ())
    labels = dataset(np.array([[1, 1, 0], [0, 1, 0]] * 4), class_names=["cat", "dog", "fox"])
    assert labels.target_names == ("cat", "dog", "fox")
    assert labels.y[:2].tolist() == [[1, 1, 0], [0, 1, 0]]
    assert labels.notes[0] == "Of 3 labels, 2 are the same for every training sample: 'dog', 'fox'."


def test_targets_take_part_in_the_fingerprint() -> None:
    y = np.array([[1, 1], [0, 1], [1, 0]] * 2)
    prints = {dataset(y, task=task).fingerprint for task in ("multilabel", "regression")}
    assert len(prints) == 2
    assert dataset(y).fingerprint in prints
