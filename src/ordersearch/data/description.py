"""What is said of a data set before a search starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ordersearch.data.dataset import Dataset

_NAMES_SHOWN = 10
_FEW = 20
_TARGETS_SHOWN = 5
_STRATIFIED = {"classification": "stratified", "regression": "stratified by target", "multilabel": "not stratified"}


def description(dataset: Dataset, *, validation_fraction: float = 0.2, test_fraction: float = 0.2) -> list[str]:
    r"""Some plain lines: samples, shape and the rule that chose it, targets and how they spread, the split.

    Args:
        dataset: What to describe.
        validation_fraction: As ``split_tensors`` will be given it.
        test_fraction: As ``split_tensors`` will be given it.

    Example:
        >>> from ordersearch.data.sources import dataset_from_arrays
        >>> prices = dataset_from_arrays(np.arange(20.0).reshape(10, 2), np.linspace(0, 3, 10))
        >>> print(*description(prices)[2:4], sep="\n")
        1 number to predict: floats with a fraction are numbers to predict.
        target: 0 to 3, mean 1.5, standard deviation 0.957.
    """
    target_lines = {"regression": _number_lines, "multilabel": _label_lines}.get(dataset.task, _class_lines)
    return [
        f"{dataset.name}: {_parts_text(dataset)}, {_sample_text(dataset)}, {dataset.x.dtype}.",
        *([f"Read as {dataset.noun}: {dataset.layout}."] if dataset.layout else []),
        *([f"Features: {_shown(dataset.feature_names)}."] if dataset.feature_names else []),
        *target_lines(dataset),
        _split_text(dataset, validation_fraction, test_fraction),
    ]


def few_notes(dataset: Dataset) -> list[str]:
    """That hardly any samples validate, where that is so.

    Example:
        >>> from ordersearch.data.sources import dataset_from_arrays
        >>> few_notes(dataset_from_arrays(np.arange(40.0).reshape(20, 2), np.arange(20) % 2))
        ['Only 4 samples validate: one of them moves the accuracy by 25%.']
    """
    n = dataset.sizes()[1]
    return [] if n >= _FEW else [f"Only {n} samples validate: one of them moves the accuracy by {1 / n:.0%}."]


def _parts_text(dataset: Dataset) -> str:
    parts = [f"{len(dataset.x)} {dataset.noun}"]
    if dataset.x_val is not None:
        parts.append(f"a validation part of {len(dataset.x_val)}")
    parts.append("no test part" if dataset.x_test is None else f"a test part of {len(dataset.x_test)}")
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _sample_text(dataset: Dataset) -> str:
    first, *spatial = dataset.input_shape
    if dataset.input == "table":
        return f"{first} feature{'s' * (first != 1)} each"
    size = f"{spatial[0]} steps" if dataset.input == "signal" else "x".join(map(str, spatial))
    return f"{first} channel{'s' * (first != 1)} of {size} each"


def _class_lines(dataset: Dataset) -> list[str]:
    counts = np.bincount(dataset.y, minlength=dataset.n_outputs)
    least, most = int(counts.argmin()), int(counts.argmax())
    spread = str(counts[most]) if counts[least] == counts[most] else f"{counts[least]} to {counts[most]}"
    return [
        f"{dataset.n_outputs} classes: {_shown(dataset.class_names)}.",
        *([f"Read as classes: {dataset.task_rule}."] if dataset.task_rule else []),
        f"Balance: {spread} samples of each class; always answering {dataset.class_names[most]!r} would be right for "
        f"{counts[most] / len(dataset.y):.1%}.",
    ]


def _number_lines(dataset: Dataset) -> list[str]:
    n, y = dataset.n_outputs, dataset.y
    lines = [f"{n} number{'s' * (n != 1)} to predict{f': {dataset.task_rule}' if dataset.task_rule else ''}."]
    for i, name in enumerate(dataset.target_names[:_TARGETS_SHOWN]):
        mean, deviation = y[:, i].mean(dtype=np.float64), y[:, i].std(dtype=np.float64)
        low, high = y[:, i].min(), y[:, i].max()
        lines.append(f"{name}: {low:.4g} to {high:.4g}, mean {mean:.4g}, standard deviation {deviation:.3g}.")
    if n > _TARGETS_SHOWN:
        lines.append(f"And {n - _TARGETS_SHOWN} more: {_shown(dataset.target_names[_TARGETS_SHOWN:])}.")
    them = "It is" if n == 1 else "They are"
    lines.append(f"{them} standardised for training, so that always answering the mean has a val/loss of about 1.")
    return lines


def _label_lines(dataset: Dataset) -> list[str]:
    n, share = dataset.n_outputs, dataset.y.mean(axis=0, dtype=np.float64)
    names = [f"{name} ({part:.1%})" for name, part in zip(dataset.target_names, share, strict=True)]
    return [
        f"{n} label{'s' * (n != 1)}, each set or not: {dataset.task_rule}.",
        f"Set in: {_shown(names)}; {share.sum():.2f} labels a sample on average.",
        "Balance: always answering the more frequent value of each label would be right for "
        f"{np.maximum(share, 1 - share).mean():.1%}.",
    ]


def _split_text(dataset: Dataset, validation_fraction: float, test_fraction: float) -> str:
    train, validation, test = dataset.sizes(validation_fraction=validation_fraction, test_fraction=test_fraction)
    if dataset.x_test is not None:
        tested = f"the source's own {test} for the test"
    else:
        tested = f"{test} for the test, the same for every split"
    if dataset.x_val is not None:
        return (
            f"Split: {train} to train and the source's own {validation} to validate, so that every split has the same "
            f"samples; {tested}."
        )
    drawn = f"{_STRATIFIED[dataset.task]}, drawn anew for every split"
    return f"Split: {train} to train and {validation} to validate, {drawn}; {tested}."


def _shown(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
