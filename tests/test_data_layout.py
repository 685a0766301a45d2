"""The shape rule, one row per case, and its overrides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersearch.data.layout import find_layout
from ordersearch.errors import DataError, UnknownNameError


@pytest.mark.parametrize(
    ("shape", "asked", "kind", "sample_shape"),
    [
        ((9, 12), "auto", "table", (12,)),
        ((9, 8, 8), "auto", "image", (1, 8, 8)),
        ((9, 7, 8), "auto", "signal", (7, 8)),
        ((9, 8, 7), "auto", "signal", (8, 7)),
        ((9, 3, 100), "auto", "signal", (3, 100)),
        ((9, 32, 32, 3), "auto", "image", (3, 32, 32)),
        ((9, 32, 32, 4), "auto", "image", (4, 32, 32)),
        ((9, 32, 32, 5), "auto", "image", (32, 32, 5)),
        ((9, 3, 32, 32), "auto", "image", (3, 32, 32)),
        ((9, 16, 16, 16, 1), "auto", "volume", (1, 16, 16, 16)),
        ((9, 1, 16, 16, 16), "auto", "volume", (1, 16, 16, 16)),
        ((9,), "table", "table", (1,)),
        ((9, 8, 8), "table", "table", (64,)),
        ((9, 4, 8, 8, 3), "table", "table", (768,)),
        ((9, 40), "signal", "signal", (1, 40)),
        ((9, 28, 28), "signal", "signal", (28, 28)),
        ((9, 3, 4), "image", "image", (1, 3, 4)),
        ((9, 3, 4, 5), "image", "image", (3, 4, 5)),
        ((9, 16, 16, 16), "volume", "volume", (1, 16, 16, 16)),
        ((9, 16, 16, 16, 2), "volume", "volume", (2, 16, 16, 16)),
    ],
)
def test_rule(shape: tuple[int, ...], asked: str, kind: str, sample_shape: tuple[int, ...]) -> None:
    layout = find_layout(shape, asked)
    assert (layout.input, layout.sample_shape) == (kind, sample_shape)
    assert layout.arrange(np.zeros(shape)).shape == (9, *sample_shape)
    assert ("was asked for" in layout.rule) == (asked != "auto")


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from(["auto", "table", "signal", "image"]))
def test_arranging_moves_channels_and_loses_nothing(sizes: list[int], asked: str) -> None:
    shape = (2, *sizes)
    x = np.arange(np.prod(shape)).reshape(shape)
    try:
        layout = find_layout(shape, asked)
    except DataError:
        return
    arranged = layout.arrange(x)
    if layout.channels_last:
        assert (arranged[1, -1] == x[1, ..., -1]).all()
    assert sorted(arranged.ravel()) == sorted(x.ravel())


@pytest.mark.parametrize(
    ("shape", "asked", "match"),
    [
        ((9,), "auto", r"data: got an array of shape \(9,\), but inputs have 2 to 5 dimensions.*table any array"),
        ((9, 1, 1, 1, 1, 1), "auto", "inputs have 2 to 5 dimensions"),
        (
            (9, 784),
            "image",
            r"data: the shape \(9, 784\) cannot be read as input='image', which takes \(n, height, width\)",
        ),
        ((9, 8, 8, 3), "signal", r"which takes \(n, steps\) or \(n, channels, steps\)"),
        ((9, 8, 8), "volume", r"which takes \(n, depth, height, width\), "),
        ((9, 8, 8, 8, 1), "image", "cannot be read as input='image'"),
    ],
)
def test_impossible_layouts_say_what_the_input_takes(shape: tuple[int, ...], asked: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        find_layout(shape, asked, at="data")


def test_unknown_kind_of_input() -> None:
    with pytest.raises(UnknownNameError, match=r"No kind of input is named 'images'\. Did you mean 'image'"):
        find_layout((9, 8, 8), "images")


def test_signals_with_more_channels_than_steps_get_a_note() -> None:
    assert "here 128 channels of 3 steps" in find_layout((9, 128, 3)).notes[0]
    assert find_layout((9, 3, 128)).notes == ()
