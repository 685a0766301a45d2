from __future__ import annotations

import threading
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ordersearch.objective.journal import NotedJournal, noted_together


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def study_in(journal: Path) -> optuna.Study:
    return optuna.create_study(study_name="noted", storage=JournalStorage(NotedJournal(str(journal))))


def n_lines(journal: Path) -> int:
    return len(journal.read_text().splitlines())


def kept(journal: Path) -> dict[str, object]:
    """The attributes of the first trial, as Optuna's own journal file reads them."""
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.load_study(study_name="noted", storage=storage).trials[0].user_attrs


def test_notes_are_written_when_they_are_complete(journal: Path) -> None:
    trial = study_in(journal).ask()
    before = n_lines(journal)
    with noted_together():
        trial.set_user_attr("a", 1)
        with noted_together():
            assert trial.suggest_float("x", 0, 1) == trial.params["x"]
        assert n_lines(journal) == before
    assert n_lines(journal) == before + 2
    assert kept(journal) == {"a": 1}
    trial.set_user_attr("b", 2)
    assert kept(journal) == {"a": 1, "b": 2}


def test_notes_before_an_error_are_kept(journal: Path) -> None:
    trial = study_in(journal).ask()
    with pytest.raises(ValueError, match="as it is meant to"), noted_together():
        trial.set_user_attr("a", 1)
        raise ValueError("as it is meant to")
    assert kept(journal) == {"a": 1}


def test_another_thread_does_not_wait(journal: Path) -> None:
    trial = study_in(journal).ask()
    with noted_together():
        other = threading.Thread(target=trial.set_user_attr, args=("b", 2))
        other.start()
        other.join()
        assert kept(journal) == {"b": 2}


def test_a_write_a_trial_and_not_one_an_attribute(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = study_in(journal).ask()
    writes: list[int] = []
    append = JournalFileBackend.append_logs
    monkeypatch.setattr(
        JournalFileBackend, "append_logs", lambda self, logs: (writes.append(len(logs)), append(self, logs))[1]
    )
    with noted_together():
        for number in range(5):
            trial.set_user_attr(str(number), number)
    assert writes == [5]
