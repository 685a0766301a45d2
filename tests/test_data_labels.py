"""Labels as people store them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersearch.data import dataset_from_arrays
from ordersearch.data.labels import index_labels
from ordersearch.errors import DataError


@pytest.mark.parametrize(
    ("y", "indices", "names"),
    [
        (np.array([0, 1, 2, 0], np.uint8), [0, 1, 2, 0], ("0", "1", "2")),
        (np.array([[0], [1]]), [0, 1], ("0", "1")),
        (np.array([0.0, 1.0, 1.0]), [0, 1, 1], ("0", "1")),
        (np.array([0.0, 1.0, 1.0], np.float16), [0, 1, 1], ("0", "1")),
        (np.array([True, False]), [1, 0], ("False", "True")),
        (np.array(["dog", "cat", "ant"]), [2, 1, 0], ("ant", "cat", "dog")),
        (np.array(["dog", "cat"], dtype=object), [1, 0], ("cat", "dog")),
        (np.array([["dog"], ["cat"]]), [1, 0], ("cat", "dog")),
        (np.array([b"dog", "é".encode()]), [0, 1], ("dog", "é")),
    ],
)
def test_labels_become_indices_without_a_note(y: Any, indices: list[int], names: tuple[str, ...]) -> None:
    labels = index_labels(y)
    assert labels.y.tolist() == indices
    assert labels.y.dtype == np.int64
    assert (labels.class_names, labels.notes, labels.y_test) == (names, (), None)


@pytest.mark.parametrize(
    ("y", "indices", "names", "note"),
    [
        ([1, 2, 3], [0, 1, 2], ("1", "2", "3"), "The labels 1..3 were renumbered 0..2."),
        ([3, 7, 3], [0, 1, 0], ("3", "7"), r"The labels have gaps \(3, 7\) and were renumbered 0..1"),
        ([-1, 1], [0, 1], ("-1", "1"), r"gaps \(-1, 1\)"),
        ([[0, 1], [1, 0]], [1, 0], ("0", "1"), "The one-hot rows of 2 columns were read as class numbers."),
        ([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], [1, 0], ("0", "2"), "one-hot rows of 3 columns"),
    ],
)
def test_labels_that_are_renumbered_get_a_note(
    y: list[Any], indices: list[int], names: tuple[str, ...], note: str
) -> None:
    labels = index_labels(np.array(y))
    assert labels.y.tolist() == indices
    assert labels.class_names == names
    assert re.search(note, labels.notes[0])


@given(st.lists(st.integers(-(2**62), 2**62) | st.integers(-3, 3), min_size=2, unique=True), st.randoms())
def test_names_and_indices_give_the_labels_back(values: list[int], random: Any) -> None:
    y = values * 2
    random.shuffle(y)
    labels = index_labels(np.array(y), np.array(values))
    assert [int(labels.class_names[i]) for i in labels.y] == y
    assert labels.y_test is not None
    assert [int(labels.class_names[i]) for i in labels.y_test] == values
    assert sorted(set(labels.y.tolist())) == list(range(len(values)))


def test_given_names_stand_for_label_numbers() -> None:
    names = ("ant", "bee", "cat", "dog")
    assert index_labels(np.array([0, 1, 3]), names=names).class_names == ("ant", "bee", "dog")
    beyond = index_labels(np.array([0, 1, 4]), names=names)
    assert beyond.class_names == ("0", "1", "4")
    assert beyond.notes[-1] == "The 4 class names were not used: the labels in y run from 0 to 4."
    assert index_labels(np.array(["u", "v"]), names=names).class_names == ("u", "v")


@pytest.mark.parametrize(
    ("y", "y_test", "match"),
    [
        ([3, 3], None, "y: every label is 3, but orders are compared on two classes or more"),
        (["a", "a"], None, "y: every label is 'a'"),
        ([0.0, 0.5], None, r"y: label 1 is 0\.5, but a class is a whole number or text"),
        ([0.0, float("nan")], None, "y: label 1 is nan"),
        ([0.0, float("inf")], None, "y: label 1 is inf"),
        ([0.0, 1e300], None, r"y: label 1 is 1e\+300"),
        ([[0.2, 0.8], [0.5, 0.5]], None, r"y: got labels of shape \(2, 2\), but each sample has one label"),
        ([[1, 1], [1, 0]], None, "one-hot row"),
        ([1j, 2j], None, "y: labels of dtype complex128 cannot be read"),
        ([b"\xff", b"a"], None, "y: a label of bytes is not UTF-8"),
        ([0, 1], [0, 2], "y_test: 2 is a label that y does not hold, so no network could learn it"),
        ([0, 1], [9, 8, 7, 6, 5, 4], "y_test: 4, 5, 6, 7, 8 and 1 more are labels that y does not hold"),
        (["a", "b"], ["c"], "y_test: 'c' is a label"),
        ([0, 1], ["0", "1"], "y holds whole numbers and y_test text, but both parts name the classes alike"),
        ([[0, 1], [1, 0]], [[1, 0, 0]], "y has 2 one-hot columns and y_test 3"),
    ],
)
def test_labels_that_are_no_classes_are_told(y: list[Any], y_test: list[Any] | None, match: str) -> None:
    with pytest.raises(DataError, match=match):
        index_labels(np.array(y), None if y_test is None else np.array(y_test))


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (["a", "a", "b", "c", "c"], "y: of 3 classes, class 'b' has fewer than 2 samples"),
        ([1, 2, 3, 4, 4], "y: of 4 classes, classes '1', '2', '3' have fewer than 2 samples.*predict these as numbers"),
        (list(range(9)), "and 4 more have fewer"),
    ],
)
def test_classes_too_rare_to_validate_are_named(y: list[Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        dataset_from_arrays(np.arange(len(y) * 2.0).reshape(-1, 2), y)
