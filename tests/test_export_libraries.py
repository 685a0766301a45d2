"""Blocks in the terms of each library: what is written equals our blocks, and what is refused has its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ordersearch.export import export_blocks
from ordersearch.export.format import find_format, reason_against
from ordersearch.spec import BlockSpec
from tests.exported_source import require_tidy
from tests.libraries import LIBRARIES, Library
from tests.library_blocks import blocks, check_drawn, check_written, need, source

EVEN_KERNELS = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def each(cases: Callable[[Library], Iterable[tuple[Any, ...]]]) -> list[Any]:
    """The cases of every library, each behind the library that it is of."""
    return [
        pytest.param(library, *case, id="-".join(map(str, (library, *case))), marks=library.marks)
        for library in LIBRARIES
        for case in cases(library)
    ]


def variants(library: Library) -> list[tuple[str, int]]:
    """The variants in every dimension in which they are not refused."""
    refused = [(text, dims) for text, dims, _ in library.refused]
    placed = [(text, dims) for text in library.variants for dims in library.dims if dims]
    return [place for place in placed if place not in refused]


@pytest.mark.parametrize(("library", "spec"), each(lambda library: ((spec,) for spec in library.orders)))
def test_every_order_that_is_written_equals_ours(library: Library, spec: BlockSpec) -> None:
    need(library.module)
    check_written(spec, library.to)


@EVEN_KERNELS
@pytest.mark.parametrize(("library", "text", "dims"), each(variants))
def test_parameters_and_dimensions_are_kept(library: Library, text: str, dims: int) -> None:
    need(library.module)
    check_written(BlockSpec.parse(text), library.to, dims, tolerance=library.tolerance)


@EVEN_KERNELS
@pytest.mark.parametrize("library", each(lambda library: [()]))
@given(st.data())
@settings(max_examples=40)
def test_a_block_is_refused_or_equals_ours(library: Library, data: st.DataObject) -> None:
    need(library.module)
    dims = data.draw(st.sampled_from(library.dims))
    check_drawn(data.draw(blocks(on_maps=dims > 0)), library.to, dims, note=event, tolerance=library.tolerance)


@pytest.mark.parametrize(("library", "text"), each(lambda library: [(library.strided,)] if library.strided else []))
def test_the_stride_is_left_open(library: Library, text: str) -> None:
    need(library.module)
    check_written(BlockSpec.parse(text), library.to, stride=2)


@pytest.mark.parametrize(("library", "text", "dims", "reason"), each(lambda library: library.refused))
def test_what_a_library_cannot_express_is_refused(library: Library, text: str, dims: int, reason: str) -> None:
    assert reason_against(BlockSpec.parse(text), find_format(library.to), dims) == f"{library.of} {reason}"


@pytest.mark.parametrize("library", each(lambda library: [()]))
def test_the_source_is_formatted(library: Library, tmp_path: Path) -> None:
    for number, spec in enumerate(library.specs):
        (tmp_path / f"block{number}.py").write_text(source(spec, library.to))
    require_tidy(tmp_path)


@pytest.mark.parametrize("library", each(lambda library: [()]))
def test_the_source_reads_like_this(library: Library, golden: Callable[[str, str], None]) -> None:
    specs = {role: BlockSpec.parse(text) for role, text in library.golden.items()}
    golden(f"export_{library.name}.txt", export_blocks(specs, library.to, **library.options))
