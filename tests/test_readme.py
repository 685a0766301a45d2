"""The README's commands and programs, run one after the other as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def runnable() -> list[str]:
    """Shell commands of ordersearch, without the installation in front of them, and Python programs."""
    found = []
    for language, text in BLOCKS:
        if language == "python":
            found.append(text)
        elif "pytest" not in text:
            command = text.rpartition("&&")[2].strip().removeprefix(".venv/bin/")
            # The first command takes minutes; what it does is the same with a smaller budget.
            short = " --trials 14 --max-epochs 2 --confirm 5" if command.endswith("-m ordersearch digits") else ""
            found.append(f"$ {command}{short}")
    return found


@pytest.mark.slow
def test_every_command_and_program_of_the_readme_runs(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    assert len(runnable()) >= 6
    for text in runnable():
        command = ["bash", "-c", text[2:]] if text.startswith("$ ") else [sys.executable, "-c", text]
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
    assert (tmp_path / "runs" / "digits-conv" / "blocks.yaml").exists()


def test_the_readme_counts_the_spaces_as_they_are() -> None:
    from ordersearch import SearchSpace

    text = (ROOT / "README.md").read_text()
    for name in ("conv", "dense", "wide"):
        space = SearchSpace.load(name)
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`") and "rates counted" in line)
        assert (
            f"| {space.n_specs} | {space.n_classes} | {1 - space.n_classes / space.n_specs:.0%}".replace("%", " %")
            in row
        )


def test_the_first_screen_installs_runs_and_tests() -> None:
    commands = [text for language, text in BLOCKS if language == "bash"][:2]
    assert all(command.startswith("python3 -m venv .venv && .venv/bin/pip install") for command in commands)
    assert commands[0].rstrip().endswith("-m ordersearch digits")


def test_the_explanation_in_the_readme_is_what_is_printed() -> None:
    from ordersearch import BlockSpec
    from ordersearch.report.orders import explanation, explanation_lines

    shown = re.search(r"```text\n(  input\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown
    lines = list(explanation_lines(explanation(BlockSpec.parse("conv > batch_norm > relu > dropout > max_pool"))))
    assert shown.group(1).splitlines() == lines[: len(shown.group(1).splitlines())]
