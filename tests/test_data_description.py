"""What is said of a data set before a search."""

from __future__ import annotations

import numpy as np

from ordersearch.data import Dataset, dataset_from_arrays


def table(y: object, **options: object) -> Dataset:
    x = np.arange(3.0 * len(np.asarray(y))).reshape(-1, 3)
    return dataset_from_arrays(x, y, name="mine", **options)  # type: ignore[arg-type]


def test_numbers_to_predict() -> None:
    assert table(np.arange(40) / 8).describe()[2:] == [
        "1 number to predict: floats with a fraction are numbers to predict.",
        "target: 0 to 4.875, mean 2.438, standard deviation 1.44.",
        "It is standardised for training, so that always answering the mean has a val/loss of about 1.",
        "Split: 26 to train and 6 to validate, stratified by target, drawn anew for every split; 8 for the test, the "
        "same for every split.",
    ]


def test_many_numbers_to_predict() -> None:
    lines = table(np.arange(140.0).reshape(20, 7)).describe()
    assert lines[2] == "7 numbers to predict: 7 columns of floats are numbers to predict."
    assert lines[3] == "target 0: 0 to 133, mean 66.5, standard deviation 40.4."
    assert lines[8:10] == [
        "And 2 more: target 5, target 6.",
        "They are standardised for training, so that always answering the mean has a val/loss of about 1.",
    ]


def test_labels() -> None:
    y = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 1, 1]] * 5)
    assert table(y, class_names=("cat", "dog", "fox")).describe()[2:] == [
        "3 labels, each set or not: 3 columns of 0 and 1 that are not one-hot are labels of which any may hold.",
        "Set in: cat (25.0%), dog (75.0%), fox (25.0%); 1.25 labels a sample on average.",
        "Balance: always answering the more frequent value of each label would be right for 75.0%.",
        "Split: 13 to train and 3 to validate, not stratified, drawn anew for every split; 4 for the test, the same "
        "for every split.",
    ]


def test_classes_that_could_be_numbers() -> None:
    assert table(np.tile([1.0, 2.0], 5)).describe()[2:4] == [
        "2 classes: 1, 2.",
        "Read as classes: floats without a fraction are classes (task='regression' would predict them).",
    ]
    assert table(np.tile([1, 2], 5), task="classification").describe()[3] == (
        "Read as classes: task='classification' was asked for."
    )


def test_a_validation_part_of_the_source() -> None:
    y = np.arange(20) % 2
    x = np.arange(60.0).reshape(20, 3)
    lines = table(y, x_val=x[:6], y_val=y[:6]).describe()
    assert lines[0] == "mine: 20 rows, a validation part of 6 and no test part, 3 features each, float32."
    assert lines[-1] == (
        "Split: 16 to train and the source's own 6 to validate, so that every split has the same samples; 4 for the "
        "test, the same for every split."
    )
    both = table(y, x_val=x[:6], y_val=y[:6], x_test=x[:5], y_test=y[:5]).describe()
    assert both[0].startswith("mine: 20 rows, a validation part of 6 and a test part of 5, 3 features")
    assert both[-1].startswith("Split: 20 to train and the source's own 6 to validate")
    assert both[-1].endswith("the source's own 5 for the test.")


def test_long_lists_are_cut() -> None:
    y = np.repeat(np.arange(12), 20)
    assert table(y).describe()[2] == "12 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more."
