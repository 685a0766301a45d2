"""Workers: what they train, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState

from ordersearch.objective import Trainer
from ordersearch.results import Attribute, Run, State, distinct_runs
from ordersearch.study import Observer, Progress
from ordersearch.study.baseline import tuned_baseline
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import finalists
from ordersearch.study.storage import open_storage
from ordersearch.study.team import trials_under_way, worker_of
from ordersearch.training.settings import TrainingSettings
from ordersearch.workers import Workers
from tests.searches import SMALL_SPACE, small_digits, small_search, small_space

POSIX = pytest.mark.skipif(os.name != "posix", reason="workers need POSIX")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two cores, whatever this one has."""
    monkeypatch.setattr("ordersearch.workers.sharing.available_cores", lambda *_, **__: 2)


class Told(Observer):
    """What the observers are told, and what is done then."""

    def __init__(self, at_epoch: Callable[[], None] = lambda: None) -> None:
        self.runs: list[Run] = []
        self.last: Progress | None = None
        self.at_epoch = at_epoch

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        self.at_epoch()

    def trial_finished(self, run: Run, progress: Progress) -> None:
        self.runs.append(run)
        self.last = progress


def values(runs: Any) -> dict[tuple[str, int, int], tuple[float | None, dict[str, float]]]:
    return {(run.setting, run.seed, run.split): (run.value, dict(run.metrics)) for run in distinct_runs(runs)}


