"""Blocks in one line, as the command line takes them."""

from __future__ import annotations

from ordersearch.advice import CATALOGUE
from ordersearch.errors import SpaceError
from ordersearch.space.search_space import SearchSpace
from ordersearch.spec import BlockSpec


def parse_blocks(text: str, space: SearchSpace, *, where: str = "") -> dict[str, BlockSpec]:
    """Blocks for a space's roles: an order for its only role, or ``role: order; role: order``.

    The name of one of the space's references, or of the catalogue's, stands for its order. The blocks need not be in
    the space.

    Args:
        text: The line.
        space: Whose roles.
        where: The option that it was given with, for errors.

    Raises:
        SpaceError: A role is unknown or missing.
        SpecError: An order is none.

    Example:
        >>> str(parse_blocks("norm only", SearchSpace.load("dense"))["dense"])
        'linear > batch_norm > relu'
    """
    named = {reference.name: reference.blocks for reference in space.references()}
    if text in named:
        return dict(named[text])
    roles, line = space.block_roles, CATALOGUE[text].order if text in CATALOGUE else text
    if len(roles) == 1 and not line.startswith(f"{roles[0]}:"):
        return {roles[0]: BlockSpec.parse(line)}
    parts = dict(part.split(":", 1) for part in line.split(";") if ":" in part)
    given = {role.strip(): BlockSpec.parse(order) for role, order in parts.items()}
    if set(given) != set(roles):
        raise SpaceError(
            f"{f'{where}: got' if where else 'Got'} {text!r}, but the space has the roles {', '.join(roles)}: write "
            "'role: order' for each, with ';' between."
        )
    return given
