"""Writing notes, plots and artifacts of a search, its confirmations and its baseline, from what their storage holds."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ordersearch.report.dashboard.feed import Feed
from ordersearch.report.dashboard.figure import Figure
from ordersearch.report.dashboard.pictures import confusion_matrix, confusion_table, learning_curve
from ordersearch.report.dashboard.plots import OF_FINALISTS, figures
from ordersearch.report.dashboard.study_note import (
    baseline_note,
    confirmation_note,
    older_confirmation_note,
    search_note,
)
from ordersearch.report.dashboard.trial_note import block_text, trial_note
from ordersearch.results import Attribute, runs_of
from ordersearch.space import SearchSpace
from ordersearch.study.kept_study import KeptStudy, read_study
from ordersearch.study.observer import Progress

MOST_NOTES = 1000
"""Trials of a study that get a note, those with pictures besides. For each trial the dashboard looks through all notes:
the first page of 5000 trials took 7 s with 1000 notes, 49 s with 5000."""

BLOCK_FILE = "block.txt"

N_PICTURED = 5
"""Places of the leaderboard whose trials get a picture and their block as a file."""


def refresh(
    storage: BaseStorage,
    name: str,
    folder: Path,
    progress: Progress | None = None,
    space: SearchSpace | None = None,
) -> None:
    """Write everything that the dashboard shows of a search; what is there already is not written again.

    Args:
        storage: Where it is kept.
        name: Of the search.
        folder: Of the artifacts.
        progress: Where the search stands, while it runs.
        space: Of the search, where it is at hand: to count its classes anew takes a tenth of a second.

    Raises:
        StorageError: The storage failed.
        StudyMismatchError: It is no search of ordersearch.
        OSError: An artifact cannot be written.
    """
    kept = _read(storage, name, space)
    plots = figures(kept)
    _refresh_search(storage, kept, folder, plots, progress)
    _refresh_confirmation(storage, kept, folder, plots)
    _refresh_others(storage, kept, folder)


def refresh_notes(
    storage: BaseStorage,
    name: str,
    folder: Path,
    progress: Progress | None = None,
    space: SearchSpace | None = None,
) -> None:
    """Write the notes of a search and of its last confirmation alone; arguments as for ``refresh``."""
    kept = _read(storage, name, space)
    study, trials = _study(storage, name)
    Feed(storage, study, folder).note(search_note(kept, trials, progress, MOST_NOTES))
    if kept.confirmed is not None:
        study, trials = _study(storage, kept.confirmed.study)
        Feed(storage, study, folder).note(confirmation_note(kept, trials))


def _read(storage: BaseStorage, name: str, space: SearchSpace | None) -> KeptStudy:
    kept = read_study(storage, name)
    return kept if space is None else replace(kept, record=replace(kept.record, space=space))


def _study(storage: BaseStorage, name: str) -> tuple[int, Sequence[FrozenTrial]]:
    study = storage.get_study_id_from_name(name)
    return study, storage.get_all_trials(study, deepcopy=False)


def _refresh_search(
    storage: BaseStorage, kept: KeptStudy, folder: Path, plots: Mapping[str, Figure], progress: Progress | None
) -> None:
    study, trials = _study(storage, kept.record.name)
    feed = Feed(storage, study, folder)
    feed.note(search_note(kept, trials, progress, MOST_NOTES))
    for plot, figure in plots.items():
        feed.plot(plot, figure)
    best = {run.trial for place in kept.result.places[:N_PICTURED] for run in kept.result.runs_of(place)}
    _write_trials(feed, kept, trials, best)


def _refresh_confirmation(storage: BaseStorage, kept: KeptStudy, folder: Path, plots: Mapping[str, Figure]) -> None:
    if kept.confirmed is None:
        return
    study, trials = _study(storage, kept.confirmed.study)
    feed = Feed(storage, study, folder)
    feed.note(confirmation_note(kept, trials))
    for plot, figure in plots.items():
        if plot in OF_FINALISTS:
            feed.plot(plot, figure)
    _write_trials(feed, kept, trials, range(MOST_NOTES))


def _refresh_others(storage: BaseStorage, kept: KeptStudy, folder: Path) -> None:
    """The notes of the baseline's study and of earlier confirmations."""
    known = re.escape(kept.record.name)
    for study in storage.get_all_studies():
        name = study.study_name
        if kept.confirmed and name != kept.confirmed.study and re.fullmatch(rf"{known}-confirm(-\d+)?", name):
            Feed(storage, study._study_id, folder).note(older_confirmation_note(kept, name))
        elif re.fullmatch(rf"{known}-baseline-[0-9a-f]{{8}}", name) and Attribute.CONFIRMATION in study.user_attrs:
            trials = storage.get_all_trials(study._study_id, deepcopy=False)
            feed = Feed(storage, study._study_id, folder)
            feed.note(baseline_note(kept, name, [run for trial in trials for run in runs_of(trial)]))
            _write_trials(feed, kept, trials)


