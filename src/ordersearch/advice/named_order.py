"""A row of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ordersearch.spec import BlockSpec


@dataclass(frozen=True)
class NamedOrder:
    """An order that has a name.

    Attributes:
        name: What it is called.
        order: A block of this order, in the notation; where the source gives no rate, at the one that goes without
            saying.
        pattern: Roles, or ops where the name stands for these alone; a part with ``?`` may be missing.
        source: Who uses it, or who named it.
        claim: What the source says of it, with its figures and the number of runs (n) where it gives them; of a source
            that says nothing, what it does.
    """

    name: str
    order: str
    pattern: str
    source: str
    claim: str

    @cached_property
    def spec(self) -> BlockSpec:
        """The order as a block."""
        return BlockSpec.parse(self.order)
