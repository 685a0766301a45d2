"""SearchSpace: what an Optuna trial is asked for, and what its answers mean."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ordersearch.errors import SpaceError
from ordersearch.identities import canonical
from ordersearch.space.contents import Contents
from ordersearch.space.dropout_placement import (
    DROPOUT_PLACEMENT,
    check_placed_roles,
    drops_nowhere,
    placed,
    places_of,
)
from ordersearch.space.files import read_space_file
from ordersearch.space.references import Reference
from ordersearch.space.role_space import DROPOUT_PARAMS, Choice, Params, RoleSpace, outside
from ordersearch.space.shipped import find_space
from ordersearch.spec import BlockSpec

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution

Blocks = Mapping[str, BlockSpec]
"""What comes out of a space: one block a role."""


class Suggests(Protocol):
    """What a space asks of a trial; ``optuna.Trial``, ``optuna.trial.FixedTrial`` and small fakes do."""

    # Untyped on purpose: Optuna's own signature is a list of overloads that no plain one is compatible with.
    @property
    def suggest_categorical(self) -> Callable[..., Any]:
        """One of the choices, by ``suggest_categorical(name, choices)``."""


class SearchSpace:
    """The orders, placements, kinds and rates that a search chooses from. Immutable.

    Args:
        name: What the space is called.
        roles: The choices for each role.
        nuisance: What is tuned along with an order but is not part of the answer: ``lr``, ``batch_size``.
        references: Orders to try first.
        description: What the space is for.
        network: The network that the space is made for, by ``name`` and options; empty where any will do.
        dropout_placement: Where in the network dropout may sit: ``every_block``, ``stage_ends`` (the last conv block
            of each stage), ``head_only`` (the dense blocks), ``nowhere``. The space then has the roles ``conv`` and
            ``dense``, and what comes out of it the role ``stage_end``, too.

    Raises:
        SpaceError: Dropout is to be placed, but these are not the roles for it.

    Example:
        >>> from optuna.trial import FixedTrial
        >>> space = SearchSpace.load("dense")
        >>> params = space.encode({"dense": BlockSpec.parse("linear > batch_norm > relu > dropout(p=0.3)")})
        >>> str(space.suggest(FixedTrial(params))["dense"])
        'linear > batch_norm > relu > dropout(p=0.3)'
    """

    def __init__(
        self,
        name: str,
        roles: Mapping[str, RoleSpace],
        *,
        nuisance: Mapping[str, tuple[float, ...]],
        references: tuple[Reference, ...] = (),
        description: str = "",
        network: Mapping[str, str | int | bool] | None = None,
        dropout_placement: tuple[str, ...] = (),
    ) -> None:
        if dropout_placement:
            check_placed_roles(roles)
        self.name = name
        self.roles = dict(roles)
        self.nuisance = dict(nuisance)
        self.description = description
        self.network = dict(network or {})
        self.dropout_placement = dropout_placement
        self._references = references

    @classmethod
    def load(cls, name_or_path: str | Path) -> SearchSpace:
        """The space of this name that ships with ordersearch, or of a YAML file.

        Raises:
            UnknownNameError: No space of this name ships.
            SpaceError: The file breaks the schema; the message gives the path in it.
        """
        path = find_space(name_or_path)
        return cls(path.stem, **read_space_file(path))

    def suggest(self, trial: Suggests, prefix: str = "") -> dict[str, BlockSpec]:
        """The blocks that a trial chooses, one a role; only parameters that matter are asked for.

        Args:
            trial: Anything with ``suggest_categorical``.
            prefix: Put before every parameter name, for studies with parameters of their own.
        """
        return self._asked(lambda name, choices: trial.suggest_categorical(prefix + name, choices))

    def _asked(self, ask: Callable[[str, tuple[Choice, ...]], Any]) -> dict[str, BlockSpec]:
        placements = self.dropout_placement
        placement = str(ask(DROPOUT_PLACEMENT, placements)) if placements else ""
        blocks: dict[str, BlockSpec] = {}
        for role, space in self.roles.items():
            idle = DROPOUT_PARAMS if drops_nowhere(role, placement) else ()
            params: dict[str, Choice] = {}
            for name, choices in space.choices.items():
                if name not in idle and space.is_active(name, params):
                    params[name] = ask(f"{role}.{name}", choices)
            given = placed(role, space.decode(params), placement)
            blocks.update(zip(places_of(role, placement), given, strict=True))
        return blocks

    def suggest_nuisance(self, trial: Suggests, prefix: str = "") -> dict[str, float]:
        """The nuisance parameters that a trial chooses: ``{"lr": 0.003, "batch_size": 16}``."""
        return {name: trial.suggest_categorical(prefix + name, c) for name, c in self.nuisance.items()}

    def distributions(self, prefix: str = "") -> dict[str, CategoricalDistribution]:
        """Every parameter as an Optuna distribution, flat; those that are inactive at a point change nothing there."""
        from optuna.distributions import CategoricalDistribution

        return {name: CategoricalDistribution(choices) for name, choices in self._choices(prefix).items()}

    def nuisance_distributions(self, prefix: str = "") -> dict[str, CategoricalDistribution]:
        """The nuisance parameters as Optuna distributions."""
        from optuna.distributions import CategoricalDistribution

        return {prefix + name: CategoricalDistribution(choices) for name, choices in self.nuisance.items()}

    def encode(self, blocks: Blocks, prefix: str = "") -> dict[str, Choice]:
        """The parameters that give these blocks; inactive ones at their first choice.

        Raises:
            SpaceError: A block is not in the space, or a role is missing.
        """
        return self._encoded(self._contents.encode, blocks, prefix)

    def encode_class(self, blocks: Blocks, prefix: str = "") -> dict[str, Choice]:
        """The parameters that stand for the network that these blocks are: those of the space's first such blocks.

        Raises:
            SpaceError: No blocks of the space are this network.
        """
        return self._encoded(self._contents.encode_class, blocks, prefix)

    def _encoded(self, encode: Callable[[Blocks], Params | None], blocks: Blocks, prefix: str) -> dict[str, Choice]:
        roles = self.block_roles
        if set(blocks) != set(roles):
            raise SpaceError(
                f"Space {self.name!r} has the roles {', '.join(roles)}, but got blocks for {', '.join(blocks)}."
            )
        params = encode(blocks)
        if params is not None:
            return {prefix + name: value for name, value in params.items()}
        for role, known in self.blocks().items():
            if blocks[role] not in known:
                raise outside(blocks[role], role, known)
        told = ", ".join(f"{role} '{spec}'" for role, spec in blocks.items())
        raise SpaceError(f"No dropout placement of space {self.name!r} gives these blocks together: {told}.")

    def decode(self, params: Mapping[str, Choice], prefix: str = "") -> dict[str, BlockSpec]:
        """The blocks that parameters stand for; inactive and foreign ones do not count.

        Raises:
            SpaceError: An active parameter is missing or has a value that is none of its choices.
        """

        def answer(name: str, choices: tuple[Choice, ...]) -> Choice:
            full = prefix + name
            if full not in params:
                raise SpaceError(f"The parameter {full!r} is missing. Got: {', '.join(map(str, params)) or 'none'}.")
            if params[full] not in choices:
                raise SpaceError(f"{full}: got {params[full]!r}, but the choices are {', '.join(map(repr, choices))}.")
            return params[full]

        return self._asked(answer)

    def references(self) -> tuple[Reference, ...]:
        """The orders to try first, the convention before all."""
        return self._references

    def default_nuisance(self) -> dict[str, float]:
        """The middle choice of every nuisance parameter, which references start with."""
        return {name: choices[len(choices) // 2] for name, choices in self.nuisance.items()}

    @property
    def n_points(self) -> int:
        """How many points the flat parameters span, nuisance ones left out."""
        return math.prod(len(choices) for choices in self._choices("").values())

    @property
    def n_specs(self) -> int:
        """How many different blocks (or sets of blocks, one a role) the space holds, rates counted."""
        return self._contents.n_specs

    @cached_property
    def _contents(self) -> Contents:
        return Contents(self.roles, self.dropout_placement)

    @property
    def block_roles(self) -> tuple[str, ...]:
        """The roles of what comes out: those of the space, and ``stage_end`` where the dropout placement is chosen."""
        placement = next(iter(self.dropout_placement), "")
        return tuple(place for role in self.roles for place in places_of(role, placement))

    def blocks(self) -> dict[str, tuple[BlockSpec, ...]]:
        """For each role of what comes out, every block that it can be, rates counted."""
        return dict(self._contents.blocks)

    def classes(self, role: str | None = None) -> dict[BlockSpec, tuple[BlockSpec, ...]]:
        """The distinct networks of a role: canonical spec to the specs of the space that are that network.

        Args:
            role: One of ``block_roles``; may be left out where there is one.
        """
        return self._classes[self._only_role() if role is None else role]

    @cached_property
    def _classes(self) -> dict[str, dict[BlockSpec, tuple[BlockSpec, ...]]]:
        found: dict[str, dict[BlockSpec, tuple[BlockSpec, ...]]] = {}
        for role, specs in self.blocks().items():
            classes: dict[BlockSpec, list[BlockSpec]] = {}
            for spec in specs:
                classes.setdefault(canonical(spec), []).append(spec)
            found[role] = {name: tuple(members) for name, members in classes.items()}
        return found

    def orders(self, role: str | None = None) -> dict[BlockSpec, tuple[BlockSpec, ...]]:
        """The classes of a role with the rates left out: canonical order to the orders that are the same network."""
        found: dict[BlockSpec, dict[BlockSpec, None]] = {}
        for name, members in self.classes(role).items():
            found.setdefault(name.at_rate(), {}).update(dict.fromkeys(spec.at_rate() for spec in members))
        return {name: tuple(members) for name, members in found.items()}

    @property
    def n_classes(self) -> int:
        """How many distinct networks the space holds, rates counted."""
        return self._contents.n_classes

    @property
    def n_settings(self) -> int:
        """How many distinct settings the space holds: networks with their rates, times nuisance choices."""
        return self.n_classes * math.prod(len(choices) for choices in self.nuisance.values())

    @property
    def n_settings_as_written(self) -> int:
        """How many settings there would be if no order were known to be the same network as another."""
        return self.n_specs * math.prod(len(choices) for choices in self.nuisance.values())

    def settings(self) -> Iterator[dict[str, Choice]]:
        """The parameters of every distinct setting, nuisance ones included; each class by its first member."""
        for params in self._contents.each_class():
            for values in itertools.product(*self.nuisance.values()):
                yield {**params, **dict(zip(self.nuisance, values, strict=True))}

    def draw(self, generator: random.Random) -> dict[str, Choice]:
        """The parameters of a setting drawn evenly from all distinct ones, nuisance ones included."""
        params = self._contents.draw_class(generator)
        return {**params, **{name: generator.choice(choices) for name, choices in self.nuisance.items()}}

    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of all choices: the space's schema."""
        schema = [list(self._choices("").items()), list(self.nuisance.items())]
        return hashlib.sha256(json.dumps(schema).encode()).hexdigest()[:16]

    def _choices(self, prefix: str) -> dict[str, tuple[Choice, ...]]:
        own = {f"{prefix}{r}.{name}": c for r, space in self.roles.items() for name, c in space.choices.items()}
        return {prefix + DROPOUT_PLACEMENT: self.dropout_placement, **own} if self.dropout_placement else own

    def _only_role(self) -> str:
        if len(self.block_roles) != 1:
            raise SpaceError(f"Space {self.name!r} has the roles {', '.join(self.block_roles)}: name one.")
        return self.block_roles[0]
