"""A study that several processes work on: who is told of what, whose turn it is, what becomes of the lost."""

from __future__ import annotations

import optuna
import pytest

from ordersearch.attach.turns import await_turn
from ordersearch.results import Attribute, State, read_runs
from ordersearch.study.team import end_lost, trials_under_way, worker_of
from ordersearch.study.watch import Untold


def test_trials_of_others_are_told_of_once() -> None:
    study = optuna.create_study()
    study.tell(study.ask(), 1.0)
    untold, elsewhere = Untold(study), study.ask()
    assert untold.take() == []
    study.tell(study.ask(), 2.0)
    assert [trial.number for trial in untold.take()] == [2]
    study.tell(elsewhere, 3.0)
    assert [trial.number for trial in untold.take()] == [1]
    assert untold.take() == []


def test_a_lost_trial_counts_as_crashed_once_it_was_known_what_it_trained() -> None:
    study = optuna.create_study()
    described, not_yet, other = study.ask(), study.ask(), study.ask()
    for trial in (described, not_yet):
        trial.set_user_attr(Attribute.WORKER, "here:1")
    described.set_user_attr(Attribute.SETTING, "abc")
    other.set_user_attr(Attribute.WORKER, "here:2")
    assert [trial.number for trial in end_lost(study, "here:1", "killed")] == [0, 1]
    runs = read_runs(study)
    assert [run.state for run in runs] == [State.CRASHED, State.INTERRUPTED, State.RUNNING]
    assert runs[0].reason == "killed"
    assert [worker_of(trial) for trial in trials_under_way(study)] == ["here:2"]
    assert end_lost(study, "here:1", "killed") == []


def test_a_proposal_waits_until_earlier_trials_say_what_they_train(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    first, second = study.ask(), study.ask()
    waits: list[float] = []

    def describe(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            first.set_user_attr(Attribute.SETTING, "abc")

    monkeypatch.setattr("ordersearch.attach.turns.time.sleep", describe)
    await_turn(study, second.number)
    assert len(waits) == 3
    await_turn(study, first.number)
    assert len(waits) == 3, "nobody waits for later ones"


def test_a_proposal_does_not_wait_for_what_was_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    study.ask()
    second = study.ask()
    monkeypatch.setattr("ordersearch.attach.turns.age_seconds", lambda _: 60.0)
    monkeypatch.setattr("ordersearch.attach.turns.time.sleep", lambda _: pytest.fail("it waits"))
    await_turn(study, second.number)
