from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from ordersearch.ops import Role
from ordersearch.results import (
    CSV_COLUMNS,
    CSV_COUNTS,
    Attribute,
    Run,
    State,
    class_name,
    distinct_runs,
    next_seed,
    read_runs,
    runs_of_setting,
    setting_digest,
    write_trials,
)
from ordersearch.spec import BlockSpec
from tests.strategies import block_specs, equivalent_pairs

parse = BlockSpec.parse
CONVENTION = "conv > batch_norm > relu > max_pool > dropout(p=0.1)"
RATES = st.floats(0.01, 0.99)


def with_rates(spec: BlockSpec, rates: list[float]) -> BlockSpec:
    dropouts = iter(rates)
    return BlockSpec(op.replace(p=next(dropouts)) if op.role is Role.DROPOUT else op for op in spec)


# Names of classes and settings


@settings(max_examples=40)
@given(block_specs(max_ops=6), st.data())
def test_class_does_not_depend_on_rates(spec: BlockSpec, data: st.DataObject) -> None:
    n_dropouts = sum(op.role is Role.DROPOUT for op in spec)
    lists = st.lists(RATES, min_size=n_dropouts, max_size=n_dropouts)
    a, b = (with_rates(spec, data.draw(lists)) for _ in "ab")
    assert class_name({"conv": a}) == class_name({"conv": b})
    assert class_name({"conv": parse(class_name({"conv": a}))}) == class_name({"conv": a})


@settings(max_examples=40)
@given(equivalent_pairs(max_ops=6))
def test_equivalent_blocks_share_a_class(pair: tuple[BlockSpec, BlockSpec]) -> None:
    assert class_name({"conv": pair[0]}) == class_name({"conv": pair[1]})


def test_class_of_one_role_is_its_order_and_of_several_names_them() -> None:
    one = {"conv": parse("conv > max_pool > relu > dropout(p=0.3)")}
    assert class_name(one) == "conv > relu > max_pool > dropout"
    two = {**one, "dense": parse("linear > dropout(p=0) > relu")}
    assert class_name(two) == "conv: conv > relu > max_pool > dropout; dense: linear > relu"


def test_run_knows_its_class_from_what_storage_keeps() -> None:
    run = Run(0, State.COMPLETE, canonical={"conv": "conv > relu > dropout(p=0.3)"})
    assert run.order == class_name({"conv": parse("conv > relu > dropout(p=0.2)")})


def test_setting_digest_is_this_for_ever_and_counts_rates_and_learning_rate() -> None:
    blocks = {"conv": CONVENTION, "dense": "linear > relu"}
    digest = setting_digest(blocks, 0.003)
    assert digest == "400aa114c72e"
    assert setting_digest(dict(reversed(blocks.items())), 0.003) == digest
    others = [
        setting_digest(blocks, 0.001),
        setting_digest({"conv": CONVENTION}, 0.003),
        setting_digest({**blocks, "conv": CONVENTION.replace("0.1", "0.3")}, 0.003),
        setting_digest({"dense": CONVENTION, "conv": "linear > relu"}, 0.003),
        setting_digest(blocks, 0.003, 16),
        setting_digest(blocks, 0.003, 128),
    ]
    assert len({digest, *others}) == 7


# Which seed comes next


def run_with(state: State, seed: int = 0, **fields: Any) -> Run:
    return Run(trial=0, state=state, seed=seed, **fields)


