"""What the terminal shows while a search runs and when it has ended."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage
from rich.console import Console

from ordersearch.report.fields import print_field
from ordersearch.report.terminal import PlainLines, result_table, savings_line, screen_on, states_line
from ordersearch.results import Run, State, in_one_line
from ordersearch.space import SearchSpace
from ordersearch.study import Progress, Search, SearchResult
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


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_table_keeps_to_the_width_and_shows_every_order(searched: tuple[Search, SearchResult], width: int) -> None:
    screen = console(terminal=False, width=width)
    screen.print(result_table(*searched))
    text = printed(screen)
    assert max(map(len, text.splitlines())) <= width
    whole = " ".join(text.split())
    for place in searched[1].places:
        assert in_one_line(searched[1].runs_of(place)[0].blocks) in whole


def test_the_closing_lines_count(searched: tuple[Search, SearchResult]) -> None:
    search, result = searched
    n_complete = sum(run.state is State.COMPLETE for run in result.runs)
    assert states_line(result).startswith(f"{n_complete} complete")
    assert savings_line(search, result).startswith("8 settings as written are 4 distinct ones")
    kept = counts(search, result)
    assert (kept["specs_in_space"], kept["distinct_networks"], kept["settings"]) == (4, 2, 4)


def test_a_trial_of_several_seeds_counts_once() -> None:
    runs = [Run(0, State.COMPLETE, seed=seed) for seed in range(3)]
    runs += [Run(1, State.COMPLETE), Run(1, State.DIVERGED, seed=1), Run(2, State.PRUNED), Run(3, State.WAITING)]
    assert states_line(SearchResult(tuple(runs), (), "trials", 1.0)) == "2 complete, 1 pruned (6 seeds)."
    assert states_line(SearchResult(tuple(runs[:1]), (), "trials", 1.0)) == "1 complete."


def test_the_verdict_names_metric_value_and_what_it_rests_on(searched: tuple[Search, SearchResult]) -> None:
    said = verdict(*searched)
    assert "had the best val/loss, " in said
    assert "val/accuracy" in said
    assert said.endswith("and one split, without confirmation, so a small lead may be noise.")
    assert "convention" in said


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


def test_a_plain_line_is_one_line_whatever_the_reason() -> None:
    screen = console(terminal=False)
    progress = Progress(1, 2, 0, 1, 0, 1.0, None)
    blocks = {"conv": "conv > relu"}
    PlainLines(screen).trial_finished(Run(4, State.CRASHED, blocks, reason="[red]no\nluck\x1b[2J"), progress)
    PlainLines(screen).trial_finished(Run(5, State.COMPLETE, blocks, value=0.5, pack=(0, 1, 2)), progress)
    assert printed(screen).splitlines() == [
        "[1/2] trial 4 crashed [red]no luck\\x1b[2J: conv > relu",
        "[1/2] trial 5 complete 0.5 (3 seeds): conv > relu",
    ]


def test_a_live_screen_is_only_where_one_can_be_shown() -> None:
    assert isinstance(screen_on(console(terminal=False)), PlainLines)
    # Colours may be forced upon a pipe; lines that are painted over make no sense there.
    assert isinstance(screen_on(console(terminal=True)), PlainLines)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_field_is_text_and_broken_in_terminals_alone(terminal: bool) -> None:
    screen = console(terminal=terminal, width=30)
    print_field(screen, "Data", "[red]few[/red]\x1b[2J words and some more of them")
    lines = re.sub(r"\x1b\[[\d;]*m", "", printed(screen)).splitlines()
    if terminal:
        assert " ".join(" ".join(lines).split()) == "Data [red]few[/red]\\x1b[2J words and some more of them"
        assert len(lines) == 3
        assert all(line.startswith(" " * 9) for line in lines[1:])
        assert max(map(len, lines)) <= 30
    else:
        assert lines == ["Data     [red]few[/red]\\x1b[2J words and some more of them"]


def test_a_command_is_never_broken() -> None:
    screen = console(terminal=True, width=30)
    print_field(screen, "Watch", "python -m ordersearch dashboard 'runs/two  spaces'", is_command=True)
    assert printed(screen) == "Watch    python -m ordersearch dashboard 'runs/two  spaces'\n"