def _write_trials(feed: Feed, kept: KeptStudy, trials: Sequence[FrozenTrial], pictured: Container[int] = ()) -> None:
    """A note for each trial that has ended, and for some of them their files, which the note then shows.

    What stands there is not written again, so that what a person wrote into it stays.
    """
    training, dims = kept.record.training, kept.record.dataset.dims
    for trial in trials:
        if trial.number >= MOST_NOTES and trial.number not in pictured:
            continue
        there = feed.trial_note(trial._trial_id)
        is_pictured = trial.number in pictured and trial.state is TrialState.COMPLETE
        # A run that was copied without its artifacts has notes whose pictures are gone.
        is_whole = not is_pictured or ("/artifacts/" in there and feed.has_artifact(trial._trial_id, BLOCK_FILE))
        if not trial.state.is_finished() or (there and is_whole):
            continue
        note = trial_note(runs_of(trial), training.metric, training.max_epochs, dims)
        if is_pictured:
            shown = _write_artifacts(feed, kept, trial)
            if there in ("", note):
                feed.put_trial_note(trial._trial_id, "\n\n".join([note, *shown]))
        elif not there:
            feed.put_trial_note(trial._trial_id, note)


def _write_artifacts(feed: Feed, kept: KeptStudy, trial: FrozenTrial) -> list[str]:
    """A trial's files; gives the markdown that shows the pictures among them."""
    runs, name = runs_of(trial), f"Trial {trial.number}"
    losses = [run.validation_losses for run in runs if run.validation_losses]
    curves = losses or [tuple(trial.intermediate_values.values())]
    files = {
        "learning-curve.svg": learning_curve(curves, "val/loss" if losses else kept.record.training.metric, name),
        BLOCK_FILE: block_text(runs[0]),
        **_confusion_files(kept, trial, name),
    }
    written = {file: text for file, text in files.items() if text}
    for file, text in written.items():
        if not feed.has_artifact(trial._trial_id, file):
            feed.put_artifact(trial._trial_id, file, text)
    return [f"![{file}]({feed.address(trial._trial_id, file)})" for file in written if file.endswith(".svg")]


def _confusion_files(kept: KeptStudy, trial: FrozenTrial, name: str) -> dict[str, str]:
    counts = confusion_of(trial)
    if not counts:
        return {}
    given = kept.record.dataset.class_names
    names = given if len(given) == len(counts) else tuple(map(str, range(len(counts))))
    return {
        "confusion-matrix.svg": confusion_matrix(counts, names, f"{name}, test part"),
        "confusion-matrix.csv": confusion_table(counts, names),
    }


def confusion_of(trial: FrozenTrial) -> list[list[int]]:
    """A finalist's confusion matrix on the test part, summed over its seeds; empty where the trial has none."""
    counts: list[list[int]] = trial.system_attrs.get(Attribute.CONFUSION, [])
    return counts
