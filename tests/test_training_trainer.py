from __future__ import annotations

from pathlib import Path

import pytest

from ordersearch.training.framework import pl
from ordersearch.training.trainer import build_trainer, quiet


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a callback that an installed package offers to every trainer."""
    metadata = tmp_path / "foreign-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{pl.__name__}.callbacks_factory]\nforeign = foreign_package:make\n")
    (tmp_path / "foreign_package.py").write_text(
        f"from {pl.__name__} import Callback\nclass Foreign(Callback): ...\ndef make(): return [Foreign()]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "Foreign"


def names_of_callbacks(trainer: pl.Trainer) -> list[str]:
    return [type(callback).__name__ for callback in trainer.callbacks]  # type: ignore[attr-defined]


def test_what_other_packages_offer_has_no_part_in_a_training(foreign: str) -> None:
    with quiet():
        assert foreign not in names_of_callbacks(build_trainer(max_epochs=1, device="cpu", callbacks=[]))


def test_a_users_own_trainer_keeps_what_other_packages_offer(foreign: str) -> None:
    with quiet():
        build_trainer(max_epochs=1, device="cpu", callbacks=[])
        own = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    assert foreign in names_of_callbacks(own)
