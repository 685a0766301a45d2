"""Storages: opened by path or URL, refused with a sentence that shows no password."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage

from ordersearch.errors import StorageError, without_password
from ordersearch.study.storage import open_storage, plain_interrupts, run_folder


def test_a_journal_file_and_a_database_are_opened(tmp_path: Path) -> None:
    journal = open_storage(str(tmp_path / "study.journal"))
    database = open_storage(f"sqlite:///{tmp_path}/study.db")
    assert isinstance(journal, JournalStorage)
    assert isinstance(database, optuna.storages._CachedStorage | RDBStorage)
    for storage in (journal, database):
        assert optuna.create_study(storage=storage, study_name="one").study_name == "one"


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("study", r"Storage 'study' cannot be opened \(ValueError: a storage is a path that ends in \.journal"),
        ("no/such/study.journal", r"there is no folder no/such"),
        ("nodb://x", r"Storage 'nodb://x' cannot be opened"),
        ("sqlite:////no/such/study.db", r"cannot be opened \(OperationalError"),
    ],
)
def test_what_cannot_be_opened_is_said(location: str, message: str) -> None:
    with pytest.raises(StorageError, match=message):
        open_storage(location)


def test_a_password_is_never_shown() -> None:
    url = "postgresql://ada:s3cret@localhost:1/studies"
    assert without_password(f"cannot reach {url}, tried {url}").count("ada:***@localhost") == 2
    with pytest.raises(StorageError, match=r"ada:\*\*\*@localhost") as raised:
        open_storage(url)
    assert "s3cret" not in str(raised.value)


def test_a_folder_is_made_and_must_be_writable(tmp_path: Path) -> None:
    assert run_folder(tmp_path / "runs", "one").is_dir()
    assert list((tmp_path / "runs" / "one").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/one: cannot be written \(.*\)\. Choose another parent folder"):
        run_folder(tmp_path / "file", "one")


@pytest.mark.parametrize("n_cut", [1, 20])
def test_a_journal_that_a_crash_cut_in_a_line_is_gone_on_with(tmp_path: Path, n_cut: int) -> None:
    path = tmp_path / "study.journal"
    study = optuna.create_study(storage=open_storage(str(path)), study_name="one")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    study.set_user_attr("last", "lost")
    path.write_bytes(path.read_bytes()[:-n_cut])
    again = optuna.load_study(storage=open_storage(str(path)), study_name="one")
    assert [trial.value for trial in again.trials] == [1.0]
    again.set_user_attr("later", "kept")
    assert optuna.load_study(storage=open_storage(str(path)), study_name="one").user_attrs == {"later": "kept"}


def test_a_lock_is_a_link_that_leads_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage = open_storage("study.journal")
    assert isinstance(storage, JournalStorage)
    assert Path(storage._backend._own_lock._lock_target_file).is_absolute()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [UnboundLocalError, FileNotFoundError, RuntimeError])
def test_an_error_in_answering_an_interrupt_is_the_interrupt(kind: type[Exception]) -> None:
    def giving_a_lock_back() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise kind("gone")

    with pytest.raises(KeyboardInterrupt, match=r"^$"), plain_interrupts():
        giving_a_lock_back()
    with pytest.raises(kind, match="gone"), plain_interrupts():
        raise kind("gone")
