"""Names that exported source gives to the blocks of roles, whatever the roles are called."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping

from ordersearch.export.header import printable


def class_names(roles: Iterable[str]) -> dict[str, str]:
    """A class name for each role, no two alike.

    Example:
        >>> class_names(["conv", "stage_end", "stage end", "1"])
        {'conv': 'ConvBlock', 'stage_end': 'StageEndBlock', 'stage end': 'StageEndBlock2', '1': 'Role1Block'}
    """
    return _distinct(
        {role: "".join(f"{word[:1].upper()}{word[1:]}" for word in _words(role)) for role in roles}, "Block"
    )


def function_names(roles: Iterable[str]) -> dict[str, str]:
    """A function name for each role, no two alike.

    Example:
        >>> function_names(["conv", "Stage end", "größe"])
        {'conv': 'conv_block', 'Stage end': 'stage_end_block', 'größe': 'gr_e_block'}
    """
    return _distinct({role: "".join(f"{word.lower()}_" for word in _words(role)) for role in roles}, "block")


def is_plain(name: str) -> bool:
    """Whether source can use a text as a name as it stands."""
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def quoted(text: str) -> str:
    """A text as a literal of Python, in double quotes where these need no escape.

    Example:
        >>> print(quoted("same"), quoted('a"b'))
        "same" 'a"b'
    """
    written = repr(text)
    return written if '"' in text or written[0] == '"' else f'"{written[1:-1]}"'


def in_docstring(text: str) -> str:
    r"""A text that neither ends a docstring nor is read as an escape in it.

    Example:
        >>> print(in_docstring(r'a\nb "c"'))
        a/nb 'c'
    """
    return printable(text).replace("\\", "/").replace('"', "'")


def _words(role: str) -> list[str]:
    return re.findall(r"[0-9A-Za-z]+", role)


def _distinct(stems: Mapping[str, str], ending: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for role, stem in stems.items():
        name = plain = (
            stem + ending if not stem[:1].isdigit() else f"{'Role' if ending[0].isupper() else 'role_'}{stem}{ending}"
        )
        number = 1
        while name in found.values():
            number += 1
            name = f"{plain}{number}"
        found[role] = name
    return found
