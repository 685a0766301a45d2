"""How long the rest of a search will take."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from ordersearch.results import Attribute, State
from ordersearch.study.pace import Pace

BEGAN = datetime(2026, 11, 21, 12, 0, 0)


def trial(state: State, seconds: float, *, training: float, epochs: int, pack: int = 1) -> FrozenTrial:
    kept = {Attribute.SECONDS: training / pack, Attribute.EPOCHS: epochs, Attribute.SETTING: "a"}
    if pack > 1:
        kept[Attribute.PACK] = [{"seed": seed, "split": 0} for seed in range(pack)]
    is_complete = state is State.COMPLETE
    made = create_trial(
        state=TrialState.COMPLETE if is_complete else TrialState.PRUNED,
        value=1.0 if is_complete else None,
        user_attrs={str(name): value for name, value in kept.items()},
    )
    made.datetime_start, made.datetime_complete = BEGAN, BEGAN + timedelta(seconds=seconds)
    return made


def test_nothing_is_known_before_the_first_trial() -> None:
    assert Pace(16, 2, 174, 3).seconds_left(n_trials=60, n_trained=0, n_probed=0, seconds=0.1) is None


def test_whole_trainings_all_take_as_long() -> None:
    pace = Pace(16)
    for _ in range(4):
        pace.count(trial(State.COMPLETE, 2.0, training=1.9, epochs=16))
    assert pace.seconds_left(n_trials=10, n_trained=4, n_probed=0, seconds=8.0) == pytest.approx(12.0)


@pytest.mark.parametrize("pack", [1, 3])
def test_probes_come_first_and_what_follows_takes_longer(pack: int) -> None:
    pace = Pace(16, 2, 174, 3)
    for _ in range(8):
        # 0.1 s beside the training, 0.1 s an epoch.
        pace.count(trial(State.PRUNED, 0.3, training=0.2, epochs=2, pack=pack))
    # Of 60 trials, 44 are probes: 36 more of 0.3 s, and 16 whole ones of 1.7 s; a trial's mean so far would say 15.6.
    left = pace.seconds_left(n_trials=60, n_trained=8, n_probed=8, seconds=2.4)
    assert left == pytest.approx(36 * 0.3 + 16 * 1.7, abs=1.5)


def test_several_workers_are_done_sooner() -> None:
    pace = Pace(16)
    for _ in range(4):
        pace.count(trial(State.COMPLETE, 2.0, training=2.0, epochs=16))
    assert pace.seconds_left(n_trials=12, n_trained=4, n_probed=0, seconds=4.0) == pytest.approx(8.0)


def test_the_first_trial_does_not_count_for_the_rest() -> None:
    pace = Pace(16)
    for seconds in (20.0, 2.0, 2.0, 2.0):
        pace.count(trial(State.COMPLETE, seconds, training=seconds, epochs=16))
    assert pace.seconds_left(n_trials=8, n_trained=4, n_probed=0, seconds=26.0) == pytest.approx(8.0)


def test_a_search_that_is_over_has_no_time_left() -> None:
    pace = Pace(16, 2, 174, 3)
    pace.count(trial(State.COMPLETE, 2.0, training=2.0, epochs=16))
    assert pace.seconds_left(n_trials=12, n_trained=12, n_probed=11, seconds=2.0) == 0.0
