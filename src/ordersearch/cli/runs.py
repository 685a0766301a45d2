"""The runs that searches have left behind: where they are, and which one a word names."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ordersearch.errors import OrdersearchError, nearest, without_password

RUNS = Path("runs")
JOURNAL = "study.journal"
ARTIFACTS = "artifacts"


class RunError(OrdersearchError, LookupError):
    """A run that is none."""


def run_path(text: str) -> Path:
    """What a word names: a path, or the name of a run in ``runs``.

    Raises:
        RunError: Neither is there.
    """
    for path in (Path(text), RUNS / text):
        if path.exists():
            return path
    path = Path(text)
    known = [*runs_in(path.parent), *runs_in(RUNS)]
    close = nearest(path.name, [run.name for run in known])
    hint = next((f" Did you mean {str(run)!r}?" for run in known if close and run.name == close[0]), "")
    raise RunError(f"{path}: there is no such run.{hint or known_runs(RUNS)} A run is the folder with {JOURNAL}.")


def journal_in(folder: Path) -> Path:
    """The journal of a run's folder.

    Raises:
        RunError: It has none.
    """
    if not (folder / JOURNAL).is_file():
        raise RunError(
            f"{folder}: holds no {JOURNAL}, so it is no run's folder.{known_runs(folder)} If the study is in a "
            "database, say so with --storage URL."
        )
    return folder / JOURNAL


def existing_storage(location: str) -> str:
    """The location of a storage that is only read: it would be made where it is not.

    Raises:
        RunError: It is a file that is not there.
    """
    file = _file_of(location)
    if file and not Path(file).exists():
        raise RunError(f"--storage: got {without_password(location)!r}, but there is no file {file!r}. Check the path.")
    return location


def _file_of(location: str) -> str:
    """The file that a storage is kept in; empty where it is in none."""
    if location.startswith("sqlite"):
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        with suppress(ArgumentError):
            return make_url(location).database or ""
    return location if location.endswith((".journal", ".log")) and "://" not in location else ""


def newest_run() -> Path:
    """The folder in ``runs`` whose journal was written last.

    Raises:
        RunError: There is none.
    """
    found = runs_in(RUNS)
    if not found:
        raise RunError(f"{RUNS}: holds no run. Search first, or name the folder of a run.")
    return max(found, key=lambda run: (run / JOURNAL).stat().st_mtime)


def runs_in(folder: Path) -> list[Path]:
    """The folders of runs in a folder, by name."""
    return sorted(file.parent for file in folder.glob(f"*/{JOURNAL}")) if folder.is_dir() else []


def known_runs(folder: Path) -> str:
    """A sentence that names the runs in a folder; nothing where there are none."""
    found = runs_in(folder)
    more = f" and {len(found) - 10} more" if len(found) > 10 else ""
    return f" Runs there: {', '.join(map(str, found[:10]))}{more}." if found else ""
