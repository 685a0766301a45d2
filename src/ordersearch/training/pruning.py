"""Stopping a training that cannot win, in our trainer or in a user's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from ordersearch.errors import MissingMetricError, nearest
from ordersearch.training.framework import callback_bases

_MADE: dict[tuple[type[Any], ...], type[PruningCallback]] = {}


class PruningCallback:
    """A Lightning callback that reports a metric after each validation and stops the training when told to.

    It ends the training as early stopping does, through ``trainer.should_stop``, so that loggers do not call the run
    failed and no checkpoint of a failure is written; ``pruned`` tells afterwards. It takes two functions, not a
    trial, and so knows no search library. It is for trainings on one device: under DDP, each process would report.

    Args:
        report: Is given the metric and the number of the validation, counted from 0, so that several validations in
            one epoch do not collide. A value that is not finite is not reported, but its number is used up.
        should_prune: Tells, after each report, whether to stop.
        metric: The name under which the metric is logged.

    Attributes:
        pruned: Whether ``should_prune`` has said so.

    Raises:
        MissingMetricError: At the end of a validation that has not logged the metric.

    Example:
        Inside of an objective, with a trainer and a module of one's own::

            pruning = PruningCallback(trial.report, trial.should_prune, "val/loss")
            pl.Trainer(callbacks=[pruning]).fit(module)
            if pruning.pruned:
                raise optuna.TrialPruned
    """

    def __new__(cls, *_args: Any, **_kwargs: Any) -> PruningCallback:
        """A callback that every Lightning imported so far takes for its own."""
        # A Lightning trainer calls every hook of its own Callback class, and there may be two such classes, of
        # `pytorch_lightning` and of `lightning`; which ones matter is known only when a callback is made.
        return object.__new__(_over(cls, callback_bases()))

    def __init__(
        self, report: Callable[[float, int], None], should_prune: Callable[[], bool], metric: str = "val/loss"
    ) -> None:
        self.pruned = False
        self._report = report
        self._should_prune = should_prune
        self._metric = metric
        self._n_validations = 0

    def on_validation_end(self, trainer: Any, _module: Any) -> None:
        """Report the metric of the validation that has ended, and stop the training if that is what it calls for."""
        if trainer.sanity_checking:
            return
        logged = trainer.callback_metrics
        if self._metric not in logged:
            raise missing_metric(self._metric, logged)
        step, self._n_validations = self._n_validations, self._n_validations + 1
        value = float(logged[self._metric])
        if not math.isfinite(value):
            return
        self._report(value, step)
        if self._should_prune():
            self.pruned = True
            trainer.should_stop = True


def missing_metric(metric: str, logged: Iterable[str]) -> MissingMetricError:
    """The error for a metric that was to be watched and was not logged, with the nearest name that was."""
    names = sorted(logged)
    close = nearest(metric, names)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return MissingMetricError(
        f"The metric {metric!r} was not logged, so nothing can be compared.{hint} Logged: {', '.join(names) or 'none'}."
    )


def _over(cls: type[PruningCallback], bases: tuple[type[Any], ...]) -> type[PruningCallback]:
    """``cls`` made a subclass of these callback classes too: the same class for the same bases."""
    missing = tuple(base for base in bases if not issubclass(cls, base))
    if not missing:
        return cls
    key = (cls, *missing)
    if key not in _MADE:
        _MADE[key] = type(cls.__name__, key, {"__module__": cls.__module__, "__doc__": cls.__doc__})
    return _MADE[key]
