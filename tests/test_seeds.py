from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from ordersearch.seeds import derived_seed

PARTS = st.lists(st.integers() | st.text(alphabet=st.characters(exclude_characters="\x1f")), max_size=4)


def test_seeds_are_these_on_every_machine_for_ever() -> None:
    assert derived_seed() == 8203414616412130826
    assert derived_seed(0, "batches", 3) == 1697294609348065432
    assert derived_seed(7, "conv.weight") == 5779823288825215695


def test_seed_does_not_depend_on_the_process() -> None:
    code = "from ordersearch.seeds import derived_seed; print(derived_seed(1, 'noise', -2))"
    printed = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in "ab"
    }
    assert printed == {f"{derived_seed(1, 'noise', -2)}\n"}


@given(PARTS)
def test_seed_fits_every_generator(parts: list[int | str]) -> None:
    assert 0 <= derived_seed(*parts) < 2**63


@given(PARTS, PARTS)
def test_other_parts_give_other_seeds(a: list[int | str], b: list[int | str]) -> None:
    assert (derived_seed(*a) == derived_seed(*b)) == (a == b)


def test_parts_do_not_run_into_each_other() -> None:
    assert len({derived_seed(*p) for p in [(1, 2), (12,), ("1", "2"), ("12",), (1, "2"), ("1", 2), (2, 1)]}) == 7
