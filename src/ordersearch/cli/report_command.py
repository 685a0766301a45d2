"""The command ``report``: a run told again, from what its storage holds."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ordersearch.cli.interrupts import put_off
from ordersearch.cli.runs import RUNS, existing_storage, journal_in, known_runs, run_path
from ordersearch.documents import write_whole
from ordersearch.errors import OrdersearchError, StorageError, unknown_name, without_password

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from ordersearch.study.kept_study import KeptStudy

FORMATS = ("html", "md", "csv", "json")


class ReportError(OrdersearchError, ValueError):
    """Options that do not go together, or a storage without a search."""


@dataclass(frozen=True)
class ReportOptions:
    """The options of ``report`` as given."""

    run: str = ""
    storage: str = ""
    name: str = ""
    format: str = ""
    out: str = ""


def run_report(options: ReportOptions) -> int:
    """Write or print the report of a run; the exit code."""
    kind = _format(options)
    location, folder = _location(options)
    with put_off():
        from ordersearch.study.kept_study import read_study, search_names
        from ordersearch.study.storage import open_storage
    storage = open_storage(location)
    name = options.name or _only_name(search_names(storage), location)
    text = text_of(read_study(storage, name), kind)
    if not options.out and kind != "html":
        print(text, end="")
        return 0
    path = _target(options.out, folder, name, kind)
    _write(path, text)
    print(f"Report:  {path}")
    return 0


def text_of(kept: KeptStudy, kind: str) -> str:
    """The report of a study in a format: ``html``, ``md``, ``csv`` or ``json``."""
    from ordersearch.report.documents import csv_table, json_document
    from ordersearch.report.html import html_page
    from ordersearch.report.markdown import markdown
    from ordersearch.report.summary import report_of

    if kind == "csv":
        return _whole_characters(csv_table(kept))
    report = report_of(kept)
    if kind == "json":
        return json_document(report, kept)
    return _whole_characters(html_page(report) if kind == "html" else markdown(report))


def report_beside(folder: Path, storage: BaseStorage, name: str) -> list[Path]:
    """Write ``report.html`` into a run's folder and give its path; what goes wrong is said, and stops nothing.

    Args:
        folder: The run's.
        storage: Where its study is kept.
        name: Of the study.
    """
    from ordersearch.study.kept_study import read_study

    path = folder / "report.html"
    try:
        write_whole(path, text_of(read_study(storage, name), "html"))
    except Exception as cause:  # noqa: BLE001 - the search's result is worth more than its report
        told = without_password(f"{type(cause).__name__}: {cause}".splitlines()[0])[:300]
        print(f"{path} was not written ({told}). python -m ordersearch report tries again.", file=sys.stderr)
        return []
    return [path]


def _whole_characters(text: str) -> str:
    """The text as a file can hold it: a name that came from elsewhere may have half of a character."""
    return text.encode("utf-8", "replace").decode()


def _format(options: ReportOptions) -> str:
    if options.format and options.format not in FORMATS:
        raise unknown_name("format", options.format, FORMATS, where="--format")
    ending = Path(options.out).suffix.removeprefix(".")
    return options.format or (ending if ending in FORMATS else FORMATS[0])


def _location(options: ReportOptions) -> tuple[str, Path | None]:
    """Where the study is kept, and the run's folder, if it is in one."""
    if options.storage:
        if options.run:
            raise ReportError(f"Got the run {options.run!r} and --storage, but a report is of one study: give either.")
        return existing_storage(options.storage), None
    if not options.run:
        raise ReportError(f"Which run? Give its folder, or --storage URL --name NAME.{known_runs(RUNS)}")
    path = run_path(options.run)
    journal = path if path.is_file() else journal_in(path)
    return str(journal), journal.parent


def _only_name(names: list[str], location: str) -> str:
    shown = without_password(location)
    if not names:
        raise ReportError(f"{shown}: holds no search of ordersearch yet.")
    if len(names) > 1:
        raise ReportError(f"{shown}: holds {len(names)} searches, so say which: --name {', --name '.join(names[:20])}.")
    return names[0]


def _target(out: str, folder: Path | None, name: str, kind: str) -> Path:
    if out:
        return Path(out) / f"report.{kind}" if Path(out).is_dir() else Path(out)
    stem = re.sub(r"[^\w.+-]+", "-", name)[:100]
    return folder / f"report.{kind}" if folder else Path(f"{stem}-report.{kind}")


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as cause:
        raise StorageError(f"{path}: cannot be written ({cause.strerror or cause}). Give another --out.") from cause
