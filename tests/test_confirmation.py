"""Confirmation: fresh pairs, the same looks after an interrupt, and a verdict that is a function of the runs alone."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage

from ordersearch.errors import SpaceError
from ordersearch.networks import build_network
from ordersearch.objective import Trainer
from ordersearch.results import Run, State, distinct_runs
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from ordersearch.study import Observer, Progress, Search, SearchResult
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import Finalist, default_baseline, finalists, parse_baseline
from ordersearch.study.storage import open_storage
from ordersearch.study.verdict import verdict_of
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


def confirmation_of(search: Search, result: SearchResult, **changes: object) -> Confirmation:
    chosen = finalists(search, result, default_baseline(search, result))
    return replace(Confirmation(search, chosen, max_pairs=5), **changes)  # type: ignore[arg-type]


def train(confirmation: Confirmation, storage: BaseStorage) -> tuple[tuple[Run, ...], str]:
    search = confirmation.search
    return confirmation.run(confirmation.open_study(storage), Trainer(search.dataset, search.network, search.training))


def test_every_class_is_trained_on_the_same_fresh_pairs(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    runs, ended = train(confirmation_of(search, result), storage)
    assert ended == "decided"
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
    assert trainer.run(setting, seed=run.seed, split=run.split).metrics["val/loss"] == run.value


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
    assert "too few pairs" in verdict_of(confirmation, runs).text
    runs, ended = train(confirmation, storage)
    elsewhere, _ = train(confirmation, open_storage(str(tmp_path / "other.journal")))
    assert ended == "decided"
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
    assert ended == "decided"
    # Tried twice, then given up.
    assert sum(run.state is State.CRASHED for run in runs) == 10
    assert "The baseline 'conv > batch_norm > max_pool > relu' failed to train" in verdict_of(confirmation, runs).text


def test_other_finalists_are_another_study(searched: tuple[Search, SearchResult], storage: BaseStorage) -> None:
    search, result = searched
    confirmation = confirmation_of(search, result)
    first = confirmation.open_study(storage)
    assert confirmation.open_study(storage).study_name == first.study_name == "small-confirm"
    other = replace(confirmation, max_pairs=6)
    assert other.open_study(storage).study_name == "small-confirm-2"
    assert [trial for trial in optuna.load_study(study_name="small", storage=storage).trials if not trial.params] == []


def test_the_users_own_order_may_be_outside_of_the_space(
    searched: tuple[Search, SearchResult], storage: BaseStorage
) -> None:
    search, result = searched
    own = parse_baseline("conv > gelu > max_pool", search)
    chosen = finalists(search, result, own, n_challengers=1)
    assert [finalist.is_baseline for finalist in chosen] == [True, False]
    assert str(chosen[0].setting.blocks["conv"]) == "conv > gelu > max_pool"
    assert Finalist.from_dict(chosen[0].to_dict()) == chosen[0]
    runs, _ = train(Confirmation(search, chosen, max_pairs=5), storage)
    assert "conv > gelu > max_pool" in verdict_of(Confirmation(search, chosen, max_pairs=5), runs).text


def test_a_baseline_for_unknown_roles_is_refused() -> None:
    search = small_search(SearchSpace.load("conv_dense"))
    with pytest.raises(SpaceError, match="--baseline: got 'dense: linear > relu', but the space has the roles conv"):
        parse_baseline("dense: linear > relu", search)
    both = parse_baseline("conv: conv > relu > max_pool; dense: linear > relu", search)
    assert list(map(str, both.values())) == ["conv > relu > max_pool", "linear > relu"]


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
    confirmation.run(confirmation.open_study(storage), trainer, observers=[told])
    assert told.lines == ["started 0/10", *(f"{n} complete" for n in range(1, 11)), "closed"]
