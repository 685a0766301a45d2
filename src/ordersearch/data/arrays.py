"""From the arrays that a source holds to a checked data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.arranged import Samples, arranged, frozen
from ordersearch.data.dataset import NOUNS, Dataset, Input
from ordersearch.data.inputs import (
    duplicate_notes,
    input_dtype,
    missing_notes,
    require_alike,
    require_finite,
    require_samples,
    sameness_notes,
)
from ordersearch.data.layout import Layout, find_layout
from ordersearch.data.partition import require_two_of_each
from ordersearch.data.targets import Targets, read_targets
from ordersearch.errors import DataError

_FEWEST_SAMPLES = 5


@dataclass(frozen=True, eq=False)
class Part:
    """The training, validation or test part as read, unchecked, and where each array came from.

    Attributes:
        x: Inputs, samples first; an array or ``rows.Rows``.
        y: Targets.
        x_at: Where ``x`` stands (file and key), for errors.
        y_at: Where ``y`` stands.
    """

    x: Samples
    y: NDArray[Any]
    x_at: str
    y_at: str


@dataclass(frozen=True, eq=False)
class SourceArrays:
    """What a reader of one kind of source gives.

    Attributes:
        name: Short name of the data set.
        train: The part to train and, where there is no other, to validate on.
        test: The test part that the source defines, or None.
        class_names: What label 0, 1, ... is called, when the source says so.
        notes: What the reader left out or changed.
        validation: The validation part that the source defines, or None; then no other samples validate.
        feature_names: The columns of a table, when the source names them.
        target_names: What each output is called, of targets that are no classes, when the source says so.
        input: What a sample is, when the source knows and not only the arrays' shapes tell.
    """

    name: str
    train: Part
    test: Part | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    validation: Part | None = None
    feature_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] | None = None
    input: Input | None = None


def assemble(source: SourceArrays, *, input: str = "auto", task: str = "auto") -> Dataset:
    """The data set that these arrays make.

    ``layout.find_layout`` holds the rule for shapes, ``targets.find_task`` that for targets. Missing numbers (NaN) are
    for tables only.

    Raises:
        DataError: The arrays are no data set that orders can be compared on.
        UnknownNameError: ``input`` is no kind of input, or ``task`` no task.
    """
    train = source.train
    require_samples(train)
    for other in (source.validation, source.test):
        if other is not None:
            require_samples(other)
            require_alike(train, other)
    layout = find_layout(train.x.shape, input, at=train.x_at, known=source.input)
    dtype = input_dtype(train, source.validation, source.test)
    targets = read_targets(source, task)
    _require_enough(targets, at=train.y_at)
    x = _inputs(train, layout, dtype)
    x_val = None if source.validation is None else _inputs(source.validation, layout, dtype)
    x_test = None if source.test is None else _inputs(source.test, layout, dtype)
    is_table = layout.input == "table"
    return Dataset(
        source.name,
        x,
        frozen(targets.y),
        x_test,
        None if targets.y_test is None else frozen(targets.y_test),
        x_val=x_val,
        y_val=None if targets.y_val is None else frozen(targets.y_val),
        input=layout.input,
        task=targets.task,
        class_names=targets.class_names,
        target_names=targets.target_names,
        feature_names=source.feature_names if is_table else (),
        notes=(
            *source.notes,
            *targets.notes,
            *layout.notes,
            *(missing_notes(x, x_val, x_test) if is_table else ()),
            *(sameness_notes(x) or duplicate_notes(x, x_val, x_test, NOUNS[layout.input])),
        ),
        layout=layout.rule,
        task_rule=targets.rule,
    )


def _require_enough(targets: Targets, *, at: str) -> None:
    if targets.task != "classification":
        if len(targets.y) < _FEWEST_SAMPLES:
            raise DataError(
                f"{at}: got {len(targets.y)} samples, but it takes {_FEWEST_SAMPLES} for some to train, some to "
                "validate and some to be tested."
            )
    elif targets.y_val is None:
        require_two_of_each(np.bincount(targets.y), targets.class_names, at=at)


def _inputs(part: Part, layout: Layout, dtype: np.dtype[Any]) -> Samples:
    x = arranged(part.x, layout, dtype)
    require_finite(x, part.x, part.x_at, may_miss=layout.input == "table")
    return x
