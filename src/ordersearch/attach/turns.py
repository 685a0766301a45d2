"""Taking turns: which seed a trial takes is settled when all earlier trials have said what they train."""

from __future__ import annotations

import time

import optuna
from optuna.trial import FrozenTrial, TrialState

from ordersearch.results import Attribute

PATIENCE_SECONDS = 5.0
"""Of a trial that has run longer without a word nothing is expected any more."""

WAIT_SECONDS = 0.003


def await_turn(study: optuna.Study, number: int) -> None:
    """Wait until every trial under way with a lower number has said what it trains.

    Args:
        study: Which several processes may have open.
        number: Of the trial whose turn it is to be.
    """
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE_SECONDS and any(
        other.number < number and Attribute.SETTING not in other.user_attrs and _age_seconds(other) < PATIENCE_SECONDS
        for other in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    ):
        time.sleep(WAIT_SECONDS)


def _age_seconds(trial: FrozenTrial) -> float:
    return time.time() - trial.datetime_start.timestamp() if trial.datetime_start else 0.0
