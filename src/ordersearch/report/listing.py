"""What there is to choose from, as data and as text: references, networks, spaces, data sets, ops, formats."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ordersearch.advice import CATALOGUE
from ordersearch.errors import PluginError, unknown_name
from ordersearch.export.format import find_format, format_names
from ordersearch.ops import OpKind, Role, Value, op_kind, op_names
from ordersearch.ops.op_spec import OPS, op_package
from ordersearch.registry import Registry
from ordersearch.space import SearchSpace, shipped_spaces

WIDTH = 100
_PLURALS = {"lr": "learning rates", "batch_size": "batch sizes"}
_NO_OP: Mapping[str, Any] = {"role": "", "params": [], "aliases": [], "traits": [], "dims": []}
Row = Mapping[str, Any]


def listed(kind: str) -> list[dict[str, Any]]:
    """What there is of a kind, as plain values for JSON.

    Args:
        kind: ``references``, ``networks``, ``spaces``, ``datasets``, ``ops`` or ``formats``.

    Raises:
        UnknownNameError: There is no list of this kind.

    Example:
        >>> next(row["order"] for row in listed("references") if row["name"] == "record CIFAR-10 networks")
        'conv > max_pool > batch_norm > gelu'
    """
    return _list(kind).rows()


def listing_lines(kind: str, rows: Iterable[Row]) -> Iterator[str]:
    """The rows of ``listed(kind)`` as lines for people, of at most 100 characters where words allow it.

    Args:
        kind: As for ``listed``.
        rows: What that gave, or some of it.

    Raises:
        UnknownNameError: There is no list of this kind.

    Example:
        >>> print(next(listing_lines("ops", [row for row in listed("ops") if row["name"] == "dropout"])))
        dropout: a dropout
    """
    found = _list(kind)
    for row in rows:
        yield from _wrapped(found.heading(row), "")
        for line in found.lines(row):
            yield from _wrapped(line, "  ")
    yield ""
    yield from _wrapped(found.use, "")


def _references() -> list[dict[str, Any]]:
    return [
        {"name": row.name, "order": row.order, "pattern": row.pattern, "source": row.source, "claim": row.claim}
        for row in CATALOGUE.values()
    ]


def _reference_lines(row: Row) -> Iterator[str]:
    yield row["order"]
    yield row["claim"]
    yield f"Source: {row['source']}"


def _networks() -> list[dict[str, Any]]:
    # Their modules import torch, which takes seconds, so they are looked at here only.
    from ordersearch.networks import network_names
    from ordersearch.networks.registry import NETWORKS

    return [*map(_network, network_names()), *_refused(NETWORKS, {"roles": [], "inputs": [], "options": {}})]


def _network(name: str) -> dict[str, Any]:
    from ordersearch.networks.network import KINDS
    from ordersearch.networks.registry import NETWORKS

    package = "" if name in NETWORKS.builtin_names() else NETWORKS.package(name)
    try:
        network = NETWORKS[name]
    except PluginError as cause:
        # A list that a broken plugin can stop would hide the others.
        return {"name": name, "summary": str(cause), "package": package, "roles": [], "inputs": [], "options": {}}
    return {
        "name": name,
        "summary": network.summary,
        "package": package,
        "roles": list(network.roles),
        "inputs": [KINDS[dims] for dims in network.dims],
        "options": {option: value for option, value in network.options.items() if option != "stem"},
    }


def _refused(registry: Registry[Any], rest: Row) -> list[dict[str, Any]]:
    """Rows of what plugins call by the name of a built-in, and why that is not used."""
    told = registry.refused().items()
    return [{"name": name, "summary": why, "package": registry.package(name), **rest} for name, why in told]


def _network_lines(row: Row) -> Iterator[str]:
    options = " ".join(f"--{name} {value}" for name, value in row["options"].items())
    if row["inputs"]:
        yield from _origin(row)
        yield f"blocks: {', '.join(row['roles']) or 'any'}; for {', '.join(row['inputs'])}"
    if options:
        yield f"options with their defaults: {options}"


def _origin(row: Row) -> Iterator[str]:
    if row["package"]:
        yield f"from the plugin {row['package']}"


def _spaces() -> list[dict[str, Any]]:
    return [_space(name, SearchSpace.load(name)) for name in shipped_spaces()]


def _space(name: str, space: SearchSpace) -> dict[str, Any]:
    return {
        "name": name,
        "description": space.description,
        "roles": list(space.block_roles),
        "n_orders": space.n_specs,
        "n_networks": space.n_classes,
        "n_settings": space.n_settings,
        "nuisance": {key: list(choices) for key, choices in space.nuisance.items()},
        "network": dict(space.network),
        "references": [reference.name for reference in space.references()],
    }


def _space_lines(row: Row) -> Iterator[str]:
    yield row["description"]
    nuisance = " and ".join(f"{len(choices)} {_PLURALS[name]}" for name, choices in row["nuisance"].items())
    yield (
        f"{row['n_orders']} orders (rates counted) are {row['n_networks']} distinct networks; with {nuisance} "
        f"{row['n_settings']} settings"
    )
    options = ", ".join(f"{key} {value}" for key, value in row["network"].items() if key != "name")
    network = row["network"].get("name", "")
    default = f"{network}{f' ({options})' if options else ''}" if network else "the one that suits the data"
    yield f"roles: {', '.join(row['roles'])}; network: {default}"


def _datasets() -> list[dict[str, Any]]:
    from ordersearch.data.sources import DATASETS, source_kinds

    plugins = DATASETS.plugin_names()
    rows = [
        {"name": name, "summary": summary, "package": DATASETS.package(name) if name in plugins else ""}
        for name, summary in source_kinds()
    ]
    return [*rows, *_refused(DATASETS, {})]


def _ops() -> list[dict[str, Any]]:
    return [*map(_op, op_names()), *_refused(OPS, _NO_OP)]


def _op(name: str) -> dict[str, Any]:
    package = op_package(name)
    try:
        kind = op_kind(name)
    except PluginError as cause:
        return {"name": name, "summary": str(cause), "package": package, **_NO_OP}
    return {
        "name": name,
        "role": str(kind.role),
        "summary": kind.summary,
        "package": package,
        "params": [
            {"name": param.name, "default": param.default, "holds": param.holds, "aliases": list(param.aliases)}
            for param in kind.params
        ],
        "aliases": list(kind.aliases),
        "traits": sorted(map(str, kind.traits)),
        "dims": _dims(kind),
    }


def _dims(kind: OpKind) -> list[int]:
    """The numbers of spatial dimensions that the op has a layer for; 0 is plain features."""
    if kind.role is Role.MERGE:
        return [0, 1, 2, 3]
    return [*([0] if kind.on_features else []), *([1, 2, 3] if kind.on_maps else [])]


def _op_heading(row: Row) -> str:
    article = "an" if row["role"][:1] in "aeiou" else "a"
    return f"{row['name']}: {article} {row['role']}" if row["role"] else row["name"]


def _op_lines(row: Row) -> Iterator[str]:
    yield row["summary"]
    if row["role"]:
        yield from _origin(row)
    params = ", ".join(f"{param['name']}={_written(param['default'])}" for param in row["params"])
    places = [*(["features"] if 0 in row["dims"] else []), *(["1-D, 2-D and 3-D maps"] if 2 in row["dims"] else [])]
    yield from (
        f"{key}: {value}"
        for key, value in (
            ("parameters", params),
            ("on", " and ".join(places)),
            ("traits", ", ".join(row["traits"])),
            ("also called", ", ".join(row["aliases"])),
        )
        if value
    )


def _formats() -> list[dict[str, Any]]:
    rows = map(find_format, format_names())
    return [{"name": row.name, "summary": row.summary, "suffix": row.suffix} for row in rows]


def _written(value: Value) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


@dataclass(frozen=True)
class _List:
    """A kind of list.

    Attributes:
        rows: What there is.
        heading: The line that a row begins with.
        lines: The lines below it.
        use: What to do with one.
    """

    rows: Callable[[], list[dict[str, Any]]]
    heading: Callable[[Row], str]
    lines: Callable[[Row], Iterator[str]]
    use: str


def _named(row: Row) -> str:
    return f"{row['name']}: {row['summary']}" if row.get("summary") else str(row["name"])


_LISTS = {
    "references": _List(
        _references, _named, _reference_lines, "What one equals and costs: python -m ordersearch explain ORDER"
    ),
    "networks": _List(
        _networks,
        _named,
        _network_lines,
        "Use one: python -m ordersearch DATASET --network NAME (or package.module:build for one of your own)",
    ),
    "spaces": _List(
        _spaces,
        _named,
        _space_lines,
        "Search one: python -m ordersearch DATASET --space NAME; list it: python -m ordersearch classes NAME",
    ),
    "datasets": _List(_datasets, _named, lambda row: iter(()), "Search one: python -m ordersearch DATASET"),
    "ops": _List(_ops, _op_heading, _op_lines, "Write one with its parameters: conv(kernel=5) > relu > dropout(p=0.1)"),
    "formats": _List(_formats, _named, lambda row: iter(()), "Write one: python -m ordersearch export RUN --to NAME"),
}
KINDS = tuple(_LISTS)
"""The kinds of list."""


def _list(kind: str) -> _List:
    if kind not in _LISTS:
        raise unknown_name("list", kind, _LISTS)
    return _LISTS[kind]
