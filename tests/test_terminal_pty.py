"""The live screen in a real terminal: what others print, keys, signals, and terminals that can show little."""

from __future__ import annotations

import re
import signal
import sys
import time
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminals of this kind", allow_module_level=True)

from tests.searches import SMALL_SPACE
from tests.terminals import Terminal

pytestmark = pytest.mark.slow

ROOT = str(Path(__file__).parent.parent)
NOISY = ["-m", "tests.noisy_search"]


def noisy(n_trials: int, **options: object) -> Terminal:
    return Terminal([*NOISY, str(n_trials)], folder=ROOT, **options)  # type: ignore[arg-type]


def test_what_others_print_stands_above_the_screen_and_tears_nothing() -> None:
    terminal = noisy(6, columns=100, lines=30)
    began = time.monotonic()
    terminal.wait_for(r"[3-5]/6 trials")
    lines = terminal.shown()
    assert sum("Searching digits" in line for line in lines) == 1
    where = next(place for place, line in enumerate(lines) if "Searching digits" in line)
    assert any(line.startswith("from C ") for line in lines[:where]), lines
    assert not any(line.startswith("from C ") for line in lines[where:]), lines
    assert terminal.finish() == 0
    told = terminal.all()
    assert not any("Searching digits" in line for line in told), "nothing of the screen is left"
    assert told.count("UserWarning: python warns (noisy_search.py:32)") == 1
    assert sum("torch.range is deprecated" in line for line in told) == 1
    assert told.count("a library logs") == 1
    printed = [f"{trial}.{epoch}" for trial in range(6) for epoch in range(2)]
    assert [line for line in told if line.startswith("printed")] == [
        f"printed {name} [red]as it is[/red] 0;title" for name in printed
    ]
    assert [line for line in told if line.startswith("from C")] == [f"from C {name}" for name in printed]
    assert told.count("over it") == 12
    assert terminal.screen.title == ""
    assert 1 <= terminal.raw.count(b"Searching") <= 4 * (time.monotonic() - began) + 1
    assert b"\x1b[?" not in terminal.raw, "the cursor is not hidden and no other screen is shown: a kill does no harm"


def test_keys_and_another_size_tear_nothing() -> None:
    terminal = noisy(12, columns=100, lines=30)
    terminal.wait_for(r"\d/12 trials")
    terminal.send(b"typed\r")
    terminal.wait_for(r"[4-9]/12 trials")
    # Fewer columns alone: of fewer lines, the emulator does not move the cursor as terminals do.
    terminal.resize(60, 30)
    terminal.wait_for(r"Searching digits\n━.*/12 trials")
    assert sum("Searching digits" in line for line in terminal.shown()) == 1
    assert max(map(len, terminal.shown())) <= 60
    assert terminal.finish() == 0


@pytest.mark.parametrize("ending", ["key", "SIGTERM"])
def test_an_interrupt_leaves_a_terminal_that_is_well(ending: str) -> None:
    terminal = noisy(500)
    terminal.wait_for(r"[1-9]/500 trials")
    if ending == "key":
        terminal.send(b"\x03")
    else:
        terminal.kill(getattr(signal, ending))
    assert terminal.finish() == 0
    told = [line for line in terminal.all() if line]
    assert re.fullmatch(r"Searched digits: \d+ trials in 0:\d\d", told[-2])
    assert told[-1] == "ended: interrupted"
    assert b"\x1b[?" not in terminal.raw


@pytest.mark.parametrize(
    ("environ", "pattern"), [({"NO_COLOR": "1"}, rb"\x1b\[(?:\d;)*[34]\d"), ({"TERM": "dumb"}, rb"\x1b\[[JKA\d]")]
)
def test_a_terminal_is_sent_only_what_it_is_to_have(environ: dict[str, str], pattern: bytes) -> None:
    terminal = noisy(2, environ=environ)
    assert terminal.finish() == 0
    # What the search's own noise sends stands behind a known word.
    raw = re.sub(rb"printed [^\r\n]*|and the rest[^\n]*", b"", terminal.raw)
    assert not re.search(pattern, raw)
    assert ("[2/2" in "\n".join(terminal.all())) == ("TERM" in environ)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import numpy as np

    from ordersearch.data import load_dataset

    digits = load_dataset("digits")
    (tmp_path / "small.yaml").write_text(SMALL_SPACE)
    np.savez(tmp_path / "few [red]\N{GRINNING FACE}.npz", x=digits.x[:120, 0], y=digits.y[:120])
    return tmp_path


COMMAND = ("-m", "ordersearch", "few [red]\N{GRINNING FACE}.npz", "--space", "small.yaml", "--max-epochs", "1")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_whole_run_keeps_to_a_narrow_terminal_in_any_encoding(folder: Path, encoding: str) -> None:
    terminal = Terminal(
        [*COMMAND, "--trials", "4", "--confirm", "5", "--workers", "1"],
        columns=60,
        lines=20,
        environ={"PYTHONIOENCODING": encoding, "PYTHONPATH": f"{ROOT}/src"},
        folder=str(folder),
    )
    assert terminal.finish() == 0, "\n".join(terminal.all())
    told = "\n".join(terminal.all())
    assert "few [red]" in told
    assert "Traceback" not in told
    assert re.search(r"Searched few \[red\].*: 4 trials in \d:\d\d", told)
    assert re.search(r"Confirmed the best: 10 runs in \d:\d\d", told)
    assert "Confirmed on fresh pairs, by val/loss" in told
    assert "Verdict: " in told
    whole = " ".join(told.split())
    assert "conv > batch_norm > max_pool > relu" in whole
    assert ("─" in terminal.raw.decode("utf-8", "replace")) == (encoding == "utf-8")


def test_a_quiet_run_shows_the_verdict_alone(folder: Path) -> None:
    terminal = Terminal(
        [*COMMAND, "--trials", "2", "--confirm", "off", "--quiet"],
        environ={"PYTHONPATH": f"{ROOT}/src"},
        folder=str(folder),
    )
    assert terminal.finish() == 0
    told = [line for line in terminal.all() if line]
    assert told[0].startswith("Verdict: ")
    assert all(line.startswith(" ") for line in told[1:]), "it is one sentence or a few, broken between words"
    assert b"\x1b[J" not in terminal.raw
