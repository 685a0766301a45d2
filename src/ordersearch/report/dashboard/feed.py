"""Where optuna-dashboard finds what it shows of a study besides its trials: notes, plots and artifacts.

The keys are those of ``optuna_dashboard.save_note``, ``save_plotly_graph_object`` and its trials' artifacts. They are
written here because importing optuna-dashboard takes two seconds of CPU, plotly is needed for nothing else, those
functions write what is there already, and ``optuna.artifacts`` gives nothing to a trial that has ended.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from ordersearch.documents import write_whole

LONGEST = 2045
"""Characters of an attribute: what every database takes."""

OWN_BELOW = "*Above this line ordersearch writes anew; what you write below it stays.*"

MIME_TYPES = {".svg": "image/svg+xml", ".txt": "text/plain", ".csv": "text/csv"}


class Feed:
    """Writes what optuna-dashboard shows of one study; what is there already is not written again.

    Args:
        storage: Where the study is kept.
        study_id: Which, in this storage.
        folder: Of the artifacts.
    """

    def __init__(self, storage: BaseStorage, study_id: int, folder: Path) -> None:
        self.storage, self.study_id, self.folder = storage, study_id, folder
        self._name = storage.get_study_name_from_id(study_id)
        # Read anew by each feed: another process may have written a longer text, whose end must go.
        self._there: dict[str, Any] = dict(storage.get_study_system_attrs(study_id))

    def note(self, text: str) -> None:
        """Write the study's note; what a person wrote below the line stays."""
        _, found, own = self._text("dashboard:note_str:").partition(OWN_BELOW)
        self._put_note("dashboard:note", f"{text}\n\n---\n{OWN_BELOW}{own if found else ''}")

    def trial_note(self, trial_id: int) -> str:
        """The note that a trial has, or nothing."""
        return self._text(f"dashboard:{trial_id}:note_str:")

    def put_trial_note(self, trial_id: int, text: str) -> None:
        """Write a trial's note."""
        self._put_note(f"dashboard:{trial_id}:note", text)

    def plot(self, name: str, figure: Mapping[str, Any]) -> None:
        """Write a plotly figure, in place of the one of the same name.

        Args:
            name: Letters, digits, ``-``, ``_`` and ``.``.
            figure: ``data`` and ``layout``, as plain values.
        """
        text = json.dumps(figure, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        self._put_text(f"dashboard:plot_data:{name}:", text)

    def has_artifact(self, trial_id: int, name: str) -> bool:
        """Whether a trial has a file of this name."""
        artifact = self._artifact(trial_id, name)
        return f"dashboard:artifacts:{trial_id}:{artifact}" in self._there and (self.folder / artifact).is_file()

    def put_artifact(self, trial_id: int, name: str, text: str) -> None:
        """Give a trial a file, in place of the one of the same name.

        Args:
            trial_id: Which trial, in this storage.
            name: What the file is called; its ending says what it is: ``.svg``, ``.csv`` or ``.txt``.
            text: What is in it.
        """
        artifact = self._artifact(trial_id, name)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / artifact, text)
        mimetype = MIME_TYPES[Path(name).suffix]
        meta = {"artifact_id": artifact, "filename": name, "mimetype": mimetype, "encoding": None}
        self._put(f"dashboard:artifacts:{trial_id}:{artifact}", json.dumps(meta))

    def address(self, trial_id: int, name: str) -> str:
        """Where the dashboard serves a trial's file."""
        return f"/artifacts/{self.study_id}/{trial_id}/{self._artifact(trial_id, name)}"

    def _artifact(self, trial_id: int, name: str) -> str:
        """The same for the same file: whoever writes it, and however often, there is one."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._name}/{trial_id}/{name}"))

    def _put_note(self, prefix: str, text: str) -> None:
        if self._text(f"{prefix}_str:") != text:
            # The dashboard takes a note for changed when its version is another one.
            self._put(f"{prefix}_ver", int(self._there.get(f"{prefix}_ver", 0)) + 1)
            self._put_text(f"{prefix}_str:", text)

    def _text(self, prefix: str) -> str:
        return "".join(self._there[f"{prefix}{n}"] for n in range(self._n_pieces(prefix)))

    def _n_pieces(self, prefix: str) -> int:
        return next(n for n in range(len(self._there) + 1) if f"{prefix}{n}" not in self._there)

    def _put_text(self, prefix: str, text: str) -> None:
        pieces = [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)]
        # Attributes cannot be deleted, so what is left of a longer text is emptied.
        pieces += [""] * (self._n_pieces(prefix) - len(pieces))
        for n, piece in enumerate(pieces):
            self._put(f"{prefix}{n}", piece)

    def _put(self, key: str, value: Any) -> None:
        if self._there.get(key) != value:
            self.storage.set_study_system_attr(self.study_id, key, value)
            self._there[key] = value
