"""The drawing of a block: a box a layer, and lines around what a shortcut goes around."""

from __future__ import annotations

import itertools

import pytest

from ordersearch.report.html.layers import HEIGHT, drawing
from ordersearch.spec import BlockSpec


def test_a_box_says_what_matters_of_its_layer() -> None:
    told = drawing(
        "conv", BlockSpec.parse("conv(kernel=5) > batch_norm > leaky_relu > max_pool > dropout(p=0.1)"), dims=2
    )
    assert [(box.name, box.detail, box.role) for box in told.boxes] == [
        ("conv", "kernel 5, no bias", "weight"),
        ("batch_norm", "", "norm"),
        ("leaky_relu", "", "activation"),
        ("max_pool", "window 2", "pool"),
        ("dropout", "rate 0.1", "dropout"),
    ]
    assert told.description == (
        "Input, then conv (weight, kernel 5, no bias), then batch_norm (norm), then leaky_relu (activation), "
        "then max_pool (pool, window 2), then dropout (dropout, rate 0.1), then output."
    )


def test_boxes_stand_below_each_other_inside_of_the_drawing() -> None:
    told = drawing("dense", BlockSpec.parse("linear > relu > dropout"), dims=0)
    uppers = [box.y for box in told.boxes]
    assert all(lower - upper > HEIGHT for upper, lower in itertools.pairwise(uppers))
    assert uppers[-1] + HEIGHT < told.height


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("conv > batch_norm > add > relu", "1x1 conv where channels change"),
        ("conv > max_pool > add", "1x1 conv where channels change > max_pool"),
        ("linear > relu > add", "linear where features change"),
    ],
)
def test_a_shortcut_ends_where_it_is_added(text: str, expected: str) -> None:
    told = drawing("residual", BlockSpec.parse(text), dims=2)
    (line,) = told.shortcuts
    (joined,) = (box for box in told.boxes if box.name == "add")
    assert line.label == expected
    assert line.start < told.boxes[0].y
    assert joined.y < line.end < joined.y + HEIGHT
    assert told.width < drawing("conv", BlockSpec.parse("conv > relu"), dims=2).width


def test_a_long_list_of_parameters_is_cut() -> None:
    spec = BlockSpec.parse("conv(kernel=7, padding=9, dilation=3, groups=4)")
    (box,) = drawing("conv", spec, dims=2).boxes
    assert box.detail.endswith("…")
    assert "groups=4" in box.summary
