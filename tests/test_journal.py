from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ordersearch.journal import NotedJournal, noted_together


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def study_in(journal: Path) -> optuna.Study:
    return optuna.create_study(study_name="noted", storage=JournalStorage(NotedJournal(journal)))


def as_optuna_reads(journal: Path) -> JournalStorage:
    """The file as Optuna alone opens it."""
    return JournalStorage(JournalFileBackend(str(journal)))


def n_lines(journal: Path) -> int:
    return len(journal.read_text().splitlines())


def kept(journal: Path) -> dict[str, object]:
    """The attributes of the first trial."""
    return optuna.load_study(study_name="noted", storage=as_optuna_reads(journal)).trials[0].user_attrs


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


@noted_together()
def note_and_fail(trial: optuna.Trial) -> None:
    trial.set_user_attr("a", 1)
    raise ValueError("as it is meant to")


def test_notes_before_an_error_are_kept(journal: Path) -> None:
    trial = study_in(journal).ask()
    with pytest.raises(ValueError, match="as it is meant to"):
        note_and_fail(trial)
    assert kept(journal) == {"a": 1}


def test_another_thread_does_not_wait(journal: Path) -> None:
    trial = study_in(journal).ask()
    with noted_together():
        other = threading.Thread(target=trial.set_user_attr, args=("b", 2))
        other.start()
        other.join()
        assert kept(journal) == {"b": 2}


def test_a_flush_for_all_notes_and_not_one_for_each(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = study_in(journal).ask()
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    with noted_together():
        for number in range(5):
            trial.set_user_attr(str(number), number)
    assert len(flushed) == 1


@pytest.mark.parametrize("n_cut", [1, 20])
def test_a_line_that_another_process_left_unfinished_is_cut_off_before_the_next(journal: Path, n_cut: int) -> None:
    study = study_in(journal)
    study.ask().set_user_attr("a", 1)
    study.set_user_attr("last", "lost" * 2000)
    journal.write_bytes(journal.read_bytes()[:-n_cut])
    study_of_another = optuna.load_study(study_name="noted", storage=JournalStorage(NotedJournal(journal)))
    study_of_another.set_user_attr("later", "kept")
    assert kept(journal) == {"a": 1}
    assert optuna.load_study(study_name="noted", storage=as_optuna_reads(journal)).user_attrs == {"later": "kept"}


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_write_that_a_full_disk_cuts_is_taken_back(journal: Path) -> None:
    study = study_in(journal)
    study.set_user_attr("a", 1)
    size = journal.stat().st_size
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            study.set_user_attr("b", "long" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert journal.stat().st_size == size
    study.set_user_attr("c", 3)
    assert optuna.load_study(study_name="noted", storage=as_optuna_reads(journal)).user_attrs == {"a": 1, "c": 3}


def test_a_file_that_is_gone_is_not_made_anew(journal: Path) -> None:
    study = study_in(journal)
    journal.unlink()
    with pytest.raises(FileNotFoundError, match=r"study\.journal"):
        study.set_user_attr("a", 1)
    assert not journal.exists()
