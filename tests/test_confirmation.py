"""Confirmation: fresh pairs, the same looks after an interrupt, and a verdict that is a function of the runs alone."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage

from ordersearch.errors import ShapeError, SpaceError, StudyMismatchError
from ordersearch.networks import build_network
from ordersearch.objective import ConfirmingObjective, Setting, Trainer, TrialFailed
from ordersearch.results import Attribute, Run, State, class_name, distinct_runs, read_runs
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from ordersearch.study import Observer, Progress, Search, SearchResult
from ordersearch.study.baseline import (
    baseline_settings,
    default_baseline,
    parse_baseline,
    tuned_baseline,
    untried_settings,
)
from ordersearch.study.confirmation import Confirmation, last_confirmation
from ordersearch.study.finalists import Finalist, finalists
from ordersearch.study.opening import worker_name
from ordersearch.study.storage import open_storage, quiet_optuna
from ordersearch.study.verdict import verdict_of
from ordersearch.training.settings import TrainingSettings
from tests.searches import small_search, small_space

CONVENTION = "conv > batch_norm > relu > max_pool"
PLAIN = "conv > relu > max_pool"


@pytest.fixture
def storage(tmp_path: Path) -> BaseStorage:
    return open_storage(str(tmp_path / "study.journal"))


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return small_space(tmp_path)


@pytest.fixture
def searched(space: SearchSpace, storage: BaseStorage) -> tuple[Search, SearchResult]:
    search = small_search(space)
    return search, search.run(search.open_study(storage), n_trials=4)


def baseline_of(search: Search, result: SearchResult) -> Finalist:
    blocks = default_baseline(search, result)
    assert untried_settings(baseline_settings(search, blocks)[0], result, search) == []
    found, ended = tuned_baseline(search, result, blocks, trainer_of(search), InMemoryStorage())
    assert ended == "done"
    return found


def confirmation_of(search: Search, result: SearchResult, **changes: object) -> Confirmation:
    chosen = finalists(result, baseline_of(search, result))
    return replace(Confirmation(search, chosen, max_pairs=5), **changes)  # type: ignore[arg-type]


def train(confirmation: Confirmation, storage: BaseStorage) -> tuple[tuple[Run, ...], str]:
    confirmation, study = confirmation.opened(storage)
    assert isinstance(confirmation.search, Search)
    return confirmation.run(study, trainer_of(confirmation.search))


def trainer_of(search: Search) -> Trainer:
    return Trainer(search.dataset, search.network, search.training)


def test_every_class_is_trained_on_the_same_fresh_pairs(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    runs, ended = train(confirmation_of(search, result), storage)
    assert ended == "done"
    assert {run.order for run in runs} == {CONVENTION, PLAIN}
    pairs = {order: {(r.seed, r.split) for r in runs if r.order == order} for order in (CONVENTION, PLAIN)}
    assert pairs[CONVENTION] == pairs[PLAIN]
    assert len(pairs[PLAIN]) == 5
    assert not {run.seed for run in runs} & {run.seed for run in result.runs}
    assert all({"test/loss", "test/accuracy"} <= set(run.metrics) for run in runs)
    assert all(("repaired/loss" in run.metrics) == (run.order == CONVENTION) for run in runs)
    assert all(len(run.validation_losses) == search.training.max_epochs for run in runs)


def test_a_confirmed_run_has_the_value_that_it_has_alone(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    confirmation = confirmation_of(search, result)
    runs, _ = train(confirmation, storage)
    trainer = Trainer(search.dataset, search.network, search.training)
    setting = confirmation.baseline.setting
    run = next(run for run in runs if run.setting == setting.digest)
    assert trainer.run(setting, seed=run.seed, split=run.split)[0].metrics["val/loss"] == run.value


def test_an_interrupted_confirmation_goes_on_to_the_same_verdict(
    searched: tuple[Search, SearchResult], storage: BaseStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, result = searched
    confirmation = confirmation_of(search, result)
    calls: list[int] = []

    def interrupted(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return build_network(*args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr("ordersearch.objective.trainer.build_network", interrupted)
        runs, ended = train(confirmation, storage)
    assert (ended, len(distinct_runs(runs))) == ("interrupted", 3)
    assert "Too few pairs for a verdict: the first look is after 5" in verdict_of(confirmation, runs).text
    runs, ended = train(confirmation, storage)
    elsewhere, _ = train(confirmation, open_storage(str(tmp_path / "other.journal")))
    assert ended == "done"
    assert verdict_of(confirmation, runs).decision == verdict_of(confirmation, elsewhere).decision
    assert len(distinct_runs(runs)) == 10


def test_the_verdict_does_not_depend_on_the_order_of_rows_nor_on_who_trained(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    confirmation = confirmation_of(search, result)
    runs, _ = train(confirmation, storage)
    told = verdict_of(confirmation, runs)
    shuffled = [replace(run, trial=100 - run.trial) for run in runs]
    random.Random(3).shuffle(shuffled)
    again = verdict_of(confirmation, shuffled)
    assert (again.text, again.decision) == (told.text, told.decision)
    assert [s.scores["val/loss"] for s in again.standings] == [s.scores["val/loss"] for s in told.standings]
    pruned = [replace(run, state=State.PRUNED, value=None) for run in runs]
    assert verdict_of(confirmation, pruned).decision.best is None
    assert verdict_of(confirmation, (*runs, *result.runs)).decision == told.decision


def test_a_baseline_that_never_trains_is_told(
    searched: tuple[Search, SearchResult], storage: BaseStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, result = searched
    confirmation = confirmation_of(search, result)

    def crashing(network: object, specs: dict[str, BlockSpec], *args: object, **kwargs: object) -> object:
        if "batch_norm" in str(specs["conv"]):
            raise RuntimeError("no")
        return build_network(network, specs, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("ordersearch.objective.trainer.build_network", crashing)
    runs, ended = train(confirmation, storage)
    assert ended == "done"
    # Each of the five once, then the first again, which ends it.
    assert sum(run.state is State.CRASHED for run in runs) == 6
    assert verdict_of(confirmation, runs).text == (
        "Your order 'conv > batch_norm > max_pool > relu' failed to train in some pair, so nothing can be compared "
        "with it. Only 'conv > max_pool > relu' is left, so there is nothing to compare it with."
    )


def test_what_was_chosen_anew_meets_fresh_pairs(searched: tuple[Search, SearchResult], storage: BaseStorage) -> None:
    search, result = searched
    confirmation = confirmation_of(search, result)
    first, study = confirmation.opened(storage)
    assert (first.round, study.study_name) == (1, "small-confirm")
    other, study = replace(confirmation, max_pairs=6).opened(storage)
    assert (other.round, study.study_name) == (2, "small-confirm-2")
    assert not {first.seed(pair) for pair in range(6)} & {other.seed(pair) for pair in range(6)}
    assert replace(confirmation, max_pairs=6).opened(storage)[0] == other


def test_neither_names_nor_ranks_nor_an_anytime_maximum_are_another_confirmation(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    confirmation = confirmation_of(search, result)
    confirmation.opened(storage)
    renamed = tuple(replace(finalist, name="other") for finalist in reversed(confirmation.finalists))
    assert replace(confirmation, finalists=renamed).opened(storage)[0].round == 1
    assert replace(confirmation, anytime=True).opened(storage)[0].round == 2
    assert replace(confirmation, anytime=True, max_pairs=30).opened(storage)[0].round == 2
    last = last_confirmation(storage, search)
    assert last is not None
    assert last[0].max_pairs == 30


def test_the_last_confirmation_is_read_back(searched: tuple[Search, SearchResult], storage: BaseStorage) -> None:
    search, result = searched
    assert last_confirmation(storage, search) is None
    confirmation = confirmation_of(search, result, n_challengers=2)
    optuna.create_study(storage=storage, study_name="small-confirm-of-mine")
    confirmation.opened(storage)
    assert last_confirmation(storage, search) == (confirmation, False)
    train(confirmation, storage)
    assert last_confirmation(storage, search) == (confirmation, True)
    train(replace(confirmation, max_pairs=6), storage)
    last = last_confirmation(storage, search)
    assert last is not None
    assert (last[0].round, last[0].max_pairs) == (2, 6)


def test_a_search_is_not_taken_for_a_confirmation(searched: tuple[Search, SearchResult], storage: BaseStorage) -> None:
    search, result = searched
    confirmation_of(search, result).opened(storage)
    with pytest.raises(StudyMismatchError, match="'small-confirm' exists, but is the confirmation of another search"):
        replace(search, name="small-confirm").open_study(storage)


def test_a_run_that_another_machine_never_ends_is_trained_here(
    searched: tuple[Search, SearchResult], storage: BaseStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, result = searched
    confirmation, study = confirmation_of(search, result).opened(storage)
    study.enqueue_trial({}, user_attrs=confirmation.missing([])[0].attributes())
    lost = study.ask()
    lost.set_user_attr(Attribute.WORKER, "elsewhere:4711")
    monkeypatch.setattr("ordersearch.study.run_queue.SHORTEST_PATIENCE_SECONDS", 1.0)
    runs, ended = confirmation.run(study, trainer_of(search))
    assert (ended, len(distinct_runs(runs))) == ("done", 10)
    assert runs[lost.number].state is State.RUNNING


def test_a_run_whose_process_was_killed_is_trained_again(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    confirmation, study = confirmation_of(search, result).opened(storage)
    study.enqueue_trial({}, user_attrs=confirmation.missing([])[0].attributes())
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    study.ask().set_user_attr(Attribute.WORKER, f"{worker_name().rpartition(':')[0]}:{killed.pid}")
    runs, ended = confirmation.run(study, trainer_of(search))
    assert (ended, len(distinct_runs(runs))) == ("done", 10)


def test_a_run_that_another_worker_has_is_not_trained_twice(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    confirmation, study = confirmation_of(search, result).opened(storage)
    for _ in range(2):
        study.enqueue_trial({}, user_attrs=confirmation.missing([])[0].attributes())
    objective = ConfirmingObjective(trainer_of(search))
    with quiet_optuna():
        # The third is one that Optuna makes up, since nothing waits any more.
        study.optimize(objective, n_trials=3, catch=(TrialFailed,))
    assert [run.state for run in read_runs(study)] == [State.COMPLETE, State.DUPLICATE, State.DUPLICATE]


def test_runs_of_two_machines_that_differ_count_once_whatever_their_order(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    confirmation = confirmation_of(search, result)
    runs, _ = train(confirmation, storage)
    doubles = [replace(run, trial=run.trial + 100, value=(run.value or 0) + 0.5) for run in runs]
    told = verdict_of(confirmation, runs)
    for rows in ([*runs, *doubles], [*doubles, *runs]):
        again = verdict_of(confirmation, rows)
        assert (again.decision, again.standings) == (told.decision, told.standings)
    assert verdict_of(confirmation, [*runs, *result.runs]).standings == told.standings


def test_a_crash_is_tried_again_by_a_later_call(
    searched: tuple[Search, SearchResult], storage: BaseStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, result = searched
    confirmation = confirmation_of(search, result)

    def crashing(*args: object, **kwargs: object) -> object:
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr("ordersearch.objective.trainer.build_network", crashing)
        runs, ended = train(confirmation, storage)
    assert (ended, {run.state for run in runs}) == ("done", {State.CRASHED, State.WAITING})
    runs, ended = train(confirmation, storage)
    assert (ended, len(distinct_runs(runs))) == ("done", 10)
    assert verdict_of(confirmation, runs).decision.failed == ()


def test_the_users_own_order_may_be_outside_of_the_space(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    own = parse_baseline("conv > gelu > max_pool", search)
    assert len(untried_settings(baseline_settings(search, own)[0], result, search)) == 2
    baseline, ended = tuned_baseline(search, result, own, trainer_of(search), storage)
    values = {lr: tuned_value(search, own, lr) for lr in (0.003, 0.01)}
    assert (ended, baseline.setting.learning_rate) == ("done", min(values, key=values.__getitem__))
    chosen = finalists(result, baseline, n_challengers=1)
    assert [finalist.is_baseline for finalist in chosen] == [True, False]
    assert str(chosen[0].setting.blocks["conv"]) == "conv > gelu > max_pool"
    assert Finalist.from_dict(chosen[0].to_dict()) == chosen[0]
    confirmation = Confirmation(search, chosen, max_pairs=5)
    runs, _ = train(confirmation, storage)
    found = verdict_of(confirmation, runs)
    assert "conv > gelu > max_pool" in found.text
    assert "Each other order at the learning rate" in found.scope
    assert "yours as written, at a learning rate of 0.0" in found.scope


def test_tuning_the_baseline_leaves_the_test_part_alone(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    tuned_baseline(search, result, parse_baseline("conv > gelu > max_pool", search), trainer_of(search), storage)
    (name,) = [name for name in optuna.get_all_study_names(storage) if "-baseline-" in name]
    runs = read_runs(optuna.load_study(study_name=name, storage=storage))
    assert [sorted(run.metrics) for run in runs] == [["train/loss", "val/accuracy", "val/loss"]] * 2


def test_a_baseline_that_was_only_probed_is_tuned_like_the_others(storage: BaseStorage) -> None:
    search = small_search(SearchSpace.load("conv"), training=TrainingSettings(max_epochs=4, batch_size=64))
    result = search.run(search.open_study(storage), n_trials=7, n_expected=60)
    blocks = default_baseline(search, result)
    order = class_name(blocks)
    assert {run.state for run in result.runs if run.order == order} == {State.PRUNED}
    baseline, ended = tuned_baseline(search, result, blocks, trainer_of(search), storage)
    (name,) = [name for name in optuna.get_all_study_names(storage) if "-baseline-" in name]
    runs = read_runs(optuna.load_study(study_name=name, storage=storage))
    assert {(run.state, run.seed, run.split, run.order) for run in runs} == {(State.COMPLETE, 0, 0, order)}
    assert len({run.setting for run in runs}) == len(runs) == 6, "two dropout rates, three learning rates"
    best = min(runs, key=lambda run: run.value or 9.0)
    assert (ended, baseline.setting.digest) == ("done", best.setting)
    assert (baseline.name, baseline.rates) == ("convention", "searched")
    # The search goes on and trains some of these settings itself: what was tuned is found again.
    more = replace(result, runs=(*result.runs, runs[0]))
    tuned_baseline(search, more, blocks, trainer_of(search), storage)
    assert [name for name in optuna.get_all_study_names(storage) if "-baseline-" in name] == [name]
    assert read_runs(optuna.load_study(study_name=name, storage=storage)) == runs


def tuned_value(search: Search, blocks: Mapping[str, BlockSpec], learning_rate: float) -> float:
    setting = Setting.of(blocks, {"lr": learning_rate}, search.network)
    return trainer_of(search).run(setting, seed=search.seed, split=search.seed)[0].metrics["val/loss"]


def test_a_baseline_for_unknown_roles_is_refused() -> None:
    search = small_search(SearchSpace.load("conv_dense"))
    with pytest.raises(SpaceError, match="--baseline: got 'dense: linear > relu', but the space has the roles conv"):
        parse_baseline("dense: linear > relu", search)
    both = parse_baseline("conv: conv > relu > max_pool; dense: linear > relu", search)
    assert list(map(str, both.values())) == ["conv > relu > max_pool", "linear > relu"]


def test_a_baseline_that_does_not_fit_is_refused_at_once(space: SearchSpace) -> None:
    with pytest.raises(ShapeError, match="does not fit an 8x8 input"):
        parse_baseline("conv > max_pool > max_pool > max_pool > max_pool", small_search(space))


def test_observers_are_told_of_every_run(searched: tuple[Search, SearchResult], storage: BaseStorage) -> None:
    class Told(Observer):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def confirmation_started(self, confirmation: Confirmation, progress: Progress) -> None:
            self.lines.append(f"started {progress.n_trained}/{progress.n_trials}")

        def trial_finished(self, run: Run, progress: Progress) -> None:
            self.lines.append(f"{progress.n_trained} {run.state}")

        def closed(self) -> None:
            self.lines.append("closed")

    search, result = searched
    confirmation, told = confirmation_of(search, result), Told()
    trainer = Trainer(search.dataset, search.network, search.training)
    confirmation.run(confirmation.opened(storage)[1], trainer, observers=[told])
    assert told.lines == ["started 0/10", *(f"{n} complete" for n in range(1, 11)), "closed"]
