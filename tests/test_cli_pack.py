"""``--pack`` as users meet it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ordersearch.cli.options import SearchOptions, resume_command
from tests.test_cli import SMALL, Run, run, trials

__all__ = ["run"]


def test_seeds_are_trained_together_when_asked(run: Run, tmp_path: Path) -> None:
    ended = run(*SMALL, "--pack", "2", "--max-seeds", "2", "--name", "packed")
    assert ended.code == 0
    assert "Packs    every setting with 2 seeds at once, judged by their mean, 2 pairs of the confirmation" in ended.out
    rows = trials(tmp_path / "runs" / "packed")
    assert len(rows) == 8
    assert {(row["trial"], row["seed"]) for row in rows} == {(str(t), str(s)) for t in range(4) for s in range(2)}
    again = run(*SMALL, "--max-seeds", "2", "--name", "packed")
    assert again.code == 0, "what the study was made with is taken again"
    assert "(as when the study was made)" in again.out
    assert trials(tmp_path / "runs" / "packed") == rows


def test_other_packs_are_another_study(run: Run) -> None:
    assert run(*SMALL, "--trials", "1", "--pack", "off").code == 0
    ended = run(*SMALL, "--trials", "1", "--pack", "3")
    assert ended.code == 2
    assert "was made with another pack of the search (pack of the search None, now 3" in ended.err


@pytest.mark.parametrize("given", ["0", "-1", "some", "1.5"])
def test_a_pack_is_a_number_of_seeds(run: Run, given: str) -> None:
    ended = run(*SMALL, f"--pack={given}")
    assert ended.code == 2
    assert f"--pack: got '{given}', but it is auto, off or a number of seeds, 1 or more." in ended.err


def test_the_command_that_resumes_names_the_pack() -> None:
    assert "--pack 3" in resume_command(SearchOptions("digits", pack="3"))
