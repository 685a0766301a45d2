"""What a search space holds: its blocks and its distinct networks, counted without going through all combinations."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ordersearch.identities import canonical
from ordersearch.space.dropout_placement import DROPOUT_PLACEMENT, placed, places_of
from ordersearch.space.role_space import Choice, Params, RoleSpace
from ordersearch.spec import BlockSpec

Given = tuple[BlockSpec, ...]
"""What one role of a space gives: a block for each role of the network that it goes to."""


@dataclass(frozen=True)
class Region:
    """A part of a space in which the roles are chosen on their own: all of it, or what one dropout placement spans.

    Attributes:
        params: The parameter that says which part it is, if there are several.
        places: For each role, the roles of the network that its block goes to.
        given: For each role, what it can give, with the first parameters for it.
    """

    params: Mapping[str, Choice]
    places: Mapping[str, tuple[str, ...]]
    given: Mapping[str, Mapping[Given, Params]]

    @cached_property
    def classes(self) -> Mapping[str, Mapping[Given, Given]]:
        """For each role, the distinct networks that it can give, each with the first of what is that network."""
        found: dict[str, dict[Given, Given]] = {}
        for role, given in self.given.items():
            for blocks in given:
                found.setdefault(role, {}).setdefault(canonical_given(blocks), blocks)
        return found

    def split(self, blocks: Mapping[str, BlockSpec]) -> dict[str, Given]:
        """Blocks of the network's roles by the roles of the space that give them."""
        return {role: tuple(blocks[place] for place in places) for role, places in self.places.items()}

    def encode(self, given: Mapping[str, Given]) -> dict[str, Choice]:
        """The first parameters for what the roles give."""
        own = {f"{r}.{name}": value for r, blocks in given.items() for name, value in self.given[r][blocks].items()}
        return {**self.params, **own}


def canonical_given(blocks: Given) -> Given:
    """The name of the network that these blocks are, place by place."""
    return tuple(map(canonical, blocks))


class Contents:
    """The blocks and distinct networks of a space.

    Args:
        roles: The choices for each role.
        placements: The choices of the dropout placement; none where the space has no such parameter.
    """

    def __init__(self, roles: Mapping[str, RoleSpace], placements: Sequence[str]) -> None:
        self.regions = tuple(_region(roles, placement) for placement in placements or ("",))

    @cached_property
    def blocks(self) -> dict[str, tuple[BlockSpec, ...]]:
        """For each role of the network, every block that it can get."""
        found: dict[str, dict[BlockSpec, None]] = {}
        for region in self.regions:
            for role, places in region.places.items():
                for number, place in enumerate(places):
                    found.setdefault(place, {}).update(dict.fromkeys(blocks[number] for blocks in region.given[role]))
        return {place: tuple(specs) for place, specs in found.items()}

    @cached_property
    def n_specs(self) -> int:
        """How many different sets of blocks there are."""
        return n_distinct([region.given for region in self.regions])

    @cached_property
    def n_classes(self) -> int:
        """How many distinct networks there are."""
        return n_distinct([region.classes for region in self.regions])

    def encode(self, blocks: Mapping[str, BlockSpec]) -> dict[str, Choice] | None:
        """The first parameters whose blocks these are, or None."""
        for region in self.regions:
            given = region.split(blocks)
            if _holds(region.given, given):
                return region.encode(given)
        return None

    def encode_class(self, blocks: Mapping[str, BlockSpec]) -> dict[str, Choice] | None:
        """The parameters of the first blocks that are the same network as these, or None."""
        named = {place: canonical(spec) for place, spec in blocks.items()}
        for region in self.regions:
            names = region.split(named)
            if _holds(region.classes, names):
                return region.encode(_firsts(region, names))
        return None

    def each_class(self) -> Iterator[dict[str, Choice]]:
        """The parameters of every distinct network, each by its first blocks."""
        for number, region in enumerate(self.regions):
            for combination in itertools.product(*region.classes.values()):
                names = dict(zip(region.classes, combination, strict=True))
                if not self._is_earlier(names, number):
                    yield region.encode(_firsts(region, names))

    def draw_class(self, generator: random.Random) -> dict[str, Choice]:
        """The parameters of a network drawn evenly from all distinct ones."""
        sizes = [math.prod(map(len, region.classes.values())) for region in self.regions]
        while True:
            number = generator.choices(range(len(sizes)), sizes)[0] if len(sizes) > 1 else 0
            region = self.regions[number]
            names = {role: generator.choice(list(classes)) for role, classes in region.classes.items()}
            # What an earlier region holds, too, would be drawn too often.
            if not self._is_earlier(names, number):
                return region.encode(_firsts(region, names))

    def _is_earlier(self, names: Mapping[str, Given], number: int) -> bool:
        return any(_holds(region.classes, names) for region in self.regions[:number])


def _region(roles: Mapping[str, RoleSpace], placement: str) -> Region:
    given: dict[str, dict[Given, Params]] = {}
    for role, space in roles.items():
        given[role] = {}
        for spec, params in space.specs.items():
            # Specs come in the order of their parameters, so idle ones are at their first choice here.
            given[role].setdefault(placed(role, spec, placement), params)
    own: dict[str, Choice] = {DROPOUT_PLACEMENT: placement} if placement else {}
    return Region(own, {role: places_of(role, placement) for role in roles}, given)


def _firsts(region: Region, names: Mapping[str, Given]) -> dict[str, Given]:
    return {role: region.classes[role][name] for role, name in names.items()}


def _holds(choices: Mapping[str, Collection[Given]], chosen: Mapping[str, Given]) -> bool:
    return all(chosen[role] in choices[role] for role in choices)


def n_distinct(regions: Sequence[Mapping[str, Collection[Given]]]) -> int:
    """How many combinations, one choice a role, the regions hold together, each counted once.

    A combination was counted before when one earlier region holds all of its choices. Choices that the same earlier
    regions hold are alike for that, so it is enough to go through the groups of these.
    """
    total = 0
    for number, region in enumerate(regions):
        groups = [
            Counter(_holders(choice, role, regions[:number]) for choice in choices) for role, choices in region.items()
        ]
        for combination in itertools.product(*(group.items() for group in groups)):
            if not frozenset.intersection(*(holders for holders, _ in combination)):
                total += math.prod(n for _, n in combination)
    return total


def _holders(choice: Given, role: str, regions: Sequence[Mapping[str, Collection[Given]]]) -> frozenset[int]:
    return frozenset(number for number, region in enumerate(regions) if choice in region[role])
