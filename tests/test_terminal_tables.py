"""Tables of orders in the terminal: whole at any width, and honest about what they show."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ordersearch.objective import Setting
from ordersearch.report.ranked_table import Column, RankedTable, Row
from ordersearch.report.tables import best_so_far, interim_table
from ordersearch.results import Run, State
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from ordersearch.study import Search
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import Finalist
from tests.searches import small_search, small_space

LONG = "conv > max_pool > leaky_relu > spatial_dropout(p=0.25) > batch_norm"
TABLE = RankedTable(
    "Orders of digits by val/loss",
    (Column(""), Column("val/loss"), Column("± 95 %", 1, is_left=True), Column("val/accuracy", 4), Column("seeds", 2)),
    (
        Row(("1", "0.1234", "± 0.012", "0.9876", "3"), LONG, "convention", is_marked=True),
        Row(("2", "0.2345", "", "0.9800", "1"), "conv > relu"),
    ),
    "What is to be said of it.",
)


def text_of(table: RankedTable, width: int, most: int | None = None) -> list[str]:
    return [line.plain for line in table.lines(width, most=most)]


@given(st.integers(20, 220))
def test_every_order_is_whole_at_every_width(width: int) -> None:
    lines = text_of(TABLE, width)
    assert max(map(len, lines)) <= width
    words = " ".join(" ".join(lines).split())
    if width >= 40:
        assert LONG in words.replace("  ", " ")
        assert "convention" in words


@given(st.integers(20, 220), st.integers(0, 30))
def test_a_table_that_lacks_lines_shows_whole_rows(width: int, most: int) -> None:
    lines, whole = text_of(TABLE, width, most), text_of(TABLE, width)
    assert len(lines) <= most
    assert lines == whole[: len(lines)]
    assert most < len(whole) or lines == whole


def test_an_order_stands_behind_its_figures_where_there_is_room_and_below_them_elsewhere() -> None:
    assert text_of(TABLE, 140)[3] == f"1    0.1234  ± 0.012        0.9876      3  {LONG}  convention"
    assert text_of(TABLE, 80)[3:5] == ["1    0.1234  ± 0.012        0.9876      3  convention", f"   {LONG}"]
    assert text_of(TABLE, 60)[3:6] == [
        "1    0.1234  ± 0.012        0.9876      3  convention",
        "   conv > max_pool > leaky_relu > spatial_dropout(p=0.25) >",
        "   batch_norm",
    ]


def test_columns_are_left_out_where_room_lacks_the_least_telling_first() -> None:
    headings = {
        width: next(line for line in text_of(TABLE, width) if line.startswith("   val/loss")) for width in (40, 26, 20)
    }
    assert headings == {40: "   val/loss  ± 95 %   seeds", 26: "   val/loss  ± 95 % ", 20: "   val/loss"}


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return small_search(small_space(tmp_path))


ORDERS = ("conv > batch_norm > relu > max_pool", "conv > relu > max_pool")


def finalists(search: Search) -> tuple[Finalist, ...]:
    settings = [Setting.of({"conv": BlockSpec.parse(order)}, {"lr": 0.01}, search.network) for order in ORDERS]
    return Finalist(settings[0], "convention", is_baseline=True), Finalist(settings[1])


def pairs_of(confirmation: Confirmation, n: int, *, gain: float = 0.2) -> list[Run]:
    """The runs of so many pairs, the other order better by about ``gain``."""
    return [
        Run(
            2 * pair + place,
            State.COMPLETE,
            {"conv": ORDERS[place]},
            finalist.setting.canonical,
            finalist.setting.digest,
            seed=confirmation.seed(pair),
            split=confirmation.seed(pair),
            value=1.0 + pair / 100 - place * (gain + (pair % 3 - 1) / 50),
        )
        for pair in range(n)
        for place, finalist in enumerate(confirmation.finalists)
    ]


def interim(confirmation: Confirmation, n: int, *, gain: float = 0.2) -> str:
    table = interim_table(confirmation, pairs_of(confirmation, n, gain=gain))
    assert table is not None
    return "\n".join(text_of(table, 140))


def test_before_the_first_look_no_interval_and_no_mark_is_shown(search: Search) -> None:
    confirmation = Confirmation(search, finalists(search), max_pairs=15)
    assert interim_table(confirmation, []) is None
    told = interim(confirmation, 4)
    assert "Interim, and not a result: the pairs are first judged when there are 6." in told
    assert "-0.2" in told
    assert "=" not in told
    assert " to " not in told
    assert "95 %" not in told


def test_between_looks_the_intervals_are_those_of_the_last_one(search: Search) -> None:
    confirmation = Confirmation(search, finalists(search), max_pairs=15)
    looked, later = interim(confirmation, 6, gain=0.0), interim(confirmation, 7, gain=0.0)
    assert "are of the look at 6 pairs; the next one is at 9, the last at 15." in later
    found = confirmation.decision(pairs_of(confirmation, 7, gain=0.0)).comparisons[0]
    assert found.n_pairs == 6
    for told in (looked, later):
        assert f"{found.low:+.2g} to {found.high:+.2g}" in told
        assert told.count("=  ") == 2, "both may still be the best"
    assert interim(confirmation, 13, gain=0.0).count("; the last one is at 15.") == 1
    assert interim(confirmation, 15, gain=0.0).count("at 15 pairs, the last one.") == 1


def test_a_finalist_that_is_beaten_is_not_marked(search: Search) -> None:
    told = interim(Confirmation(search, finalists(search), max_pairs=15), 9)
    rows = [line for line in told.splitlines() if "conv > " in line]
    assert not rows[0].startswith("=")
    assert rows[1].startswith("=")
    assert "are of the look at 6 pairs, the last one." in told


def test_a_finalist_that_failed_is_said_to_have(search: Search) -> None:
    confirmation = Confirmation(search, finalists(search), max_pairs=15)
    runs = pairs_of(confirmation, 2)
    failed = Run(9, State.DIVERGED, {}, {}, runs[1].setting, seed=confirmation.seed(2), split=confirmation.seed(2))
    table = interim_table(confirmation, [*runs, failed])
    assert table is not None
    assert "failed" in "\n".join(text_of(table, 100))


def run_of(trial: int, order: str, value: float, *, seed: int = 0, lr: float = 0.01) -> Run:
    return Run(trial, State.COMPLETE, {"conv": order}, {"conv": order}, f"{order}{lr}", lr, seed=seed, value=value)


def test_the_best_so_far_have_an_interval_from_three_seeds_on(search: Search) -> None:
    assert best_so_far(search, []) is None
    one, other = "conv > relu > max_pool", "conv > batch_norm > max_pool > relu"
    runs = [run_of(0, one, 0.5), *(run_of(seed, other, 0.6 + seed / 100, seed=seed) for seed in range(3))]
    table = best_so_far(search, runs)
    assert table is not None
    lines = text_of(table, 100)
    assert lines[3].split()[:4] == ["1", "0.6100", "±", "0.025"], "t(2, .975) 4.303 times 0.01 / sqrt(3)"
    assert lines[4].split()[:4] == ["2", "0.5000", "1", "0.01"]


def test_names_from_files_are_no_markup(tmp_path: Path) -> None:
    text = """
roles: {conv: {orders: [conv > relu]}}
references: [{name: "[red]x[/red]\\e[2J", source: me, conv: conv > relu}]
"""
    search = small_search(SearchSpace.load(_written(tmp_path, text)))
    run = Run(
        0,
        State.COMPLETE,
        {"conv": "conv > relu"},
        {"conv": "conv > relu"},
        "a",
        0.1,
        value=1.0,
        reference="[red]x[/red]\x1b[2J",
    )
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    table = best_so_far(search, [run])
    assert table is not None
    console.print(table)
    file = console.file
    assert isinstance(file, io.StringIO)
    assert "[red]x[/red]\\x1b[2J" in file.getvalue()
    assert "\x1b[2J" not in file.getvalue()


def _written(folder: Path, text: str) -> Path:
    path = folder / "named.yaml"
    path.write_text(text)
    return path
