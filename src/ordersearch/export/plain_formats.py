"""Blocks as a file that ``load_blocks`` reads: YAML, or the same content as JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ordersearch.documents import yaml_text
from ordersearch.export.blocks_file import BlocksFile, RankedBlocks, blocks_content
from ordersearch.export.format import Blocks, Format
from ordersearch.export.header import commented
from ordersearch.spec import BlockSpec

# Readers of YAML take JSON, but none of these as they are.
_NO_SIGNS_OF_YAML = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def yaml_file(file: BlocksFile, evidence: Sequence[str] = ()) -> str:
    """A blocks file as YAML, without the keys that it has nothing to say for.

    Args:
        file: What it holds.
        evidence: Comments to put first.

    Example:
        >>> spec = BlockSpec.parse("linear > relu")
        >>> print(yaml_file(BlocksFile((RankedBlocks({"dense": spec}),), 2)).partition("      ops:")[0])
        schema: 1
        dims: 2
        ranking:
        - rank: 1
          blocks:
            dense:
              notation: linear > relu
        <BLANKLINE>
    """
    return commented(evidence) + yaml_text(_told(file))


def json_file(file: BlocksFile) -> str:
    """A blocks file as JSON, which has no word for a figure that is not finite: such ones are left out."""
    text = json.dumps(_in_json(_told(file)), indent=2, ensure_ascii=False, allow_nan=False)
    return _NO_SIGNS_OF_YAML.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text) + "\n"


def _told(file: BlocksFile) -> dict[str, Any]:
    content = _filled(blocks_content(file))
    return {**content, "ranking": [_filled(entry) for entry in content["ranking"]]}


def _filled(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value not in ("", 0, [], {}) or isinstance(value, float)}


def _in_json(value: Any) -> Any:
    """A value of YAML as JSON has it: dates as text, nothing for figures that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): _in_json(own) for key, own in value.items() if not _is_endless(own)}
    if isinstance(value, list):
        return [_in_json(own) for own in value if not _is_endless(own)]
    return value if isinstance(value, str | int | float | None) else str(value)


def _is_endless(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _of(blocks: Blocks, dims: int) -> BlocksFile:
    return BlocksFile((RankedBlocks(dict(blocks)),), dims)


def _check(spec: BlockSpec, dims: int) -> None:
    """Nothing: a file holds any block."""


YAML = Format(
    "yaml",
    "a blocks file, which load_blocks reads",
    ".yaml",
    _check,
    lambda blocks, dims, evidence: yaml_file(_of(blocks, dims), evidence),
)
JSON = Format(
    "json",
    "the content of a blocks file as JSON",
    ".json",
    _check,
    lambda blocks, dims, _: json_file(_of(blocks, dims)),
)
