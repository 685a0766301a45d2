"""A search space as plain values, as a study keeps it: its file may be gone, or say something else by now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ordersearch.errors import OrdersearchError, SpaceError
from ordersearch.space.references import Reference
from ordersearch.space.role_space import ListedRole, PermutedRole, RoleSpace
from ordersearch.space.search_space import SearchSpace
from ordersearch.spec import BlockSpec


def to_plain(space: SearchSpace) -> dict[str, Any]:
    """All that a space holds, as values for JSON.

    Example:
        >>> to_plain(SearchSpace.load("dense"))["roles"]["dense"]["activation"][:1]
        ['relu']
    """
    return {
        "name": space.name,
        "description": space.description,
        "network": dict(space.network),
        "roles": {role: {name: list(c) for name, c in own.choices.items()} for role, own in space.roles.items()},
        "dropout_placement": list(space.dropout_placement),
        "nuisance": {name: list(choices) for name, choices in space.nuisance.items()},
        "references": [
            {
                "name": reference.name,
                "source": reference.source,
                "claim": reference.claim,
                "blocks": {role: str(spec) for role, spec in reference.blocks.items()},
            }
            for reference in space.references()
        ],
    }


def from_plain(values: Mapping[str, Any]) -> SearchSpace:
    """The space that ``to_plain`` gave.

    Raises:
        SpaceError: The values are none of a space of this version.

    Example:
        >>> space = SearchSpace.load("conv")
        >>> from_plain(to_plain(space)).fingerprint() == space.fingerprint()
        True
    """
    try:
        return SearchSpace(
            values["name"],
            {role: _role(role, choices) for role, choices in values["roles"].items()},
            nuisance={name: tuple(choices) for name, choices in values["nuisance"].items()},
            references=tuple(map(_reference, values["references"])),
            description=values["description"],
            network=values["network"],
            dropout_placement=tuple(values["dropout_placement"]),
        )
    except (OrdersearchError, KeyError, TypeError, ValueError, AttributeError) as cause:
        raise SpaceError(f"The kept search space cannot be read ({type(cause).__name__}: {cause}).") from cause


def _role(name: str, choices: Mapping[str, Any]) -> RoleSpace:
    # Of whole orders, a role chooses among these alone; permuted parts always have a weight.
    kind = PermutedRole if "weight" in choices else ListedRole
    return kind(name, {key: tuple(own) for key, own in choices.items()})


def _reference(values: Mapping[str, Any]) -> Reference:
    blocks = {role: BlockSpec.parse(text) for role, text in values["blocks"].items()}
    return Reference(values["name"], values["source"], values["claim"], blocks)
