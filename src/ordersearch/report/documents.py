"""A report for programs: everything as JSON, or the runs as a table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from ordersearch.report.content import Report
from ordersearch.results import Run, State, trials_text
from ordersearch.study.kept_study import KeptStudy

SCHEMA = 1
"""Of the JSON document; a key is never taken away or given another meaning within one."""


def json_document(report: Report, kept: KeptStudy) -> str:
    """The whole report and all runs as JSON; docs/report.md says what the keys are."""
    values = {
        "schema": SCHEMA,
        **asdict(report),
        "search_runs": [_run(run) for run in kept.result.runs],
        "confirmation_runs": [_run(run) for run in (kept.confirmed.runs if kept.confirmed else ())],
    }
    return json.dumps(_finite(values), indent=1, allow_nan=False) + "\n"


def _run(run: Run) -> dict[str, Any]:
    return {own.name: getattr(run, own.name) for own in fields(run)}


def _finite(value: Any) -> Any:
    """The value with what JSON has no number for (infinite, not a number) left empty."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(own) for key, own in value.items()}
    return [_finite(own) for own in value] if isinstance(value, list | tuple) else value


def csv_table(kept: KeptStudy) -> str:
    """The runs of the search and of its last confirmation as CSV, a row a run; ``study`` says which it is of."""
    confirmed = kept.confirmed
    runs = [*kept.result.runs, *(confirmed.runs if confirmed else ())]
    own = [kept.record.name] * len(kept.result.runs)
    studies = [*own, *([confirmed.study] * len(confirmed.runs) if confirmed else [])]
    told = [(study, run) for study, run in zip(studies, runs, strict=True) if run.state is not State.WAITING]
    return trials_text([run for _, run in told], study=[study for study, _ in told])
