"""docs/export.md: what each format expresses of every order of the conv and dense spaces."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from ordersearch.export import export_blocks, format_names
from ordersearch.export.format import find_format, nearest_expressible, reason_against
from ordersearch.identities import equivalent
from ordersearch.spec import BlockSpec
from tests.library_blocks import orders

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def exports() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return import_module("exports")


def test_the_page_has_the_counts(exports: ModuleType) -> None:
    assert PAGE.count(exports.BEGIN) == PAGE.count(exports.END) == 1
    assert exports.with_tables(PAGE) == PAGE


def test_every_order_is_counted_once() -> None:
    rows = re.findall(r"(?m)^\| ([\w-]+) \|((?: \d+ \|){6})$", PAGE)
    assert [name for name, _ in rows] == list(format_names())
    for _, cells in rows:
        numbers = [int(number) for number in re.findall(r"\d+", cells)]
        assert (sum(numbers[:3]), sum(numbers[3:])) == (len(orders("conv")), len(orders("dense"))) == (82, 19)


@pytest.mark.parametrize("to", format_names())
def test_every_order_is_written_or_refused_with_an_equal_one_that_is(to: str) -> None:
    for spec in (*orders("conv"), *orders("dense")):
        if not (reason := reason_against(spec, find_format(to), 2)):
            assert export_blocks({"role": spec}, to)
            continue
        assert re.fullmatch(r"\S.*[^.\s]", reason)
        equal = nearest_expressible(spec, find_format(to), 2)
        if equal is not None:
            assert equal != spec
            assert equivalent(equal, spec)
            written, code = (export_blocks({"role": own}, to, equivalent=True) for own in (spec, equal))
            assert written.endswith(code)


def test_the_other_direction_reads_as_the_page_says() -> None:
    names: dict[str, object] = {}
    (code,) = re.findall(r"(?s)    (from ordersearch\.export import from_.*?)\n\n(?! )", PAGE)
    told = re.findall(r"(?m)^    (from_\w+\(.*\)) +# (.+)$", code)
    exec(code.partition("\n")[0], names)
    assert len(told) == 6
    for call, expected in told:
        found = eval(call, names)
        assert isinstance(found, BlockSpec)
        assert str(found) == expected
