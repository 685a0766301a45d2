"""The data sets that need no file."""

from __future__ import annotations

import numpy as np
import pytest

from ordersearch.data import load_dataset


@pytest.mark.parametrize(
    ("name", "shape", "class_names", "first_feature"),
    [
        ("wine", (178, 13), ("class_0", "class_1", "class_2"), "alcohol"),
        ("breast_cancer", (569, 30), ("malignant", "benign"), "mean radius"),
    ],
)
def test_tables_of_classes_keep_their_names(
    name: str, shape: tuple[int, int], class_names: tuple[str, ...], first_feature: str
) -> None:
    dataset = load_dataset(name)
    assert (dataset.name, dataset.input, dataset.task) == (name, "table", "classification")
    assert dataset.x.shape == shape
    assert dataset.class_names == class_names
    assert dataset.feature_names[0] == first_feature
    assert len(dataset.feature_names) == shape[1]
    assert dataset.notes == ()


def test_diabetes_is_a_table_with_a_number_to_predict() -> None:
    dataset = load_dataset("diabetes")
    assert (dataset.task, dataset.n_outputs, dataset.target_names) == ("regression", 1, ("progression",))
    assert dataset.class_names == ()
    assert dataset.y.shape == (442, 1)
    assert dataset.y.dtype == np.float32
    assert (dataset.y.min(), dataset.y.max()) == (25, 346)
    # As measured: an age in years, not a value scaled to unit length.
    assert dataset.feature_names[0] == "age"
    assert (dataset.x[:, 0].min(), dataset.x[:, 0].max()) == (19, 79)
