"""The choices for one role of a network: permuted parts, or a list of whole orders."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from ordersearch.errors import SpaceError
from ordersearch.ops import OpSpec, Role
from ordersearch.spec import BlockSpec
from ordersearch.spec.notation import read_ops

Choice = str | float | int
Params = Mapping[str, Choice]

NONE = "none"
PARTS = ("weight", "activation", "pool", "dropout")
PLACEMENTS = (NONE, "first", *(f"after_{part}" for part in PARTS))
DROPOUT_PARAMS = ("dropout", "dropout_rate")


@dataclass(frozen=True)
class RoleSpace(ABC):
    """The choices for the block of one role.

    Args:
        role: The role's name in the network, such as ``conv``.
        choices: Parameter name (without the role) to its choices, in the order in which a trial is asked.
    """

    role: str
    choices: Mapping[str, tuple[Choice, ...]]

    @abstractmethod
    def is_active(self, name: str, params: Params) -> bool:
        """Whether the parameter changes the block, given the parameters before it."""

    @abstractmethod
    def decode(self, params: Params) -> BlockSpec:
        """The block that the parameters stand for; inactive ones may be missing."""

    @cached_property
    def specs(self) -> Mapping[BlockSpec, Params]:
        """Every block of the space with the first parameters that give it; inactive ones at their first choice."""
        found: dict[BlockSpec, Params] = {}
        for params in self.points():
            found.setdefault(self.decode(params), params)
        return found

    def points(self) -> Iterator[Params]:
        """All points that differ in an active parameter."""
        names = list(self.choices)
        for values in itertools.product(*self.choices.values()):
            point = dict(zip(names, values, strict=True))
            if all(self.is_active(n, point) or point[n] == self.choices[n][0] for n in names):
                yield point

    def encode(self, spec: BlockSpec) -> Params:
        """The parameters whose block this is.

        Raises:
            SpaceError: The block is not in the space.
        """
        if spec not in self.specs:
            raise outside(spec, self.role, self.specs)
        return self.specs[spec]


def outside(spec: BlockSpec, role: str, known: Collection[BlockSpec]) -> SpaceError:
    """The error for a block that is none of those that a role can get: what it has that these have not."""
    ops = {op for block in known for op in block}
    foreign = [op for op in spec if op not in ops]
    told = "Its ops are all known there, but not in this order."
    if foreign:
        same_role = sorted({str(op) for op in ops if op.role is foreign[0].role})
        told = f"It has {str(foreign[0])!r}, where the space has: {', '.join(same_role) or 'no ' + foreign[0].role}."
    return SpaceError(f"Block '{spec}' is none of the {len(known)} blocks of the role {role!r}. {told}")


@dataclass(frozen=True)
class PermutedRole(RoleSpace):
    """Orders made of parts: the order of weight, activation, pool and dropout, times where the norm stands."""

    def is_active(self, name: str, params: Params) -> bool:
        """Whether the parameter changes the block: a rate needs a dropout, a norm needs a place."""
        if name == "dropout_rate":
            return params["dropout"] != NONE
        return name != "norm" or params["norm_placement"] != NONE

    def decode(self, params: Params) -> BlockSpec:
        """The block: parts in their order, the norm put in its place, ``none`` left out."""
        parts = str(params["order"]).split(" > ")
        placement = str(params.get("norm_placement", NONE))
        if placement == "first":
            parts.insert(0, "norm")
        elif placement != NONE:
            parts.insert(parts.index(placement.removeprefix("after_")) + 1, "norm")
        ops = (self._op(part, params) for part in parts)
        return BlockSpec(op for op in ops if op is not None)

    def _op(self, part: str, params: Params) -> OpSpec | None:
        text = str(params[part]) if part in params else str(self.choices[part][0])
        if text == NONE:
            return None
        op = _parsed_op(text)
        if part == "dropout" and "dropout_rate" in self.choices:
            return op.replace(p=params.get("dropout_rate", self.choices["dropout_rate"][0]))
        return op


@dataclass(frozen=True)
class ListedRole(RoleSpace):
    """Whole orders from a list; with ``dropout_rate``, every dropout in them takes that rate."""

    def is_active(self, name: str, params: Params) -> bool:
        """Whether the parameter changes the block: a rate needs a dropout."""
        return name != "dropout_rate" or any(op.role is Role.DROPOUT for op in BlockSpec.parse(str(params["order"])))

    def decode(self, params: Params) -> BlockSpec:
        """The block of the list, its dropouts at the rate of the parameters."""
        spec = BlockSpec.parse(str(params["order"]))
        rate = params.get("dropout_rate")
        return spec if rate is None else spec.at_rate(float(rate))


@lru_cache(maxsize=1024)
def _parsed_op(text: str) -> OpSpec:
    """The one op that a choice such as ``leaky_relu(negative_slope=0.1)`` stands for."""
    (op,) = read_ops(text)
    return op