DONE, RUNNING, CRASHED, OOM = State.COMPLETE, State.RUNNING, State.CRASHED, State.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("runs", "first", "max_seeds", "seed"),
    [
        ([], 0, 1, 0),
        ([], 5, 2, 5),
        ([], 0, 0, None),
        ([(DONE, 0)], 0, 1, None),
        ([(DONE, 0)], 0, 3, 1),
        ([(DONE, 0), (DONE, 1)], 0, 3, 2),
        ([(DONE, 1), (DONE, 0)], 0, 3, 2),
        ([(DONE, 1)], 0, 3, 0),
        ([(DONE, 0), (DONE, 1), (DONE, 2)], 0, 3, None),
        ([(DONE, 9)], 0, 1, 0),
        ([(RUNNING, 0)], 0, 1, None),
        ([(RUNNING, 0)], 0, 2, None),
        ([(DONE, 0), (RUNNING, 1)], 0, 3, None),
        ([(State.WAITING, 0)], 0, 1, 0),
        ([(State.PRUNED, 0)], 0, 3, 0),
        ([(DONE, 0), (State.PRUNED, 1)], 0, 3, 1),
        ([(State.DOES_NOT_FIT, 0)], 0, 3, None),
        ([(State.DIVERGED, 0)], 0, 3, None),
        ([(CRASHED, 0)], 0, 1, 0),
        ([(CRASHED, 0), (CRASHED, 0)], 0, 1, None),
        ([(CRASHED, 0), (OOM, 0)], 0, 3, None),
        ([(OOM, 0)], 0, 3, 0),
        ([(CRASHED, 0), (DONE, 0)], 0, 1, None),
        ([(CRASHED, 0), (DONE, 0)], 0, 2, 1),
        ([(DONE, 0), (CRASHED, 1)], 0, 2, 1),
        ([(State.INTERRUPTED, 0)], 0, 1, 0),
        ([(State.INTERRUPTED, 0)] * 5, 0, 1, 0),
    ],
)
def test_next_seed(runs: list[tuple[State, int]], first: int, max_seeds: int, seed: int | None) -> None:
    assert next_seed(iter([run_with(*run) for run in runs]), first, max_seeds) == seed


RUNS = st.lists(st.builds(run_with, st.sampled_from(State), st.integers(0, 3)), max_size=6)


@given(RUNS, st.integers(0, 2), st.integers(0, 3), st.randoms(use_true_random=False))
def test_next_seed_is_never_one_that_is_done(runs: list[Run], first: int, max_seeds: int, random: Any) -> None:
    seed = next_seed(runs, first, max_seeds)
    shuffled = list(runs)
    random.shuffle(shuffled)
    assert next_seed(shuffled, first, max_seeds) == seed
    if seed is not None:
        assert first <= seed < first + max_seeds
        assert seed not in {run.seed for run in runs if run.state in (DONE, RUNNING)}


# Reading a study


def stored(end: TrialState, *, value: float | None = None, **attributes: Any) -> optuna.trial.FrozenTrial:
    kept = {str(Attribute[name.upper()]): attribute for name, attribute in attributes.items()}
    distribution = CategoricalDistribution(["none", "first"])
    return create_trial(
        state=end, value=value, params={"x": "none"}, distributions={"x": distribution}, user_attrs=kept
    )


@pytest.fixture
def study() -> optuna.Study:
    """One trial of every kind that a study can hold."""
    study = optuna.create_study()
    kept: dict[str, Any] = {
        "blocks": {"conv": "conv > max_pool > relu"},
        "canonical": {"conv": "conv > relu > max_pool"},
        "setting": "abc",
        "learning_rate": 0.003,
        "split": 0,
    }
    complete = stored(TrialState.COMPLETE, value=0.5, seed=0, epochs=3, seconds=1.5, parameters=99, reused=2, **kept)
    complete.user_attrs[f"{Attribute.METRIC}val/loss"] = 0.5
    complete.user_attrs[f"{Attribute.METRIC}val/accuracy"] = 0.875
    study.add_trial(complete)
    study.add_trial(stored(TrialState.COMPLETE, value=0.4, seed=1, reference="convention", **kept))
    study.add_trial(stored(TrialState.COMPLETE, value=0.3, seed=1, **kept))
    study.add_trial(stored(TrialState.PRUNED, **{**kept, "setting": "def"}))
    for state in ("does-not-fit", "diverged", "out-of-memory", "crashed"):
        study.add_trial(stored(TrialState.FAIL, state=state, reason=f"why {state}"))
    study.add_trial(stored(TrialState.FAIL))
    study.add_trial(stored(TrialState.FAIL, state="a state of another version"))
    study.enqueue_trial({"x": "first"})
    study.add_trial(stored(TrialState.COMPLETE, value=0.9))
    return study


def test_runs_are_read_back_whole(study: optuna.Study) -> None:
    assert read_runs(study)[0] == Run(
        trial=0,
        state=State.COMPLETE,
        blocks={"conv": "conv > max_pool > relu"},
        canonical={"conv": "conv > relu > max_pool"},
        setting="abc",
        learning_rate=0.003,
        value=0.5,
        metrics={"val/loss": 0.5, "val/accuracy": 0.875},
        n_epochs=3,
        seconds=1.5,
        n_parameters=99,
        n_reused=2,
    )


