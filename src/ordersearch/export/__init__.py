"""Blocks as files that outlive the search, as source to paste, and in the terms of other libraries and back."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ordersearch.export.blocks_file import BlocksFile, RankedBlocks, read_blocks, write_blocks
from ordersearch.export.format import Format, export_blocks, format_names
from ordersearch.export.schema import blocks_schema

if TYPE_CHECKING:
    from ordersearch.export.libraries.fastai import from_fastai
    from ordersearch.export.libraries.mmcv import from_mmcv
    from ordersearch.export.libraries.monai import from_monai, from_monai_adn
    from ordersearch.export.libraries.unet3d import from_3dunet

_HOMES = {
    "from_3dunet": "unet3d",
    "from_fastai": "fastai",
    "from_mmcv": "mmcv",
    "from_monai": "monai",
    "from_monai_adn": "monai",
}

__all__ = [
    "BlocksFile",
    "Format",
    "RankedBlocks",
    "blocks_schema",
    "export_blocks",
    "format_names",
    "from_3dunet",
    "from_fastai",
    "from_mmcv",
    "from_monai",
    "from_monai_adn",
    "read_blocks",
    "write_blocks",
]


def __getattr__(name: str) -> Any:
    # Imported when asked for: every search reads and writes blocks files, few ask for a library's terms.
    if name not in _HOMES:
        raise AttributeError(f"module 'ordersearch.export' has no attribute {name!r}")
    return getattr(import_module(f"ordersearch.export.libraries.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
