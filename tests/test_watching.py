"""What observers are told besides what has ended: what is under way, and the baseline's settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage

from ordersearch.objective import Trainer
from ordersearch.results import Run, State
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from ordersearch.study import Observer, Progress, Search
from ordersearch.study.baseline import tuned_baseline
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import finalists
from ordersearch.study.observer import UnderWay
from ordersearch.study.packs import Packs
from tests.searches import small_search, small_space


class Told(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.under_way_told: list[UnderWay] = []
        self.progress: list[Progress] = []
        self.began: list[str] = []
        self.n_closed = 0

    def search_started(self, search: Search, progress: Progress) -> None:
        self.began.append("search")
        self.progress.append(progress)

    def baseline_started(self, search: Search, progress: Progress) -> None:
        self.began.append("baseline")
        self.progress.append(progress)

    def confirmation_started(self, confirmation: Confirmation, progress: Progress) -> None:
        self.began.append("confirmation")
        self.progress.append(progress)

    def under_way(self, trials: Sequence[UnderWay]) -> None:
        self.under_way_told += trials

    def trial_finished(self, run: Run, progress: Progress) -> None:
        self.progress.append(progress)

    def closed(self) -> None:
        self.n_closed += 1


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return small_search(small_space(tmp_path))


def test_what_is_under_way_is_told_after_its_first_epoch(search: Search) -> None:
    told = Told()
    search.run(search.open_study(InMemoryStorage()), n_trials=2, observers=[told])
    first = told.under_way_told[0]
    assert first.trial == 0
    assert first.blocks == {"conv": "conv > batch_norm > max_pool > relu"}
    assert (first.n_seeds, first.n_epochs, len(first.values)) == (1, 2, 1)
    assert first.seconds > 0


def test_a_pack_is_told_with_its_seeds_and_counts_once(search: Search) -> None:
    told = Told()
    packed = small_search(search.space, packs=Packs(2, 2), name="packed")
    packed.run(packed.open_study(InMemoryStorage()), n_trials=2, observers=[told])
    assert {trial.n_seeds for trial in told.under_way_told} == {2}
    assert told.progress[-1].n_trained == 2
    assert len([run for run in told.progress[-1].runs if run.state is State.COMPLETE]) == 4


def test_a_probe_is_told_with_the_epochs_that_it_has(tmp_path: Path) -> None:
    told = Told()
    search = small_search(SearchSpace.load("conv"))
    search.run(search.open_study(InMemoryStorage()), n_trials=2, n_expected=40, observers=[told])
    assert {trial.n_epochs for trial in told.under_way_told} == {1}
    last = told.progress[-1]
    assert (last.n_trained, last.n_pruned) == (2, 2)
    assert last.seconds_left == 0.0


def test_the_baselines_settings_are_told_and_not_told_again(search: Search) -> None:
    storage = InMemoryStorage()
    result = search.run(search.open_study(storage), n_trials=1)
    blocks = {"conv": BlockSpec.parse("conv > relu > max_pool")}
    trainer = Trainer(search.dataset, search.network, search.training)
    told = Told()
    baseline, ended = tuned_baseline(search, result, blocks, trainer, storage, observers=[told])
    assert ended == "done"
    assert told.began == ["baseline"]
    assert told.n_closed == 1
    assert [(progress.n_trained, progress.n_trials) for progress in told.progress] == [(0, 2), (1, 2), (2, 2)]
    assert told.progress[-1].seconds_left == 0.0
    again = Told()
    tuned_baseline(search, result, blocks, trainer, storage, observers=[again])
    assert (again.began, again.n_closed) == ([], 0), "it is there already"
    whole = search.run(search.open_study(storage), n_trials=4)
    confirming = Told()
    confirmation, study = Confirmation(search, finalists(whole, baseline), max_pairs=5).opened(storage)
    confirmation.run(study, trainer, observers=[confirming])
    assert confirming.began == ["confirmation"]
    assert len(confirming.progress[-1].runs) == confirming.progress[-1].n_trained
    assert {trial.n_epochs for trial in confirming.under_way_told} == {2}
