"""Text of unknown origin in the terminal, and the signs that drawings are made of."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ordersearch.report.shown import (
    ASCII,
    UNICODE,
    cut,
    duration,
    in_one_scale,
    order_lines,
    progress_bar,
    shown,
    signs_of,
    sparkline,
)
from ordersearch.spec import BlockSpec
from tests.strategies import block_specs


@given(st.text())
def test_what_is_shown_is_one_line_of_printable_text(text: str) -> None:
    told = shown(text)
    assert all(sign.isprintable() or sign == "\u200d" for sign in told)
    assert shown(told) == told


def test_terminal_commands_and_line_ends_are_told_and_not_sent() -> None:
    assert shown("a\x1b[2Jb\x9bc\nd\u202ee") == "a\\x1b[2Jb\\x9bc d\\u202ee"
    assert shown("[red]x[/red] 👩\u200d🔬 é") == "[red]x[/red] 👩\u200d🔬 é"


@given(
    st.text(alphabet=st.sampled_from("ab é猫👍"), max_size=30), st.integers(0, 30), st.sampled_from([UNICODE, ASCII])
)
def test_cut_text_keeps_to_its_columns(text: str, width: int, signs: object) -> None:
    kept = cut(text, width, signs)  # type: ignore[arg-type]
    assert cell_len(kept) <= width
    assert kept == text or cell_len(text) > width


@given(block_specs(), st.integers(12, 80))
def test_a_broken_order_is_still_the_order(spec: BlockSpec, width: int) -> None:
    lines = order_lines(str(spec), width)
    assert max(map(len, lines)) <= width
    if max(map(len, str(spec).split(" > "))) + 2 <= width:
        assert " ".join(lines) == str(spec)


@pytest.mark.parametrize(
    ("encoding", "signs"),
    [("utf-8", UNICODE), ("ascii", ASCII), ("cp1252", ASCII), ("cp437", ASCII), ("no such encoding", ASCII)],
)
def test_signs_are_those_that_the_encoding_has(encoding: str, signs: object) -> None:
    assert signs_of(encoding) is signs


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=40),
    st.integers(1, 20),
    st.sampled_from([UNICODE, ASCII]),
)
def test_a_sparkline_is_never_wider_than_asked(values: list[float], width: int, signs: object) -> None:
    drawn = sparkline(values, width, signs)  # type: ignore[arg-type]
    assert len(drawn) == min(width, len(values))


def test_a_sparkline_shows_the_way_down() -> None:
    assert sparkline([2.3, 0.9, 0.2, 0.05, 0.02], 8, UNICODE) == "█▇▄▂▁"
    assert sparkline([0.5, math.nan, -0.5], 8, UNICODE) == "█ ▁"
    assert sparkline([1.0], 8, UNICODE) == "▅"
    assert sparkline([3.0, 2.0, 1.0], 8, ASCII) == "#*_"


def test_a_progress_bar_is_as_wide_as_asked_whatever_the_share() -> None:
    assert [tuple(map(len, progress_bar(share, 10, UNICODE))) for share in (-1.0, 0.0, 0.5, 1.0, 7.0)] == [
        (0, 10),
        (0, 10),
        (5, 5),
        (10, 0),
        (10, 0),
    ]


def test_figures_of_a_column_have_the_same_decimals() -> None:
    assert in_one_scale([0.03154, 0.4, math.nan]) == ["0.03154", "0.40000", "nan"]
    assert in_one_scale([]) == []
    assert in_one_scale([0.0]) == ["0"]


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0:00"), (59.6, "1:00"), (3599.9, "1:00:00")])
def test_durations_are_rounded_once(seconds: float, text: str) -> None:
    assert duration(seconds) == text
