"""``blocks.yaml``: the winner of a search and the next best few, with their figures and where they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ordersearch.documents import read_yaml, write_yaml
from ordersearch.errors import BlocksFileError, OrdersearchError, unknown_name
from ordersearch.spec import BlockSpec

SCHEMA = 1
TOP_KEYS = ("schema", "verdict", "dims", "study", "data", "counts", "versions", "ranking")
ENTRY_KEYS = ("rank", "name", "value", "n_runs", "trials", "learning_rate", "batch_size", "metrics", "blocks")

Plain = str | int | float | bool | None


@dataclass(frozen=True)
class RankedBlocks:
    """One place of the ranking.

    Attributes:
        blocks: The block of each role, as it was trained.
        value: Mean of the study's metric over the runs; None of blocks that nobody trained.
        n_runs: How many runs that is.
        trials: The numbers of their trials.
        learning_rate: At which they were trained; None of blocks that nobody trained.
        metrics: Means of the other metrics.
        name: Of the reference that it is, if it is one.
        batch_size: Samples a step, where the space chose it.
    """

    blocks: Mapping[str, BlockSpec]
    value: float | None = None
    n_runs: int = 0
    trials: tuple[int, ...] = ()
    learning_rate: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    name: str = ""
    batch_size: int | None = None


@dataclass(frozen=True)
class BlocksFile:
    """What a blocks file holds.

    Attributes:
        ranking: Best first.
        dims: Spatial dimensions of the data; what ``load_blocks`` builds convolutions for.
        verdict: The result in one sentence.
        study: The search: its name, space, network, metric, seed, settings.
        data: The data set: its name, fingerprint, shape.
        counts: Orders, distinct networks, trials by state.
        versions: Of ordersearch and the libraries that trained.
    """

    ranking: tuple[RankedBlocks, ...]
    dims: int
    verdict: str = ""
    study: Mapping[str, Plain] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def blocks(self, rank: int = 1) -> Mapping[str, BlockSpec]:
        """The blocks of this rank, best first from 1.

        Raises:
            BlocksFileError: The ranking is shorter.
        """
        if not 1 <= rank <= len(self.ranking):
            raise BlocksFileError(
                f"The ranking has the ranks 1 to {len(self.ranking)}, but rank {rank!r} was asked for."
            )
        return self.ranking[rank - 1].blocks


def write_blocks(path: Path, file: BlocksFile) -> None:
    """Write a blocks file, whole or not at all."""
    write_yaml(path, blocks_content(file))


def blocks_content(file: BlocksFile) -> dict[str, Any]:
    """What a blocks file holds, as plain values."""
    return {
        "schema": SCHEMA,
        "verdict": file.verdict,
        "dims": file.dims,
        "study": dict(file.study),
        "data": dict(file.data),
        "counts": dict(file.counts),
        "versions": dict(file.versions),
        "ranking": [_entry(rank, place) for rank, place in enumerate(file.ranking, 1)],
    }


def _entry(rank: int, place: RankedBlocks) -> dict[str, Any]:
    return {
        "rank": rank,
        **({"name": place.name} if place.name else {}),
        **({"value": place.value} if place.value is not None else {}),
        "n_runs": place.n_runs,
        "trials": list(place.trials),
        **({"learning_rate": place.learning_rate} if place.learning_rate is not None else {}),
        **({"batch_size": place.batch_size} if place.batch_size is not None else {}),
        "metrics": dict(place.metrics),
        "blocks": {role: to_plain(spec) for role, spec in place.blocks.items()},
    }


def to_plain(spec: BlockSpec) -> dict[str, Any]:
    """A block in the notation and in structured form, every parameter spelled out.

    Example:
        >>> to_plain(BlockSpec.parse("linear > relu"))
        {'notation': 'linear > relu', 'ops': [{'op': 'linear', 'bias': 'auto'}, {'op': 'relu'}]}
    """
    return {"notation": str(spec), "ops": [{"op": op.name, **op.params} for op in spec]}


def read_blocks(path: Path) -> BlocksFile:
    """The content of a blocks file; nothing in it is run.

    Raises:
        BlocksFileError: The file cannot be read, breaks the schema, or was written by a newer version.
    """
    content = _mapping(read_yaml(path, BlocksFileError), str(path))
    schema = content.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise BlocksFileError(
            f"{path}: schema: got {schema!r}, but a blocks file states its schema version, 1 to {SCHEMA}."
        )
    if schema > SCHEMA:
        raise BlocksFileError(
            f"{path}: schema: got {schema}, but this version of ordersearch reads up to {SCHEMA}. Upgrade ordersearch."
        )
    _check_keys(content, TOP_KEYS, str(path))
    dims = content.get("dims", 2)
    if type(dims) is not int or dims not in (1, 2, 3):
        raise BlocksFileError(f"{path}: dims: got {dims!r}, but maps have 1, 2 or 3 dimensions.")
    entries = content.get("ranking")
    if not isinstance(entries, list) or not entries:
        raise BlocksFileError(f"{path}: ranking: got {entries!r:.100}, but a list of at least one entry stands here.")
    return BlocksFile(
        ranking=tuple(_read_entry(item, f"{path}: ranking[{i}]") for i, item in enumerate(entries)),
        dims=dims,
        verdict=_text(content, "verdict", f"{path}: "),
        **{key: _mapping(content.get(key, {}), f"{path}: {key}") for key in ("study", "data", "counts", "versions")},
    )


def _read_entry(value: Any, where: str) -> RankedBlocks:
    entry = _mapping(value, where)
    _check_keys(entry, ENTRY_KEYS, where)
    blocks = _mapping(entry.get("blocks"), f"{where}.blocks")
    if not blocks:
        raise BlocksFileError(f"{where}.blocks: got {{}}, but at least one role has a block.")
    trials = entry.get("trials", [])
    if not isinstance(trials, list) or not all(type(trial) is int for trial in trials):
        raise BlocksFileError(f"{where}.trials: got {trials!r:.100}, but a list of trial numbers stands here.")
    _count({"rank": 0, **entry}, "rank", where)
    return RankedBlocks(
        blocks={role: _read_block(item, f"{where}.blocks.{role}") for role, item in blocks.items()},
        value=_number(entry, "value", where) if "value" in entry else None,
        n_runs=_count({"n_runs": 0, **entry}, "n_runs", where),
        trials=tuple(trials),
        learning_rate=_number(entry, "learning_rate", where) if "learning_rate" in entry else None,
        metrics={
            k: _number({k: v}, k, f"{where}.metrics") for k, v in _mapping(entry.get("metrics", {}), where).items()
        },
        name=_text(entry, "name", f"{where}."),
        batch_size=_count(entry, "batch_size", where) if "batch_size" in entry else None,
    )


def _read_block(value: Any, where: str) -> BlockSpec:
    block = _mapping(value, where)
    _check_keys(block, ("notation", "ops"), where)
    try:
        spec = BlockSpec.parse(block.get("notation", ""))
    except OrdersearchError as cause:
        raise BlocksFileError(f"{where}: {cause}") from cause
    if "ops" in block and block["ops"] != to_plain(spec)["ops"]:
        raise BlocksFileError(f"{where}: the notation '{spec}' and the list of ops differ. Keep the one that is meant.")
    return spec


def _text(content: Mapping[str, Any], key: str, where: str) -> str:
    value = content.get(key, "")
    if not isinstance(value, str):
        raise BlocksFileError(f"{where}{key}: got {value!r:.100}, but text stands here.")
    return value


def _number(entry: Mapping[str, Any], key: str, where: str) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BlocksFileError(f"{where}.{key}: got {value!r:.100}, but a number stands here.")
    try:
        return float(value)
    except OverflowError as cause:
        raise BlocksFileError(f"{where}.{key}: got {value!r:.20}..., which is no figure of a search.") from cause


def _count(entry: Mapping[str, Any], key: str, where: str) -> int:
    value = entry.get(key)
    if type(value) is not int or value < 0:
        raise BlocksFileError(f"{where}.{key}: got {value!r:.100}, but an integer of at least 0 stands here.")
    return value


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BlocksFileError(f"{where}: got {value!r:.100}, but a mapping with text keys stands here.")
    return value


def _check_keys(mapping: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    known = tuple(known)
    for key in mapping:
        if key not in known:
            raise BlocksFileError(str(unknown_name("key", key, known, where=where)))
