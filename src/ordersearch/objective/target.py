"""How soon a training gets somewhere: epochs until a goal that depends on the task alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

SHARE = 0.5
"""Of what guessing loses."""


def epochs_to_target(history: Sequence[Mapping[str, float]], task: str, n_outputs: int) -> int | None:
    """Epochs until the validation loss is at most half of what guessing loses, or None if it never is.

    Guessing loses the logarithm of the number of classes; of labels, the logarithm of 2; in regression, all of the
    variance, so that half of it is an R² of 0.5.

    Args:
        history: The metrics after each epoch.
        task: ``classification``, ``multilabel`` or ``regression``.
        n_outputs: Classes, labels or numbers to predict.

    Example:
        >>> epochs_to_target([{"val/loss": 2.0}, {"val/loss": 1.1}], "classification", 10)
        2
        >>> epochs_to_target([{"val/loss": 2.0, "val/r2": 0.4}], "regression", 1) is None
        True
    """
    if task == "regression":
        reached = [metrics["val/r2"] >= SHARE for metrics in history]
    else:
        goal = SHARE * math.log(n_outputs if task == "classification" else 2)
        reached = [metrics["val/loss"] <= goal for metrics in history]
    return reached.index(True) + 1 if any(reached) else None
