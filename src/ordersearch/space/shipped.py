"""The search spaces that ship with ordersearch, and how one is found by name or path."""

from __future__ import annotations

from pathlib import Path

from ordersearch.errors import unknown_name

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_spaces() -> dict[str, Path]:
    """The search spaces that ship with ordersearch: name to file."""
    for folder in (_PACKAGE / "search_spaces", _PACKAGE.parents[1] / "search_spaces"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def find_space(name_or_path: str | Path) -> Path:
    """The file of a shipped space, or the path that was given.

    Raises:
        UnknownNameError: It does not look like a path, and no space of this name ships.
    """
    text = str(name_or_path)
    shipped = shipped_spaces()
    if text in shipped:
        return shipped[text]
    if isinstance(name_or_path, Path) or "/" in text or text.endswith((".yaml", ".yml")):
        return Path(text)
    error = unknown_name("search space", text, shipped)
    raise type(error)(f"{error} Or give the path of a YAML file.")
