"""What the live screen shows of what it is told, at any size."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.storages import InMemoryStorage
from rich.console import Console

from ordersearch.report.live_screen import LiveScreen
from ordersearch.report.scene import Scene
from ordersearch.results import Run, State
from ordersearch.study.observer import Progress, UnderWay
from tests.searches import small_digits, small_search, small_space
from tests.test_terminal_tables import TABLE

ORDER = {"conv": "conv > batch_norm > max_pool > relu > dropout(p=0.1)"}
HOSTILE = "[red]<b>\x1b[2J\n\N{GRINNING FACE}" + "long" * 50


def progress(n: int = 12, n_trials: int | None = 40, **changes: object) -> Progress:
    values = {"n_pruned": 9, "n_failed": 1, "n_reused": 4, "seconds": 21.0, "seconds_left": 58.0}
    return Progress(n_trained=n, n_trials=n_trials, **{**values, **changes})  # type: ignore[arg-type]


def under_way(trial: int, *values: float, n_seeds: int = 1, blocks: Mapping[str, str] = ORDER) -> UnderWay:
    return UnderWay(trial, blocks, n_seeds, 16, values, 3.0)


def scene(**changes: object) -> Scene:
    """A screen that shows all that it can."""
    made = Scene("Searching", "Searched digits", "digits", is_search=True, progress=progress(), table=TABLE)
    made.told = made.heard = time.monotonic()
    made.under_way = {12: under_way(12, 2.3, 0.9, 0.2), 13: under_way(13, 2.2, n_seeds=3)}
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def text_of(made: Scene, width: int = 100, height: int = 30, encoding: str = "utf-8") -> list[str]:
    return [line.plain for line in made.lines(width, height, encoding)]


@given(st.integers(10, 220), st.integers(1, 60), st.integers(0, 12), st.booleans())
def test_the_screen_is_never_larger_than_the_terminal(width: int, height: int, n: int, is_failed: bool) -> None:
    trials = {number: under_way(number, 2.3, 0.9) for number in range(n)}
    lines = scene(under_way=trials, failure=HOSTILE * is_failed).lines(width, height, "utf-8")
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width


def test_a_wide_screen_shows_phase_progress_trials_and_orders() -> None:
    lines = text_of(scene(), 130)
    assert lines[0].startswith("Searching digits  ━━")
    assert lines[0].endswith("─  12/40 trials  0:21, about 0:58 left")
    assert lines[1] == "3 complete, 9 pruned, 1 failed, 4 known networks not trained again"
    assert lines[3] == f"trial 12  epoch 4/16  █▅▁               0.2  0:03  {ORDER['conv']}"
    assert lines[4] == f"trial 13, 3 seeds  epoch 2/16  ▅                 2.2  0:03  {ORDER['conv']}"
    assert lines[6] == "Orders of digits by val/loss"


def test_a_narrow_screen_shows_the_same_on_more_lines() -> None:
    lines = text_of(scene(), 59, 19)
    assert lines[0] == "Searching digits"
    assert lines[1].endswith("12/40 trials  0:21, about 0:58 left")
    assert lines[2:4] == ["3 complete, 9 pruned, 1 failed", "4 known networks not trained again"]
    assert lines[5].startswith("trial 12  epoch 4/16")
    assert lines[6] == f"  {ORDER['conv']}"
    assert "convention" in lines[13]


def test_signs_that_an_encoding_lacks_are_others() -> None:
    for line in text_of(scene(failure="a reason"), encoding="ascii")[:6]:
        line.encode("ascii")


def test_many_workers_take_a_line_each_and_the_rest_is_counted() -> None:
    trials = {number: under_way(number, 2.3, 0.9) for number in range(7)}
    lines = text_of(scene(under_way=trials), 59, 20)
    assert [line[:8] for line in lines[5:10]] == [f"trial {n} " for n in range(5)]
    assert all(line.endswith("…") for line in lines[5:10])
    assert lines[10] == "and 2 more under way"


def test_between_two_trials_nothing_jumps() -> None:
    one = text_of(scene(under_way={12: under_way(12, 2.3)}), 79)
    none = text_of(scene(under_way={}), 79)
    assert none[3].startswith("next trial, first epoch")
    assert len(none) == len(one)


def test_without_a_number_of_trials_the_bar_shows_the_time() -> None:
    lines = text_of(scene(progress=progress(n_trials=None, seconds=60.0, seconds_left=60.0)), 100)
    assert lines[0].count("━") == pytest.approx(lines[0].count("─"), abs=1)
    assert "12 trials  1:00, about 1:00 left" in lines[0]


def test_a_time_that_may_be_shorter_is_said_to_be_the_most() -> None:
    assert "at most 0:58 left" in text_of(scene(is_bound=True))[0]


def test_text_of_users_is_shown_as_text_and_cut() -> None:
    lines = text_of(scene(what=HOSTILE, failure=f"trial 3 crashed: {HOSTILE}"))
    assert lines[0].startswith("Searching [red]<b>\\x1b[2J \N{GRINNING FACE}long")
    assert "Last failure: trial 3 crashed: [red]<b>\\x1b[2J" in lines[2]
    assert not any("\x1b" in line or "\n" in line for line in lines)


def screen(width: int = 100) -> tuple[LiveScreen, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, height=30, no_color=True, highlight=False)
    return LiveScreen(console), file


def test_a_search_is_told_of_while_it_runs_and_leaves_a_line(tmp_path: Path) -> None:
    live, file = screen()
    search = small_search(small_space(tmp_path), dataset=small_digits())
    search.run(search.open_study(InMemoryStorage()), n_trials=3, observers=[live])
    text = re.sub(r"\x1b\[[\d;]*m", "", file.getvalue())
    assert "Searching digits  ──" in text
    assert "0/3 trials" in text
    assert re.search(r"\x1b\[JSearched digits: 3 trials in \d+:\d\d\n$", text)


def test_what_is_told_of_a_trial_is_shown(tmp_path: Path) -> None:
    live, _ = screen()
    search = small_search(small_space(tmp_path))
    live.search_started(search, progress(0))
    try:
        live.under_way([under_way(5, n_seeds=3)])
        live.epoch_finished(5, 0, 2.5)
        live.epoch_finished(5, 1, 1.25)
        live.epoch_finished(6, 0, 9.0)
        lines = [line.plain for line in live._lines(100, 30)]
        assert "trial 5, 3 seeds  epoch 3/16  █▁" in lines[3]
        assert "1.25" in lines[3]
        # The storage's answer may be older than what was just told.
        live.under_way([under_way(5, 2.5, n_seeds=3)])
        assert "epoch 3/16" in live._lines(100, 30)[3].plain
        live.trial_finished(Run(5, State.CRASHED, reason="no\nluck"), progress(1))
        lines = [line.plain for line in live._lines(100, 30)]
        assert lines[2] == "Last failure: trial 5 crashed: no luck"
        assert "trial 5," not in "\n".join(lines)
    finally:
        live.closed()


def test_orders_are_ranked_when_there_are_new_runs(tmp_path: Path) -> None:
    live, file = screen()
    search = small_search(small_space(tmp_path))
    runs = [Run(0, State.COMPLETE, ORDER, ORDER, "a", 0.01, value=0.5)]
    live.search_started(search, progress(runs=runs))
    deadline = time.monotonic() + 60
    while "by val/loss" not in file.getvalue() and time.monotonic() < deadline:
        time.sleep(0.05)
    live.closed()
    assert "Best so far by val/loss" in file.getvalue()
    assert ORDER["conv"] in re.sub(r"\x1b\[[\d;]*m", "", file.getvalue())


def test_a_screen_is_closed_however_often_it_is_asked_to(tmp_path: Path) -> None:
    live, file = screen()
    live.closed()
    assert file.getvalue() == ""
    live.search_started(small_search(small_space(tmp_path)), progress(0))
    live.closed()
    once = file.getvalue()
    live.closed()
    assert file.getvalue() == once
