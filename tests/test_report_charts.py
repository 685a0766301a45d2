"""Where the marks of the charts go."""

from __future__ import annotations

import itertools

import pytest

from ordersearch.report.content import Candidate, Curve
from ordersearch.report.html.charts import (
    BOTTOM,
    HEIGHT,
    INTERVAL_WIDTH,
    LABEL_HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    curve_chart,
    interval_marks,
)


def points(text: str) -> list[tuple[float, float]]:
    """The points of a line."""
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


@pytest.mark.parametrize("values", [(1.0, 0.5, 0.2), (100.0, 0.1, 0.001), (0.5, 0.5), (-1.0, 3.0), (0.0, 0.0)])
def test_every_point_lies_inside_of_the_axes(values: tuple[float, ...]) -> None:
    chart = curve_chart([Curve("A", values, 3)])
    assert chart is not None
    drawn = points(chart.lines[0].points)
    assert (drawn[0][0], drawn[-1][0]) == (LEFT, WIDTH - RIGHT)
    assert all(TOP <= y <= HEIGHT - BOTTOM for _, y in drawn)
    assert all(TOP <= tick.at <= HEIGHT - BOTTOM for tick in chart.y_ticks)
    assert 1 <= len(chart.y_ticks) <= 12
    # Higher values stand higher.
    order = sorted(range(len(values)), key=lambda place: values[place])
    assert [drawn[place][1] for place in order] == sorted((y for _, y in drawn), reverse=True)


def test_values_far_apart_get_a_logarithmic_scale() -> None:
    wide, narrow, negative = (
        curve_chart([Curve("A", values, 1)]) for values in ((9.0, 0.01), (1.0, 0.5), (100.0, -0.1))
    )
    assert wide is not None
    assert narrow is not None
    assert negative is not None
    assert (wide.is_logarithmic, narrow.is_logarithmic, negative.is_logarithmic) == (True, False, False)


def test_letters_at_close_ends_stand_apart() -> None:
    chart = curve_chart([Curve(letter, (1.0, 0.1), 1) for letter in "ABCD"])
    assert chart is not None
    places = sorted(line.label_y for line in chart.lines)
    assert all(b - a >= LABEL_HEIGHT - 0.1 for a, b in itertools.pairwise(places))
    assert places[-1] <= HEIGHT - BOTTOM


def test_one_epoch_is_no_curve() -> None:
    assert curve_chart([Curve("A", (1.0,), 1)]) is None
    assert curve_chart([]) is None


def test_intervals_share_one_scale_and_one_zero() -> None:
    made = [
        Candidate(letter, "conv", {}, {}, difference=(low + high) / 2, low=low, high=high)
        for letter, low, high in (("A", -2.0, -1.0), ("B", -0.5, 1.0))
    ]
    marks = interval_marks([*made, Candidate("C", "conv", {}, {})])
    assert set(marks) == {"A", "B"}
    assert marks["A"].zero == marks["B"].zero
    assert marks["A"].low < marks["A"].at < marks["A"].high < marks["A"].zero
    assert marks["B"].low < marks["B"].zero < marks["B"].at < marks["B"].high
    assert marks["A"].low >= 0
    assert marks["B"].high <= INTERVAL_WIDTH
