"""How many processes share a study, and what each may take."""

from __future__ import annotations

import os
from typing import Any

import pytest

from ordersearch.data import load_dataset
from ordersearch.workers import Sharing, WorkersError, suited_sharing
from tests.searches import small_digits

POSIX = pytest.mark.skipif(os.name != "posix", reason="workers need POSIX")
JOURNAL = "runs/few/study.journal"


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two cores, whatever this one has."""
    monkeypatch.setattr("ordersearch.workers.sharing.available_cores", lambda *_, **__: 2)


def sharing(asked: int | None = None, **changes: Any) -> Sharing:
    given: dict[str, Any] = {"device": "cpu", "n_trials": 100, "environ": {}, "location": JOURNAL}
    given |= changes
    return suited_sharing(asked, given.pop("dataset", small_digits()), given.pop("location"), **given)


@pytest.mark.parametrize("cores", [1, 2, 3, 7, 8, 64])
@pytest.mark.parametrize("n_trials", [1, 8, 40, 1000])
def test_threads_times_processes_are_never_more_than_the_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, n_trials: int
) -> None:
    monkeypatch.setattr("ordersearch.workers.sharing.available_cores", lambda *_, **__: cores)
    for asked in (None, 1, (cores + 1) // 2, cores):
        found = sharing(asked, n_trials=n_trials)
        assert found.n * found.threads <= cores
        assert found.n >= 1
        assert found.threads >= 1
        assert asked in (None, found.n)


@pytest.mark.parametrize(
    ("cores", "n_trials", "n"), [(1, 100, 1), (2, 100, 2), (2, 7, 1), (8, 12, 3), (64, 1000, 16), (4, 0, 1)]
)
def test_left_to_itself_it_takes_a_process_for_each_core_and_four_trials_and_at_most_16(
    monkeypatch: pytest.MonkeyPatch, cores: int, n_trials: int, n: int
) -> None:
    monkeypatch.setattr("ordersearch.workers.sharing.available_cores", lambda *_, **__: cores)
    monkeypatch.setattr("ordersearch.workers.sharing.free_memory", lambda: 2**37)
    found = sharing(n_trials=n_trials)
    assert found.n == n
    assert not found.note
    assert not found.is_asked


@pytest.mark.usefixtures("two_cores")
def test_each_process_has_its_share_of_the_memory_and_more_than_fit_are_not_taken() -> None:
    digits = load_dataset("digits")
    n_bytes = 4 * 1797 * 64
    enough = {"ORDERSEARCH_MEMORY": str(2 * n_bytes)}
    assert sharing(dataset=digits, environ=enough) == Sharing(2, 1, n_bytes)
    short = sharing(dataset=digits, environ={"ORDERSEARCH_MEMORY": str(2 * n_bytes - 1)})
    assert (short.n, short.threads, short.note) == (1, 2, "1 process instead of 2: more would not fit into memory.")
    streamed = sharing(dataset=digits, environ={"ORDERSEARCH_MEMORY": "1000"})
    assert "instead of 2: the data do not fit into memory and are read batch by batch." in streamed.note
    assert sharing(2, dataset=digits, environ={"ORDERSEARCH_MEMORY": "1000"}).n == 2, "as asked"


@pytest.mark.usefixtures("two_cores")
def test_a_gpu_has_one_process_unless_more_are_asked_for() -> None:
    assert sharing(device="cuda").n == 1
    assert sharing(2, device="cuda").n == 2


@pytest.mark.usefixtures("two_cores")
def test_fewer_threads_that_the_user_asked_for_stay_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sharing(1, environ={"OMP_NUM_THREADS": "1"}).threads == 1
    monkeypatch.setattr("ordersearch.workers.sharing.available_cores", lambda *_, **__: 8)
    assert sharing(2, environ={"OMP_NUM_THREADS": "3"}).threads == 3
    assert sharing(2, environ={"OMP_NUM_THREADS": "6"}).threads == 4


@pytest.mark.usefixtures("two_cores")
def test_more_workers_than_cores_are_refused() -> None:
    with pytest.raises(WorkersError, match=r"got 3, but this process may use 2 cores.* Take 2 or fewer, or auto\."):
        sharing(3)


@POSIX
@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("sqlite:///a.db", r"SQLite \(sqlite:///a.db\), which locks as a whole.*Optuna advises against it.*journal"),
        ("sqlite+pysqlite:///:memory:", "Optuna advises against it"),
        ("", "kept in this process's memory"),
    ],
)
def test_storages_that_cannot_be_shared_are_refused_and_avoided(location: str, told: str) -> None:
    with pytest.raises(WorkersError, match=f"--workers: got 2, but the study is .*{told}.* Take 1"):
        sharing(2, location=location)
    found = sharing(location=location)
    assert found.n == 1
    assert found.note.startswith("One process instead of 2: the study is kept in")
    assert sharing(1, location=location).note == "" == sharing(n_trials=1, location=location).note
