"""A library as a format of export: its blocks, and source that makes ours of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from ordersearch.calls import LayerCall
from ordersearch.export.format import Blocks, Format
from ordersearch.export.header import commented
from ordersearch.export.libraries.library_block import LibraryBlock, Run
from ordersearch.export.names import function_names, in_docstring
from ordersearch.export.source_lines import STEP, WIDTH, SourceCall
from ordersearch.export.torch_layers import channel_variables, imported_module, layer_source
from ordersearch.export.torch_source import GROUPS
from ordersearch.spec import BlockSpec


@dataclass(frozen=True)
class Library:
    """A library that has blocks of its own.

    Attributes:
        format_name: What its format is called: ``monai``.
        title: What it is called in text: ``MONAI``.
        summary: What its format writes, in one line.
        blocks: Its blocks; the first that works on the maps, or on features, is taken.
    """

    format_name: str
    title: str
    summary: str
    blocks: tuple[LibraryBlock, ...]

    @property
    def format(self) -> Format:
        """The format of export."""
        return Format(self.format_name, self.summary, ".py", self.check, self.write)

    def check(self, spec: BlockSpec, dims: int) -> None:
        """Whether the library's blocks can express this one exactly.

        Raises:
            ExportError: They cannot; the message is the reason alone.
        """
        self.block_of(spec, dims).run(spec, dims)

    def block_of(self, spec: BlockSpec, dims: int) -> LibraryBlock:
        """The library's block for maps of these dimensions, or for features."""
        wanted = dims if spec.on_maps else 0
        return next((block for block in self.blocks if wanted in block.dims), self.blocks[0])

    def write(self, blocks: Blocks, dims: int, evidence: Sequence[str]) -> str:
        """A function for each role that makes its block."""
        found = {role: self.block_of(spec, dims) for role, spec in blocks.items()}
        runs = {role: found[role].run(spec, dims) for role, spec in blocks.items()}
        names = function_names(blocks)
        functions = [
            "\n".join([*_function(names[role], spec, found[role], runs[role]), ""]) for role, spec in blocks.items()
        ]
        code = "\n\n".join([*([GROUPS] if "largest_divisor(" in "".join(functions) else []), *functions])
        notes = dict.fromkeys(note for role, run in runs.items() for note in found[role].notes(run))
        told = [f"Blocks of {self.title} that compute what the trained ones do, given the same weights.", *notes]
        header = commented([*evidence, *([""] if evidence else []), *told])
        return f"{header}\n{_imports(code, found.values(), runs.values())}\n\n{code}"


def _function(name: str, spec: BlockSpec, block: LibraryBlock, run: Run) -> Iterator[str]:
    ins, outs = map(repr, channel_variables(spec))
    arguments = [f"{ins}: int", f"{outs}: int", *(["stride: int = 1"] if block.stride(spec) != 1 else [])]
    yield from SourceCall(f"def {name}", arguments, " -> nn.Module").lines(0, ":")
    yield from _documentation(spec, ins, outs, has_stride=len(arguments) > 2)
    before, after = ([layer_source(layer) for layer in around] for around in (run.before, run.after))
    calls = block.layers(run)
    if block.trim:
        yield from (line for call in calls for line in call.lines(STEP))
        yield from (f"{' ' * STEP}{line}" for line in block.trim)
    own = ["layers"] if block.trim else calls
    yield from _returned([*before, *own, *after])


def _returned(layers: Sequence[SourceCall | str]) -> list[str]:
    made = layers[0] if len(layers) == 1 else SourceCall("nn.Sequential", layers)
    if isinstance(made, str):
        return [f"{' ' * STEP}return {made}"]
    return SourceCall(f"return {made.name}", made.arguments, made.ending).lines(STEP)


def _documentation(spec: BlockSpec, ins: str, outs: str, *, has_stride: bool) -> Iterator[str]:
    counted = ins.removeprefix("in_").capitalize()
    lines = [
        *wrap(f'"""{in_docstring(str(spec))}', WIDTH - STEP, break_long_words=False),
        "",
        "Args:",
        f"    {ins}: {counted} that come in.",
        f"    {outs}: {counted} that go out.",
        *(["    stride: Of the convolution."] if has_stride else []),
        '"""',
    ]
    yield from (f"{' ' * STEP}{line}".rstrip() for line in lines)


def _imports(code: str, blocks: Iterable[LibraryBlock], runs: Iterable[Run]) -> str:
    """What the code needs: packages of layers that are no PyTorch, the library's own, ``nn`` for every function."""
    layers: list[LayerCall] = [layer for run in runs for layer in (*run.before, *run.inside, *run.after)]
    packages = sorted({f"import {module}" for layer in layers if (module := imported_module(layer.target))})
    wanted = {"torch": {"nn"}}
    for block in blocks:
        wanted.setdefault(block.module, set()).update(name for name in block.imported if _names(code, name))
    from_ = [line for module, names in sorted(wanted.items()) if names for line in _from(module, sorted(names))]
    standard = ["from functools import partial", ""] if _names(code, "partial") else []
    return "\n".join([*standard, *packages, *from_, ""])


def _from(module: str, names: Sequence[str]) -> list[str]:
    flat = f"from {module} import {', '.join(names)}"
    if len(flat) <= WIDTH:
        return [flat]
    return [f"from {module} import (", *(f"{' ' * STEP}{name}," for name in names), ")"]


def _names(code: str, name: str) -> bool:
    return re.search(rf"\b{name}\(", code) is not None
