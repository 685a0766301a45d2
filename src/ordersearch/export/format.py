"""What every format of export has: a name, what it cannot express, and how its text is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from typing import cast

from ordersearch.errors import ExportError, SpecError, unknown_name
from ordersearch.identities import each_member, why
from ordersearch.spec import BlockSpec

Blocks = Mapping[str, BlockSpec]


@dataclass(frozen=True)
class Format:
    """A format that blocks are exported to.

    Attributes:
        name: As asked for: ``torch``.
        summary: What comes out, in one line.
        suffix: Of its files: ``.py``.
        check: Raises an ``ExportError`` with the reason where a block at maps of so many dimensions cannot be expressed
            exactly: a reason alone, which reads on behind "cannot be written for monai:" and ends without a full stop.
        write: The text for blocks that pass ``check``, by role, dimensions of the maps, and lines of evidence.
    """

    name: str
    summary: str
    suffix: str
    check: Callable[[BlockSpec, int], None]
    write: Callable[[Blocks, int, Sequence[str]], str]


_HERE = "ordersearch.export"
_LIBRARIES = f"{_HERE}.libraries"

_FORMATS = {
    "torch": f"{_HERE}.torch_source:TORCH",
    "keras": f"{_HERE}.keras_source:KERAS",
    "monai": f"{_LIBRARIES}.monai:MONAI",
    "mmcv": f"{_LIBRARIES}.mmcv:MMCV",
    "fastai": f"{_LIBRARIES}.fastai:FASTAI",
    "timm": f"{_LIBRARIES}.timm:TIMM",
    "torchvision": f"{_LIBRARIES}.torchvision:TORCHVISION",
    "nnunet": f"{_LIBRARIES}.nnunet:NNUNET",
    "pytorch-3dunet": f"{_LIBRARIES}.unet3d:UNET3D",
    "yaml": f"{_HERE}.plain_formats:YAML",
    "json": f"{_HERE}.plain_formats:JSON",
}

TAKE_ANY = ("torch", "yaml", "json")
LOOKED_AT = 1000
"""Orders of a class; 2 ms each. The largest class of a space that ships has 6."""


def format_names() -> tuple[str, ...]:
    """The names of all formats."""
    return tuple(_FORMATS)


def find_format(name: str) -> Format:
    """The format of this name.

    Raises:
        UnknownNameError: There is none; the message gives the nearest.
    """
    if name not in _FORMATS:
        raise unknown_name("export format", name, _FORMATS)
    module, _, attribute = _FORMATS[name].partition(":")
    return cast(Format, getattr(import_module(module), attribute))


def export_blocks(
    blocks: Blocks, to: str, *, dims: int = 2, evidence: Sequence[str] = (), equivalent: bool = False
) -> str:
    """The text of blocks in a format: source of PyTorch or Keras, the arguments of a library's block, YAML or JSON.

    Args:
        blocks: One for each role.
        to: The format's name.
        dims: 1, 2 or 3 dimensions of the maps.
        evidence: What is known of the blocks, a line each; formats with comments carry them in their header.
        equivalent: Whether an order that the format cannot express may be written as one that is the same network.

    Raises:
        UnknownNameError: No format has this name.
        ExportError: A block cannot be expressed; the message says why, and what order of the same network can be.

    Example:
        >>> text = export_blocks({"dense": BlockSpec.parse("linear > relu")}, "torch")
        >>> "nn.Linear(in_features, out_features)" in text
        True
    """
    found = find_format(to)
    written = {role: _expressed(spec, found, dims, equivalent) for role, spec in blocks.items()}
    changed = [(spec, blocks[role]) for role, spec in written.items() if spec != blocks[role]]
    told = [f"'{spec}' is the same network as '{given}', which {to} cannot express." for spec, given in changed]
    return found.write(written, dims, [*evidence, *told])


def _expressed(spec: BlockSpec, to: Format, dims: int, equivalent: bool) -> BlockSpec:
    refusal = reason_against(spec, to, dims)
    if not refusal:
        return spec
    equal = nearest_expressible(spec, to, dims)
    if equal is not None and equivalent:
        return equal
    cannot = f"Block '{spec}' cannot be written for {to.name}: {refusal}."
    if equal is not None:
        raise ExportError(f"{cannot} The same network as '{equal}' can: export that, or allow it (--equivalent).")
    others = "" if to.name in TAKE_ANY else f" The formats {', '.join(TAKE_ANY)} can express any."
    is_cut = next(islice(each_member(spec), LOOKED_AT, None), None) is not None
    looked_at = f" of the first {LOOKED_AT} that were looked at" if is_cut else ""
    raise ExportError(f"{cannot} Nor can any other order of the same network{looked_at}.{others}")


def reason_against(spec: BlockSpec, to: Format, dims: int) -> str:
    """Why a format cannot express a block as it stands; empty where it can.

    Example:
        >>> reason_against(BlockSpec.parse("linear > relu"), find_format("torch"), 2)
        ''
    """
    try:
        to.check(spec, dims)
    except (ExportError, SpecError) as refused:
        return str(refused).rstrip(".")
    return ""


def nearest_expressible(spec: BlockSpec, to: Format, dims: int) -> BlockSpec | None:
    """The order of the same network that the format can express and that takes the fewest swaps, if there is one."""
    others = (member for member in islice(each_member(spec), LOOKED_AT) if member != spec)
    able = [member for member in others if not reason_against(member, to, dims)]
    return min(able, key=lambda member: (len(why(spec, member)), str(member)), default=None)