def test_every_trial_has_a_state(study: optuna.Study) -> None:
    runs = read_runs(study)
    study.ask()  # takes the one that waits
    assert [run.trial for run in runs] == list(range(len(runs)))
    assert [str(run.state) for run in runs] == [
        *["complete"] * 3,
        "pruned",
        "does-not-fit",
        "diverged",
        "out-of-memory",
        "crashed",
        "interrupted",
        "interrupted",
        "waiting",
        "complete",
    ]
    assert [str(run.state) for run in read_runs(study)][10] == "running"
    assert all((run.value is not None) == (run.state is State.COMPLETE) for run in runs)
    assert runs[7].reason == "why crashed"


def test_trial_of_somebody_else_has_no_setting(study: optuna.Study) -> None:
    foreign = read_runs(study)[-1]
    assert (foreign.setting, foreign.canonical, foreign.value) == ("", {}, 0.9)
    assert math.isnan(foreign.learning_rate)


def test_runs_of_a_setting(study: optuna.Study) -> None:
    assert [run.trial for run in runs_of_setting(study, "abc")] == [0, 1, 2]
    assert [run.trial for run in runs_of_setting(study, "abc", besides=1)] == [0, 2]
    assert runs_of_setting(study, "nothing") == []


def test_distinct_runs_count_a_setting_seed_and_split_once(study: optuna.Study) -> None:
    distinct = distinct_runs(run for run in read_runs(study) if run.setting)
    assert [(run.trial, run.seed) for run in distinct] == [(0, 0), (2, 1)]
    split = [run_with(DONE, split=0, setting="abc"), run_with(DONE, split=1, setting="abc")]
    assert distinct_runs([*split, *split]) == split


def test_attributes_survive_a_journal(tmp_path: Path, study: optuna.Study) -> None:
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
    kept = optuna.create_study(storage=storage, study_name="kept")
    kept.add_trials(trial for trial in study.trials if trial.state is not TrialState.WAITING)
    again = read_runs(optuna.load_study(storage=storage, study_name="kept"))
    assert repr(again[:10]) == repr(read_runs(study)[:10])
    assert all(
        name.startswith("ordersearch:") for trial in study.trials for name in json.loads(json.dumps(trial.user_attrs))
    )


# trials.csv


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_a_trial(tmp_path: Path, study: optuna.Study) -> None:
    path = tmp_path / "trials.csv"
    runs = read_runs(study)
    write_trials(path, iter(runs))
    found = rows(path)
    assert list(found[0]) == [*CSV_COLUMNS, "val/accuracy", "val/loss", *CSV_COUNTS]
    assert [row["state"] for row in found] == [run.state.value for run in runs]
    assert found[0]["order"] == "conv > relu > max_pool"
    assert found[0]["blocks"] == "conv > max_pool > relu"
    assert float(found[0]["val/accuracy"]) == 0.875
    assert found[3]["value"] == found[3]["val/loss"] == ""
    assert found[-1]["learning_rate"] == found[-1]["order"] == ""


def test_csv_escapes_what_a_spreadsheet_would_run_or_split(tmp_path: Path) -> None:
    reasons = ["=1+1", "+1", "-1", "@SUM(A1)", 'a "b", c', "two\nlines", "größer", ""]
    blocks = {"conv": "conv > relu", "dense": "linear"}
    write_trials(tmp_path / "t.csv", [Run(0, CRASHED, blocks=blocks, reason=reason, value=-0.5) for reason in reasons])
    found = rows(tmp_path / "t.csv")
    assert [row["reason"] for row in found] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", *reasons[4:]]
    assert {row["value"] for row in found} == {"-0.5"}
    assert {row["blocks"] for row in found} == {"conv: conv > relu; dense: linear"}


def test_csv_of_no_runs_has_its_header(tmp_path: Path) -> None:
    write_trials(tmp_path / "t.csv", [])
    assert (tmp_path / "t.csv").read_text() == ",".join([*CSV_COLUMNS, *CSV_COUNTS]) + "\n"