def workers_of(study: optuna.Study) -> set[int]:
    return {int(worker_of(trial).rpartition(":")[2]) for trial in study.get_trials() if worker_of(trial)}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go in this process and its workers; at the end there are none."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition: Callable[[], bool], *, seconds: float = 120.0) -> None:
    """Wait until the condition holds; a busy machine takes long to start a process."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds
        time.sleep(0.2)


@pytest.mark.slow
@POSIX
@pytest.mark.usefixtures("two_cores", "temporary")
def test_two_workers_find_what_one_finds_bit_by_bit_in_the_search_and_behind_it(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path), training=TrainingSettings(max_epochs=6, batch_size=16))
    alone = search.run(search.open_study(InMemoryStorage()), n_trials=100)
    location, told = str(tmp_path / "study.journal"), Told()
    before = torch.get_num_threads(), dict(os.environ)
    with Workers(search, location, workers=2).start() as team:
        (worker,) = team.processes
        assert torch.get_num_threads() == 1
        storage = open_storage(location)
        study = search.open_study(storage)
        result = search.run(study, n_trials=100, observers=[told], team=team)
        assert workers_of(study) == {os.getpid(), worker}
        trainer = Trainer(search.dataset, search.network, search.training)
        blocks = search.space.references()[0].blocks
        baseline, _ = tuned_baseline(search, result, blocks, trainer, storage, team=team)
        chosen = finalists(result, baseline, n_challengers=1)
        confirmation, confirm_study = Confirmation(search, chosen, 6).opened(storage)
        confirmed = Told()
        runs, ended = confirmation.run(confirm_study, trainer, observers=[confirmed], team=team)
    assert (torch.get_num_threads(), dict(os.environ)) == before
    assert not is_there(worker)
    assert team.notes == ()
    # The search: the same runs with the same values, each of them trained once and told of once.
    assert (result.ended, alone.ended) == ("exhausted", "exhausted")
    assert values(result.runs) == values(alone.runs)
    assert len(values(result.runs)) == 4 * search.max_seeds
    assert {run.state for run in result.runs} == {State.COMPLETE}
    assert sorted(run.trial for run in told.runs) == sorted(run.trial for run in result.runs)
    assert told.last is not None
    assert told.last.n_trained == len(result.runs)
    # The confirmation.
    assert ended == "done"
    assert workers_of(confirm_study) == {os.getpid(), worker}
    assert {run.trial for run in confirmed.runs} == {run.trial for run in runs if run.state is not State.DUPLICATE}
    confirmation, other = replace(confirmation, round=1), open_storage(str(tmp_path / "other.journal"))
    single, single_study = confirmation.opened(other)
    runs_alone, _ = single.run(single_study, trainer)
    assert values(runs) == values(runs_alone)
    assert all("test/accuracy" in run.metrics for run in distinct_runs(runs)), "workers score finalists, too"


@pytest.mark.slow
@POSIX
@pytest.mark.usefixtures("two_cores", "temporary")
def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path), training=TrainingSettings(max_epochs=60, batch_size=16))
    location = str(tmp_path / "study.journal")
    storage = open_storage(location)
    study, killed = search.open_study(storage), list[int]()

    def kill() -> None:
        if not killed and team.n_under_way(study) and all(Attribute.SETTING in t.user_attrs for t in running()):
            killed.extend(team.processes)
            os.kill(killed[0], signal.SIGKILL)

    def running() -> list[Any]:
        return trials_under_way(study)

    told = Told(kill)
    with Workers(search, location, workers=2).start() as team:
        result = search.run(study, n_trials=8, observers=[told], team=team)
        assert killed
        assert team.processes == ()
    assert result.ended == "trials"
    assert result.counts()[State.COMPLETE] == 8
    (lost,) = [run for run in result.runs if run.state is State.CRASHED]
    assert lost.reason == "its worker was gone: killed by SIGKILL"
    assert (lost.setting, lost.seed, lost.split) in values(result.runs), "its run was trained again"
    assert lost.trial in [run.trial for run in told.runs]
    assert team.notes == ("1 worker ended early (killed by SIGKILL); what it had under way was queued again.",)


@pytest.mark.slow
@POSIX
@pytest.mark.usefixtures("two_cores", "temporary")
def test_a_worker_that_fails_is_told_of_in_one_line_and_the_search_goes_on(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path))
    study = search.open_study(open_storage(str(tmp_path / "study.journal")))
    with Workers(search, str(tmp_path / "missing" / "study.journal"), workers=2).start() as team:
        result = search.run(study, n_trials=4, team=team)
    assert result.counts()[State.COMPLETE] == 4
    (note,) = team.notes
    assert note.startswith("1 worker ended early (StorageError: Storage ")
    assert "cannot be opened (FileNotFoundError: there is no folder" in note


@POSIX
@pytest.mark.usefixtures("two_cores", "temporary")
@pytest.mark.parametrize(("patience", "n"), [(1000.0, 0), (0.0, 1)], ids=["soon over", "not soon over"])
def test_where_nobody_asked_for_workers_they_are_started_once_a_search_has_lasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float, n: int
) -> None:
    monkeypatch.setattr("ordersearch.workers.crew.PATIENT_SECONDS", patience)
    location = str(tmp_path / "study.journal")
    search = small_search(small_space(tmp_path))
    with Workers(search, location, n_trials=12) as team:
        assert team.sharing.n == 2
        result = search.run(search.open_study(open_storage(location)), n_trials=12, team=team)
        processes = team.processes
        assert len(processes) == n
    assert not any(map(is_there, processes)), "one that is still importing is ended, too"
    assert result.counts()[State.COMPLETE] == 12
    assert team.notes == ()


@POSIX
@pytest.mark.usefixtures("two_cores")
def test_a_process_that_cannot_be_started_is_said_and_the_search_goes_on_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = str(tmp_path / "study.journal")
    search = small_search(small_space(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with Workers(search, location, workers=2) as team:
        result = search.run(search.open_study(open_storage(location)), n_trials=4, team=team)
    assert result.counts()[State.COMPLETE] == 4
    assert team.notes == ("Only 1 of 2 processes could be started (No such file or directory).",)


SCRIPT = """
import sys
from ordersearch.data import dataset_from_arrays, load_dataset
from ordersearch.networks import find_network
from ordersearch.space import SearchSpace
from ordersearch.study import Search
from ordersearch.study.storage import open_storage
from ordersearch.training.settings import TrainingSettings
from ordersearch.workers import Workers, sharing

