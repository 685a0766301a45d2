"""References: orders that a search tries first and that reports show by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ordersearch.advice import CATALOGUE
from ordersearch.errors import SpaceError, nearest
from ordersearch.ops import Role
from ordersearch.space.dropout_placement import DROPOUT_PLACEMENT, placed, places_of
from ordersearch.space.place import Place
from ordersearch.space.role_space import RoleSpace
from ordersearch.spec import BlockSpec

TEXT_KEYS = ("name", "source", "claim")
REFERENCE_KEYS = (*TEXT_KEYS, DROPOUT_PLACEMENT)
"""The keys of a reference that no role can be called by."""


@dataclass(frozen=True)
class Reference:
    """An order that people use or argue for: tried first, shown by name.

    Attributes:
        name: What it is called.
        source: Who uses or proposes it.
        claim: What its source says of it; may be empty.
        blocks: The order for each role of the network.
    """

    name: str
    source: str
    claim: str
    blocks: Mapping[str, BlockSpec]


def read_references(
    value: Any, place: Place, roles: Mapping[str, RoleSpace], placements: Sequence[str]
) -> tuple[Reference, ...]:
    """The references of a file, each checked to be in the space.

    Args:
        value: The list in the file; may be empty.
        place: Where it stands.
        roles: The choices for each role.
        placements: The choices of the dropout placement; none where the space has no such parameter.

    Raises:
        SpaceError: A key is missing or unknown, or an order is not in the space.
    """
    items = place.choices(value) if value else []
    return tuple(_reference(item, place.at(number), roles, placements) for number, item in enumerate(items))


def _reference(value: Any, place: Place, roles: Mapping[str, RoleSpace], placements: Sequence[str]) -> Reference:
    extra = (DROPOUT_PLACEMENT,) if placements else ()
    item = place.mapping(value, (*TEXT_KEYS, *extra, *roles))
    for key in ("name", *extra, *roles):
        place.at(key).text(item.get(key))
    if placements:
        place.at(DROPOUT_PLACEMENT).choice(item[DROPOUT_PLACEMENT], placements, "a placement")
    source, claim = _told(item, place)
    placement = item.get(DROPOUT_PLACEMENT, "")
    blocks: dict[str, BlockSpec] = {}
    for role, space in roles.items():
        spec = _spec(item[role], place.at(role), space)
        blocks.update(zip(places_of(role, placement), placed(role, spec, placement), strict=True))
    return Reference(item["name"], source, claim, blocks)


def _told(item: Mapping[str, Any], place: Place) -> tuple[str, str]:
    """Source and claim; where the source is left out, the catalogue gives it for its names, and the claim with it."""
    name, claim = item["name"], item.get("claim")
    if claim is not None:
        place.at("claim").text(claim)
    if "source" in item:
        return place.at("source").text(item["source"]), claim or ""
    known = CATALOGUE.get(name)
    if known is None:
        close = nearest(name, CATALOGUE)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise place.at("source").error(None, f"text stands here unless the catalogue has the name{hint}")
    return known.source, known.claim if claim is None else claim


def _spec(text: str, place: Place, space: RoleSpace) -> BlockSpec:
    try:
        spec = _in_rates(BlockSpec.parse(text), space)
        space.encode(spec)
    except (SpaceError, ValueError, LookupError) as cause:
        raise SpaceError(f"{place}: {cause}") from cause
    return spec


def _in_rates(spec: BlockSpec, space: RoleSpace) -> BlockSpec:
    """A reference at the rate that goes without saying takes the space's first, unless that rate is in the space."""
    rates = space.choices.get("dropout_rate")
    if spec in space.specs:
        return spec
    silent = all(op.kind.param("p") is None or op["p"] == 0.5 for op in spec if op.role is Role.DROPOUT)
    return spec.at_rate(float(rates[0])) if rates and silent else spec
