"""What every trial does: report its epochs, and end as a result however it ends."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
import torch

from ordersearch.errors import DivergedError, OrdersearchError, ShapeError, SpecError
from ordersearch.results import Attribute, State


class TrialFailed(Exception):  # noqa: N818 - a result, which the search goes on after
    """A run that gave no value; the trial's attributes say why."""


class DuplicateError(Exception):
    """A run that is not trained because another worker has it."""


class Epochs:
    """Reports a trial's epochs."""

    def __init__(self, trial: optuna.Trial, on_epoch: Callable[[int, int, float], None] | None) -> None:
        self.trial, self.on_epoch = trial, on_epoch
        self.n_reported = 0

    def report(self, value: float, epoch: int) -> None:
        """Report the metric after an epoch, counted from 0."""
        self.n_reported = epoch + 1
        self.trial.report(value, epoch)
        if self.on_epoch is not None:
            self.on_epoch(self.trial.number, epoch, value)


@contextmanager
def failures_told(trial: optuna.Trial) -> Iterator[None]:
    """Turn a failure into a result of the trial; afterwards the models of the trial are gone."""
    try:
        yield
    except Exception as cause:
        failure = _failure(trial, cause)
        if failure is None:
            raise
        raise failure from cause
    finally:
        gc.collect()


def _failure(trial: optuna.Trial, cause: Exception) -> TrialFailed | None:
    """The failure as a result of the trial; None where every other trial would meet it, too."""
    state = _failed_state(cause)
    if state is None:
        return None
    is_told = isinstance(cause, OrdersearchError | DuplicateError)
    reason = str(cause) if is_told else f"{type(cause).__name__}: {cause}"
    trial.set_user_attr(Attribute.STATE, state)
    trial.set_user_attr(Attribute.REASON, reason[:500])
    return TrialFailed(f"{state}: {reason}")


def _failed_state(cause: Exception) -> State | None:
    if isinstance(cause, DuplicateError):
        return State.DUPLICATE
    if isinstance(cause, ShapeError | SpecError):
        return State.DOES_NOT_FIT
    if isinstance(cause, DivergedError):
        return State.DIVERGED
    if isinstance(cause, OrdersearchError):
        return None
    if isinstance(cause, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(cause):
        return State.OUT_OF_MEMORY
    return State.CRASHED