sharing.available_cores = lambda *_, **__: 2
search = Search("orphan", SearchSpace.load("small.yaml"), load_dataset("digits"), find_network("cnn"),
                TrainingSettings(max_epochs=500))
study = search.open_study(open_storage("study.journal"))
with Workers(search, "study.journal", workers=2).start() as team:
    print(*team.processes, flush=True)
    search.run(study, n_trials=100, team=team)
"""


@pytest.mark.slow
@POSIX
@pytest.mark.usefixtures("temporary")
def test_a_worker_whose_parent_was_killed_ends_with_its_epoch(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL_SPACE)
    # A script as people write it, with nothing that keeps a second process from running it again.
    script = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    storage = open_storage(str(tmp_path / "study.journal"))

    def of_worker(state: TrialState) -> bool:
        study = optuna.load_study(study_name="orphan", storage=storage)
        return any(worker_of(trial).endswith(f":{worker}") for trial in study.get_trials(states=(state,)))

    try:
        assert script.stdout is not None
        with script.stdout as output:
            worker = int(output.readline())
        until(lambda: of_worker(TrialState.RUNNING))
    finally:
        script.kill()
        script.wait()
    # Killed while it wrote, the parent leaves the journal locked, and Optuna breaks a lock after 30 s.
    until(lambda: not is_there(worker))
    assert of_worker(TrialState.FAIL), "its trial is ended, not left under way"
    assert not of_worker(TrialState.RUNNING)


ENOUGH_CORES = pytest.mark.skipif(
    len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else [0]) < 2, reason="two workers need two cores"
)


def command(folder: Path, *words: str, **options: Any) -> subprocess.Popen[str]:
    """The command line in a folder, the first of a process group."""
    digits = small_digits()
    np.savez(folder / "few.npz", x=digits.x[:, 0], y=digits.y)
    (folder / "small.yaml").write_text(SMALL_SPACE)
    given = ["few.npz", "--space", "small.yaml", "--confirm", "off", "--pack", "off", *words]
    return subprocess.Popen(
        [sys.executable, "-m", "ordersearch", *given],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )


def is_group_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@POSIX
@ENOUGH_CORES
@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize("is_ctrl_c", [True, False], ids=["Ctrl-C reaches all", "SIGTERM reaches the first"])
def test_an_interrupt_ends_all_and_leaves_nothing_under_way(tmp_path: Path, is_ctrl_c: bool) -> None:
    running = command(tmp_path, "--trials", "100", "--max-epochs", "2000", "--workers", "2")
    location = tmp_path / "runs" / "few-small" / "study.journal"

    def n_workers() -> int:
        if not location.exists() or "few-small" not in optuna.get_all_study_names(storage()):
            return 0
        study = optuna.load_study(study_name="few-small", storage=storage())
        return len({worker_of(trial) for trial in trials_under_way(study)} - {""})

    def storage() -> BaseStorage:
        return open_storage(str(location))

    try:
        until(lambda: n_workers() == 2)
    finally:
        os.killpg(running.pid, signal.SIGINT) if is_ctrl_c else running.terminate()
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Workers  2 processes of 1 thread each; --workers 1 takes one" in out
    assert err == "Interrupted. To go on: " + (
        "python -m ordersearch few.npz --space small.yaml --trials 100 --max-epochs 2000 --pack off --workers 2 "
        "--confirm off\n"
    )
    assert not is_group_there(running.pid)
    assert n_workers() == 0


@pytest.mark.slow
@ENOUGH_CORES
def test_the_command_line_refuses_workers_on_sqlite_before_it_leaves_anything(tmp_path: Path) -> None:
    ended = command(tmp_path, "--workers", "2", "--storage", "sqlite:///study.db")
    _, err = ended.communicate(timeout=60)
    assert ended.returncode == 2
    assert err.startswith("Error: --workers: got 2, but the study is kept in SQLite (sqlite:///study.db), which locks")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.npz", "small.yaml"]
