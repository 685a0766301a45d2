"""The JSON Schema of blocks files, for editors and other programs."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def blocks_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``blocks.yaml``.

    It cannot say whether a notation makes a block, nor whether the list of ops agrees with it; ``read_blocks`` does.

    Example:
        >>> blocks_schema()["required"]
        ['schema', 'ranking']
    """
    text = files("ordersearch.export").joinpath("blocks.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
