"""The command ``export``: blocks of a run, a blocks file or the command line in another form."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from ordersearch.cli.interrupts import put_off
from ordersearch.cli.runs import JOURNAL, RUNS, RunError, journal_in, known_runs, run_path
from ordersearch.documents import write_whole
from ordersearch.errors import ExportError, OrdersearchError, StorageError, unknown_name
from ordersearch.export import BlocksFile, RankedBlocks, export_blocks, read_blocks
from ordersearch.export.evidence import evidence_of
from ordersearch.export.format import find_format
from ordersearch.export.plain_formats import json_file, yaml_file
from ordersearch.ops import Role
from ordersearch.spec import BlockSpec

BLOCKS = "blocks.yaml"
FILES = (".yaml", ".yml", ".json")
NETWORK = "network "
MOST_VALUES, LARGEST_OPTION = 10**9, 10_000
"""No sample has more values, and no network another width or depth; but a file may say anything."""


@dataclass(frozen=True)
class ExportOptions:
    """The options of ``export`` as given."""

    source: str
    to: str
    out: str = ""
    rank: int = 1
    role: str = ""
    dims: int | None = None
    equivalent: bool = False


def run_export(options: ExportOptions) -> int:
    """Write or print blocks in the form that is asked for; the exit code."""
    to = find_format(options.to)
    file = _file(options.source)
    # A name that came from elsewhere may have half of a character, which no file can hold.
    text = _text(file, options).encode("utf-8", "replace").decode()
    if not options.out:
        print(text, end="")
        return 0
    path = Path(options.out)
    path = path / f"exported_block{to.suffix}" if path.is_dir() else path
    try:
        _write(path, text)
    except OSError as cause:
        raise StorageError(f"{path}: cannot be written ({cause.strerror or cause}). Give another --out.") from cause
    print(f"Export:  {path}")
    return 0


def _write(path: Path, text: str) -> None:
    """Write a file; into a pipe or a device such as /dev/stdout, which a file must not take the place of."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
    else:
        write_whole(path, text)


def _file(source: str) -> BlocksFile:
    """The blocks that a word names: a run, a blocks file, or a block in the notation."""
    if not _is_there(source):
        spec = _block(source)
        return BlocksFile((RankedBlocks({_role(spec): spec}),), 2)
    path = run_path(source)
    if path.is_dir() and (path / BLOCKS).is_file():
        path /= BLOCKS
    if path.suffix in FILES:
        return read_blocks(path)
    return _kept_blocks(path)


def _is_there(source: str) -> bool:
    try:
        return Path(source).exists() or (RUNS / source).exists()
    except (OSError, ValueError):
        # Longer than a name of a file may be.
        return False


def _block(source: str) -> BlockSpec:
    try:
        return BlockSpec.parse(source)
    except OrdersearchError:
        if source.strip() and not any(sign in source for sign in ">(,→|"):
            run_path(source)
        raise


def _role(spec: BlockSpec) -> str:
    if any(op.role is Role.MERGE for op in spec):
        return "residual"
    return "conv" if spec.on_maps else "dense"


def _kept_blocks(path: Path) -> BlocksFile:
    """The blocks of a search that has left no blocks file yet, from its journal."""
    if path.is_dir() and not (path / JOURNAL).is_file():
        raise RunError(f"{path}: holds neither {BLOCKS} nor {JOURNAL}, so it is no run's folder.{known_runs(path)}")
    with put_off():
        from ordersearch.study.kept_study import read_study, search_names
        from ordersearch.study.outputs import kept_blocks_file
        from ordersearch.study.storage import open_storage
    journal = path if path.is_file() else journal_in(path)
    storage = open_storage(str(journal))
    names = search_names(storage)
    if len(names) != 1:
        raise RunError(f"{journal}: holds {len(names)} searches, but an export is of one. Name its {BLOCKS}.")
    return kept_blocks_file(read_study(storage, names[0]))


def _text(file: BlocksFile, options: ExportOptions) -> str:
    blocks, dims = _asked_for(file, options), options.dims or file.dims
    alone = replace(file, ranking=(replace(file.ranking[options.rank - 1], blocks=blocks),), dims=dims)
    if options.to == "yaml":
        return yaml_file(alone)
    if options.to == "json":
        return json_file(alone)
    evidence = evidence_of(file, options.rank)
    is_whole = options.to == "torch" and dims == file.dims and not options.role
    network = _network_text(file, blocks, evidence) if is_whole else ""
    if network:
        return network
    try:
        return export_blocks(blocks, options.to, dims=dims, evidence=evidence, equivalent=options.equivalent)
    except ExportError as cause:
        if len(blocks) < 2:
            raise
        raise ExportError(f"{cause} One role alone: --role {' or --role '.join(blocks)}.") from cause


def _asked_for(file: BlocksFile, options: ExportOptions) -> Mapping[str, BlockSpec]:
    blocks = file.blocks(options.rank)
    if not options.role:
        return blocks
    if options.role not in blocks:
        raise unknown_name("role", options.role, blocks, where=options.source)
    return {options.role: blocks[options.role]}


def _network_text(file: BlocksFile, blocks: Mapping[str, BlockSpec], evidence: list[str]) -> str:
    """The whole network that was trained; empty where the file does not tell it, or it cannot be written."""
    name = file.study.get("network")
    shape: Any = file.data.get("shape")
    n_outputs: Any = file.data.get("n_outputs")
    options = {key: value for key, value in file.study.items() if key.startswith(NETWORK)}
    given: dict[str, Any] = {key.removeprefix(NETWORK): value for key, value in options.items()}
    if not isinstance(name, str) or not _are_sizes(shape) or not _are_sizes([n_outputs]):
        return ""
    if not all(isinstance(value, int) and value <= LARGEST_OPTION for value in given.values()):
        return ""
    if ":" in name:
        return _only_blocks(f"Network {name!r} is code of your own.")
    with put_off():
        from ordersearch.networks import find_network
        from ordersearch.networks.source import network_source
    try:
        network = find_network(name)
        if missing := [option for option in network.options if option not in given]:
            return _only_blocks(f"The file does not say its {', '.join(missing)}.")
        network = network.with_options(**given)
        return network_source(network, blocks, tuple(shape), n_outputs, evidence=evidence)
    except OrdersearchError as cause:
        return _only_blocks(str(cause))


def _are_sizes(value: object) -> bool:
    is_list = isinstance(value, list) and all(type(size) is int and size > 0 for size in value)
    return isinstance(value, list) and is_list and prod(value) <= MOST_VALUES


def _only_blocks(why: str) -> str:
    print(f"Only the blocks are written, not their network. {why}", file=sys.stderr)
    return ""
