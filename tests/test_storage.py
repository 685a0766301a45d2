"""Storages: opened by path or URL, refused with a sentence that shows no password."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage

from ordersearch.errors import StorageError
from ordersearch.study.storage import open_storage, run_folder, without_password


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
