from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersearch.training.schedule import batch_sizes, one_cycle


@given(st.integers(2, 2000), st.integers(2, 300))
def test_every_sample_is_in_one_batch_and_no_batch_holds_one(n: int, batch_size: int) -> None:
    sizes = batch_sizes(n, batch_size)
    assert sum(sizes) == n
    assert min(sizes) >= 2
    assert max(sizes) <= batch_size + 1
    assert set(sizes[:-1]) <= {batch_size}


@pytest.mark.parametrize(("n", "expected"), [(8, [4, 4]), (9, [4, 5]), (10, [4, 4, 2]), (5, [5]), (3, [3]), (2, [2])])
def test_what_is_left_over_makes_a_batch_or_joins_the_last(n: int, expected: list[int]) -> None:
    assert batch_sizes(n, 4) == expected


@given(st.integers(1, 400), st.floats(1e-6, 10.0))
def test_rates_rise_then_fall_and_never_pass_the_highest(n_steps: int, learning_rate: float) -> None:
    rates = one_cycle(learning_rate, n_steps)
    top = rates.index(max(rates))
    assert len(rates) == n_steps
    assert 0 < min(rates) <= max(rates) <= learning_rate
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_many_steps_start_at_4_percent_peak_at_30_percent_and_end_near_0() -> None:
    rates = one_cycle(1.0, 10_000)
    assert rates[0] == pytest.approx(0.04, abs=1e-3)
    assert rates.index(max(rates)) == pytest.approx(3000, abs=1)
    assert rates[-1] < 1e-5
