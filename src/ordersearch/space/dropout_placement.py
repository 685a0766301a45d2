"""Where dropout sits in the network: which places take a block with its dropouts, and which without."""

from __future__ import annotations

from collections.abc import Mapping

from ordersearch.errors import SpaceError
from ordersearch.ops import Role
from ordersearch.space.role_space import RoleSpace
from ordersearch.spec import BlockSpec

DROPOUT_PLACEMENT = "dropout_placement"
"""The parameter's name, and its key in a search-space file."""

WITH_DROPOUT: Mapping[str, tuple[str, ...]] = {
    "every_block": ("conv", "stage_end", "dense"),
    "stage_ends": ("stage_end",),
    "head_only": ("dense",),
    "nowhere": (),
}
"""Each choice, and the places of the network that it leaves their dropouts."""

PLACES: Mapping[str, tuple[str, ...]] = {"conv": ("conv", "stage_end"), "dense": ("dense",)}
"""The roles that such a space has, and the places of the network that each one's block goes to."""


def places_of(role: str, placement: str) -> tuple[str, ...]:
    """The roles of the network that the block of a space's role goes to; without a placement, that role alone."""
    return PLACES[role] if placement else (role,)


def placed(role: str, spec: BlockSpec, placement: str) -> tuple[BlockSpec, ...]:
    """The block of a role as it comes to each of its places: with its dropouts, or without.

    Example:
        >>> [str(block) for block in placed("conv", BlockSpec.parse("conv > relu > dropout"), "stage_ends")]
        ['conv > relu', 'conv > relu > dropout']
    """
    if not placement:
        return (spec,)
    kept = WITH_DROPOUT[placement]
    return tuple(spec if place in kept else spec.without(Role.DROPOUT) for place in PLACES[role])


def drops_nowhere(role: str, placement: str) -> bool:
    """Whether the placement takes the role's dropouts out wherever its block goes, so that their choice is idle."""
    return bool(placement) and not set(WITH_DROPOUT[placement]) & set(PLACES[role])


def check_placed_roles(roles: Mapping[str, RoleSpace]) -> None:
    """Raise a SpaceError unless these are the roles, with dropouts, that a placement is about."""
    if set(roles) != set(PLACES):
        raise SpaceError(
            f"dropout_placement is about the roles {' and '.join(PLACES)}, but the roles here are {', '.join(roles)}."
        )
    for role, space in roles.items():
        if not any(op.role is Role.DROPOUT for spec in space.specs for op in spec):
            raise SpaceError(f"dropout_placement is about dropouts, but no block of the role {role!r} has one.")
