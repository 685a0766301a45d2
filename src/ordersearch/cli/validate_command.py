"""The command ``validate``: whether a blocks file or a search space holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ordersearch.documents import read_yaml
from ordersearch.errors import OrdersearchError
from ordersearch.export import read_blocks
from ordersearch.results import in_one_line
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec

BLOCKS_KEYS = ("schema", "ranking")
SPACE_KEYS = ("roles", "nuisance", "references", "dropout_placement")


class ValidateError(OrdersearchError, ValueError):
    """A file that is neither a blocks file nor a search space."""


def run_validate(file: str, *, as_json: bool) -> int:
    """Say what a file is and that it holds, or raise the error that reading it gives; the exit code."""
    path = Path(file)
    try:
        told = _told(path)
    except OrdersearchError as cause:
        if not as_json:
            raise
        print(json.dumps({"file": file, "valid": False, "error": str(cause)}, indent=2, ensure_ascii=False))
        return 2
    if as_json:
        print(json.dumps({"file": file, "valid": True, **told}, indent=2, ensure_ascii=False))
    else:
        print(f"{file}: {_sentence(told)}")
    return 0


def _told(path: Path) -> dict[str, Any]:
    content = read_yaml(path, ValidateError)
    keys = content if isinstance(content, dict) else ()
    if any(key in keys for key in BLOCKS_KEYS):
        blocks = read_blocks(path)
        return {"kind": "blocks", "n_places": len(blocks.ranking), "first": _in_one_line(blocks.blocks())}
    if any(key in keys for key in SPACE_KEYS):
        space = SearchSpace.load(path)
        return {"kind": "search space", "roles": list(space.roles), **_sizes(space)}
    raise ValidateError(
        f"{path}: is neither a blocks file, which has the keys schema and ranking, nor a search space, which has roles."
    )


def _sentence(told: dict[str, Any]) -> str:
    if told["kind"] == "blocks":
        n = told["n_places"]
        return f"a valid blocks file. {n} place{'s' * (n != 1)}, the first: {told['first']}"
    roles, sizes = ", ".join(told["roles"]), f"{told['n_orders']} orders, {told['n_networks']} distinct networks"
    return f"a valid search space. Roles: {roles}; {sizes}"


def _in_one_line(blocks: Mapping[str, BlockSpec]) -> str:
    return in_one_line({role: str(spec) for role, spec in blocks.items()})


def _sizes(space: SearchSpace) -> dict[str, int]:
    return {"n_orders": space.n_specs, "n_networks": space.n_classes}
