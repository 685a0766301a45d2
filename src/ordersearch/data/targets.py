"""What the targets of a source are: classes, numbers to predict, or labels of which any number may hold at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ordersearch.data.labels import index_labels, is_one_hot
from ordersearch.errors import DataError, unknown_name

if TYPE_CHECKING:
    from ordersearch.data.arrays import Part, SourceArrays
    from ordersearch.data.tensors import Task

TASKS: tuple[Task, ...] = ("classification", "regression", "multilabel")
_MOST_CODES = 20
_FEWEST_OF_A_CODE = 10
_MOST_TEXTS = 1000
_LARGEST_WHOLE = 2**53
_NAMES_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Targets:
    """The targets of all parts, as a data set holds them.

    Attributes:
        task: What they are.
        rule: Why, in words; empty where nothing else could be meant.
        y: Of the training part: int64 ``(n,)`` class indices, else float32 ``(n, outputs)``.
        y_val: Of the validation part, or None.
        y_test: Of the test part, or None.
        class_names: The name of each class index; empty when the targets are no classes.
        target_names: The name of each output; empty when the targets are classes.
        notes: What was changed.
    """

    task: Task
    rule: str
    y: NDArray[Any]
    y_val: NDArray[Any] | None
    y_test: NDArray[Any] | None
    class_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_task(y: NDArray[Any], task: str = "auto", at: str = "y") -> tuple[Task, str]:
    """What these targets are, and why in words (empty where nothing else could be meant).

    Text, truth values and whole numbers (as floats, too) are classes, and so is a 2-D array of one-hot rows. Floats
    with a fraction are numbers to predict (regression), and so are whole numbers of more than 20 distinct values with
    fewer than 10 samples each on average. Any other 2-D array of 0 and 1 is multi-label, of floats regression with one
    output a column. ``task`` overrules all of that.

    Args:
        y: The targets of the training part, samples first.
        task: "auto", "classification", "regression" or "multilabel".
        at: Where ``y`` came from, for errors.

    Example:
        >>> find_task(np.array([3, 1, 3, 1]))
        ('classification', '')
        >>> find_task(np.array([0.5, 1.0, 2.0]))
        ('regression', 'floats with a fraction are numbers to predict')
        >>> find_task(np.array([[1, 1, 0], [0, 1, 0]]))[0]
        'multilabel'

    Raises:
        DataError: The targets are text that hardly repeats, or several columns of whole numbers.
        UnknownNameError: ``task`` is none of the four.
    """
    if task not in ("auto", *TASKS):
        raise unknown_name("task", task, ("auto", *TASKS))
    if task != "auto":
        return cast("Task", task), f"task={task!r} was asked for"
    if y.ndim == 2 and y.shape[1] > 1:
        return _task_of_columns(y, at)
    flat = y.reshape(-1) if y.ndim == 2 else y
    if flat.ndim == 1 and flat.dtype.kind in "iuf":
        return _task_of_numbers(flat)
    if flat.ndim == 1 and flat.dtype.kind in "USTO":
        _require_repeated(flat, at)
    return "classification", ""


def read_targets(source: SourceArrays, task: str = "auto") -> Targets:
    """The targets of all parts of a source; ``find_task`` holds the rule for what they are.

    Whole numbers that the source has names for are classes, however many they are.

    Raises:
        DataError: They cannot be learnt from, or are not what ``task`` asks for.
        UnknownNameError: ``task`` is no task.
    """
    train, validation, test = source.train, source.validation, source.test
    if task == "auto" and source.class_names is not None and train.y.ndim == 1 and train.y.dtype.kind in "iu":
        found: Task = "classification"
        rule = ""
    else:
        found, rule = find_task(train.y, task, train.y_at)
    if found == "classification":
        labels = index_labels(
            train.y,
            None if test is None else test.y,
            None if validation is None else validation.y,
            names=source.target_names if source.class_names is None and is_one_hot(train.y) else source.class_names,
            at=train.y_at,
            test_at="" if test is None else test.y_at,
            val_at="" if validation is None else validation.y_at,
        )
        return Targets(found, rule, labels.y, labels.y_val, labels.y_test, labels.class_names, notes=labels.notes)
    y = _columns(train, found)
    y_val = None if validation is None else _columns_like(y, train.y_at, validation, found)
    y_test = None if test is None else _columns_like(y, train.y_at, test, found)
    names = _target_names(y.shape[1], source, "target" if found == "regression" else "label")
    notes = _require_varying(y, names, found, train.y_at)
    return Targets(found, rule, y, y_val, y_test, target_names=names, notes=notes)


def _task_of_columns(y: NDArray[Any], at: str) -> tuple[Task, str]:
    if y.dtype.kind not in "biuf" or is_one_hot(y):
        return "classification", ""
    if ((y == 0) | (y == 1)).all():
        return "multilabel", f"{y.shape[1]} columns of 0 and 1 that are not one-hot are labels of which any may hold"
    if y.dtype.kind == "f":
        return "regression", f"{y.shape[1]} columns of floats are numbers to predict"
    raise DataError(
        f"{at} holds whole numbers in {y.shape[1]} columns, which may be counts or classes. Ask for task='regression' "
        "to predict them as numbers, or give one column of classes."
    )


def _task_of_numbers(y: NDArray[Any]) -> tuple[Task, str]:
    finite = y[np.isfinite(y)].astype(np.float64)
    is_float = y.dtype.kind == "f"
    if is_float and ((finite != np.floor(finite)) | (np.abs(finite) > _LARGEST_WHOLE)).any():
        return "regression", "floats with a fraction are numbers to predict"
    n_values = len(np.unique(finite))
    if n_values > _MOST_CODES:
        each = f"{n_values} distinct whole numbers of {len(y) / n_values:.1f} samples each on average"
        if len(y) < _FEWEST_OF_A_CODE * n_values:
            return "regression", f"{each} are numbers to predict (task='classification' would read them as classes)"
        return "classification", f"{each} are classes (task='regression' would predict them as numbers)"
    if is_float:
        return "classification", "floats without a fraction are classes (task='regression' would predict them)"
    return "classification", ""


def _require_repeated(y: NDArray[Any], at: str) -> None:
    """Nothing when this text can name classes."""
    if y.dtype.kind == "O" and not all(isinstance(label, str) for label in y):
        return
    n_values = len(np.unique(y))
    mean = len(y) / n_values
    if (n_values > _MOST_CODES and mean < 2) or (n_values > _MOST_TEXTS and mean < _FEWEST_OF_A_CODE):
        raise DataError(
            f"{at}: {n_values} distinct texts in {len(y)} samples, {str(y[0])!r} the first, are no classes that can be "
            "learnt: a class needs several samples. Name another target, or merge them into fewer classes."
        )


def _columns(part: Part, task: Task) -> NDArray[np.float32]:
    """The targets of one part as numbers, ``(n, outputs)``."""
    y, at = part.y, part.y_at
    what = "numbers" if task == "regression" else "0 or 1 for each label"
    if y.dtype.kind not in "biuf" or y.ndim > 2:
        raise DataError(
            f"{at} holds {y.dtype} of shape {y.shape}, but targets of task={task!r} are {what}, (n,) or (n, outputs)."
        )
    y = y.reshape(len(y), -1)
    with np.errstate(over="ignore"):
        columns: NDArray[np.float32] = y.astype(np.float32)
    good = np.isfinite(columns) if task == "regression" else (y == 0) | (y == 1)
    if not good.all():
        row, column = np.unravel_index(int(good.argmin()), y.shape)
        raise DataError(
            f"{at}: target {column} of sample {row} is {y[row, column].item()!r}, but targets of task={task!r} are "
            f"{'finite float32 ' if task == 'regression' else ''}{what}. Mend or drop such samples."
        )
    if task == "regression":
        _require_precision(y, columns, at)
    return columns


def _columns_like(y: NDArray[np.float32], at: str, part: Part, task: Task) -> NDArray[np.float32]:
    columns = _columns(part, task)
    if columns.shape[1] != y.shape[1]:
        raise DataError(
            f"A target of {at} has {y.shape[1]} values and one of {part.y_at} {columns.shape[1]}, but all parts have "
            "the same outputs."
        )
    return columns


def _require_precision(y: NDArray[Any], columns: NDArray[np.float32], at: str) -> None:
    rounding, spread = np.abs(columns - y.astype(np.float64)).max(axis=0), y.std(axis=0, dtype=np.float64)
    worst = int(np.argmax(rounding > 0.01 * spread))
    if rounding[worst] > 0.01 * spread[worst] > 0:
        raise DataError(
            f"{at}: target {worst} lies between {y[:, worst].min().item()!r} and {y[:, worst].max().item()!r}, which "
            "float32 cannot tell apart well enough. Subtract its mean first."
        )


def _target_names(n: int, source: SourceArrays, noun: str) -> tuple[str, ...]:
    for names in (source.target_names, source.class_names):
        if names is not None and len(names) == n:
            return names
    return (noun,) if n == 1 else tuple(f"{noun} {i}" for i in range(n))


def _require_varying(y: NDArray[np.float32], names: tuple[str, ...], task: Task, at: str) -> tuple[str, ...]:
    """A note on labels that never change, which can be among others that do; a number to predict has to."""
    constant = np.flatnonzero(y.min(axis=0) == y.max(axis=0))
    if len(constant) == 0:
        return ()
    shown = ", ".join(repr(names[i]) for i in constant[:_NAMES_SHOWN]) + (
        ", ..." if len(constant) > _NAMES_SHOWN else ""
    )
    if task == "regression" or len(constant) == y.shape[1]:
        verb = "is" if len(constant) == 1 else "are"
        raise DataError(f"{at}: {shown} {verb} the same for every sample, so there is nothing to learn from it.")
    return (f"Of {y.shape[1]} labels, {len(constant)} are the same for every training sample: {shown}.",)
