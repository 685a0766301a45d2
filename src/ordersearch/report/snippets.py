"""How to take a block home: a file to load, code to run, source to paste."""

from __future__ import annotations

import json
import keyword

import yaml

from ordersearch.errors import OrdersearchError
from ordersearch.export import export_blocks
from ordersearch.export.blocks_file import SCHEMA
from ordersearch.report.content import Candidate, Snippet
from ordersearch.spec import BlockSpec


def snippets(candidate: Candidate, *, dims: int) -> tuple[Snippet, ...]:
    """The ways to use a candidate's blocks; those that cannot be written for them are left out.

    Args:
        candidate: Whose blocks.
        dims: Spatial dimensions of the data; 0 is a table.
    """
    found = [
        Snippet("As a file", "yaml", _file(candidate, dims), "Save it as block.yaml: load_blocks reads it."),
        Snippet("With ordersearch", "python", _loading(candidate), "Makes a layer of your own network."),
    ]
    try:
        blocks = {role: BlockSpec.parse(text) for role, text in candidate.blocks.items()}
        source = export_blocks(blocks, "torch", dims=dims or 2)
    except OrdersearchError:
        # A plugin's op, whose package may be gone.
        return tuple(found)
    return (*found, Snippet("As plain PyTorch", "python", source, "The same layers without ordersearch, to paste."))


def _file(candidate: Candidate, dims: int) -> str:
    entry = {
        "rank": 1,
        **({"name": candidate.name} if candidate.name else {}),
        **({"value": candidate.mean} if candidate.mean is not None else {}),
        "n_runs": candidate.n,
        "learning_rate": candidate.learning_rate,
        **({"batch_size": candidate.batch_size} if candidate.batch_size is not None else {}),
        "blocks": {role: {"notation": text} for role, text in candidate.blocks.items()},
    }
    content = {"schema": SCHEMA, "dims": dims or 2, "ranking": [entry]}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1_000)
    return text


def _loading(candidate: Candidate) -> str:
    lines = ["from ordersearch import load_blocks", "", 'blocks = load_blocks("block.yaml")']
    for role, text in candidate.blocks.items():
        name = role if role.isidentifier() and not keyword.iskeyword(role) else "layer"
        counted = "channels" if BlockSpec.parse(text).on_maps else "features"
        lines.append(f"{name} = blocks[{json.dumps(role)}](64, 128)  # from 64 {counted} to 128")
    return "\n".join([*lines, ""])
