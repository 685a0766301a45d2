"""Safe YAML: what a file holds as plain values, or one error that says where it goes wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ordersearch.errors import OrdersearchError

MAX_BYTES = 1_000_000
MAX_DEPTH = 50


class _PlainLoader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Safe YAML without repeated keys, whose numbers may be written as people write them: 1e-3."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node.value, Hashable) else id(key_node)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {str(key)[:80]!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


class _PlainDumper(yaml.SafeDumper):
    """Safe YAML as ``_PlainLoader`` reads it: what stands in two places is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# YAML 1.1 takes 1e-3, with no point in it, for text.
for _yaml in (_PlainLoader, _PlainDumper):
    _yaml.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+\Z"), list("-+0123456789")
    )


def _check_plain(text: str) -> None:
    """Refuse what plain values do without: aliases (a few lines of them unfold to gigabytes), tags, deep nesting."""
    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=_PlainLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        refused = ""
        if isinstance(event, yaml.AliasEvent):
            refused = "an alias (*name) is not read here"
        elif getattr(event, "tag", None) is not None:
            refused = f"the tag {event.tag[:80]!r} is not read here"
        elif depth > MAX_DEPTH:
            refused = f"more than {MAX_DEPTH} levels of nesting are not read here"
        if refused:
            raise yaml.constructor.ConstructorError(None, None, refused, event.start_mark)


def read_yaml(path: Path, error: type[OrdersearchError]) -> Any:
    """The plain values of a YAML file: mappings, lists, strings, numbers, truth values.

    Args:
        path: The file; at most one megabyte is read.
        error: What to raise when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as cause:
        raise error(f"{path}: cannot be read ({cause.strerror or cause}). Check the path.") from cause
    if len(content) > MAX_BYTES:
        raise error(f"{path}: is larger than {MAX_BYTES} bytes, which no file of this kind is.")
    try:
        text = content.decode()
        _check_plain(text)
        return yaml.load(text, Loader=_PlainLoader)
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "its text"
        raise error(f"{path}: {place}: {cause.problem or cause.context}. Only plain YAML is read.") from cause
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as cause:
        raise error(f"{path}: is not plain YAML in UTF-8: {str(cause).splitlines()[0]}.") from cause


def write_yaml(path: Path, values: Any) -> None:
    """Write plain values as YAML, keys in the order given, in one step: the file is whole or not there."""
    write_whole(path, yaml_text(values))


def yaml_text(values: Any) -> str:
    """Plain values as YAML, keys in the order given."""
    text: str = yaml.dump(values, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one step, so that nobody ever sees half of it."""
    # Each process writes a half of its own: two may write the same file at once.
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        half.write_text(text, encoding="utf-8")
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
