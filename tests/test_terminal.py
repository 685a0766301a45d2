"""What the terminal shows while a search runs and when it has ended."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage
from rich.console import Console

from ordersearch.report.terminal import LiveScreen, PlainLines, duration, result_table, savings_line, states_line
from ordersearch.space import SearchSpace
from ordersearch.study import Search, SearchResult
from ordersearch.study.outputs import counts, verdict
from tests.searches import small_search, small_space


def console(*, terminal: bool, width: int = 100) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, no_color=True, highlight=False)


def printed(screen: Console) -> str:
    file = screen.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, SearchResult]:
    search = small_search(small_space(tmp_path_factory.mktemp("space")))
    return search, search.run(search.open_study(InMemoryStorage()), n_trials=6)


def test_the_table_ranks_orders_with_their_names(searched: tuple[Search, SearchResult]) -> None:
    search, result = searched
    screen = console(terminal=False)
    screen.print(result_table(search, result))
    text = printed(screen)
    best, other = (f"{place.mean:.4g}" for place in result.places)
    assert text.index(best) < text.index(other)
    assert "convention" in text
    assert "val/accuracy" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_keeps_to_the_width(searched: tuple[Search, SearchResult], width: int) -> None:
    screen = console(terminal=False, width=width)
    screen.print(result_table(*searched))
    assert max(map(len, printed(screen).splitlines())) <= width


def test_the_closing_lines_count(searched: tuple[Search, SearchResult]) -> None:
    search, result = searched
    assert states_line(result).startswith(f"Trials:  {len(result.runs) - counted(result)} complete")
    assert "8 settings as written are 4 distinct ones" in savings_line(search, result)
    kept = counts(search, result)
    assert (kept["specs_in_space"], kept["distinct_networks"], kept["settings"]) == (4, 2, 4)


def counted(result: SearchResult) -> int:
    return sum(run.state != "complete" for run in result.runs)


def test_the_verdict_names_metric_value_and_what_it_rests_on(searched: tuple[Search, SearchResult]) -> None:
    said = verdict(*searched)
    assert "had the best val/loss, " in said
    assert "val/accuracy" in said
    assert said.endswith("and one split, without confirmation, so a small lead may be noise.")
    assert "convention" in said


def test_the_live_screen_shows_progress_and_the_best_so_far(tmp_path: Path) -> None:
    screen = console(terminal=True)
    search = small_search(small_space(tmp_path))
    search.run(search.open_study(InMemoryStorage()), n_trials=3, observers=[LiveScreen(screen)])
    text = printed(screen)
    assert "3/3" in text
    assert "best run: val/loss" in text
    assert "pruned" in text


def test_plain_lines_tell_each_trial(tmp_path: Path) -> None:
    screen = console(terminal=False, width=40)
    search = small_search(small_space(tmp_path))
    search.run(search.open_study(InMemoryStorage()), n_trials=2, observers=[PlainLines(screen)])
    lines = printed(screen).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("[1/2, 0:0")
    assert "trial 0 complete 0." in lines[0] or "trial 0 complete 1." in lines[0] or "trial 0 complete 2." in lines[0]
    assert lines[0].endswith("conv > batch_norm > max_pool > relu")


def test_plain_lines_tell_what_a_probe_came_to(tmp_path: Path) -> None:
    screen = console(terminal=False)
    search = small_search(SearchSpace.load("conv"))
    search.run(search.open_study(InMemoryStorage()), n_trials=2, n_expected=40, observers=[PlainLines(screen)])
    lines = printed(screen).splitlines()
    assert [re.sub(r" at \d+\.\d+ ", " at X ", line.partition("trial ")[2].partition(":")[0]) for line in lines] == [
        "0 pruned at X after epoch 1",
        "1 pruned at X after epoch 1",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0:00"), (59.6, "1:00"), (3599.9, "1:00:00")])
def test_durations_are_rounded_once(seconds: float, text: str) -> None:
    assert duration(seconds) == text
