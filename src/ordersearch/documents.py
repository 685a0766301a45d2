"""Safe YAML: what a file holds as plain values, or one error that says where it goes wrong."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ordersearch.errors import OrdersearchError

MAX_BYTES = 1_000_000


class _PlainLoader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Safe YAML without aliases (a few lines of them can unfold to gigabytes) and without repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.constructor.ConstructorError(None, None, "an alias (*name) is not read here", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {str(key_node.value)[:80]!r} stands here twice", key_node.start_mark
                )
            seen.add(key_node.value if isinstance(key_node.value, Hashable) else id(key_node))
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


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
        return yaml.load(content.decode(), Loader=_PlainLoader)
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "its text"
        raise error(f"{path}: {place}: {cause.problem or cause.context}. Only plain YAML is read.") from cause
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as cause:
        raise error(f"{path}: is not plain YAML in UTF-8: {str(cause).splitlines()[0]}.") from cause
    except RecursionError as cause:
        raise error(f"{path}: is nested too deeply for a file of this kind.") from cause


def write_yaml(path: Path, values: Any) -> None:
    """Write plain values as YAML, keys in the order given, in one step: the file is whole or not there."""
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    write_whole(path, text)


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one step, so that nobody ever sees half of it."""
    half = path.with_name(path.name + ".part")
    half.write_text(text, encoding="utf-8")
    half.replace(path)
