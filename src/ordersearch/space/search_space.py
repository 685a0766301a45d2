"""SearchSpace: what an Optuna trial is asked for, and what its answers mean."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ordersearch.errors import SpaceError, unknown_name
from ordersearch.identities import canonical
from ordersearch.ops import Role
from ordersearch.space.files import Place, read_space_file
from ordersearch.space.role_space import Choice, RoleSpace
from ordersearch.spec import BlockSpec

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution

Blocks = Mapping[str, BlockSpec]
"""What comes out of a space: one block a role."""

_PACKAGE = Path(__file__).resolve().parents[1]


class Suggests(Protocol):
    """What a space asks of a trial; ``optuna.Trial``, ``optuna.trial.FixedTrial`` and small fakes do."""

    # Untyped on purpose: Optuna's own signature is a list of overloads that no plain one is compatible with.
    @property
    def suggest_categorical(self) -> Callable[..., Any]:
        """One of the choices, by ``suggest_categorical(name, choices)``."""


@dataclass(frozen=True)
class Reference:
    """An order that people use or argue for: tried first, shown by name.

    Attributes:
        name: What it is called.
        source: Who uses or proposes it.
        claim: What its source says of it; may be empty.
        blocks: The order for each role of the space.
    """

    name: str
    source: str
    claim: str
    blocks: Blocks


class SearchSpace:
    """The orders, placements, kinds and rates that a search chooses from. Immutable.

    Args:
        name: What the space is called.
        roles: The choices for each role.
        nuisance: What is tuned along with an order but is not part of the answer: ``lr``.
        references: Orders to try first.
        description: What the space is for.

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
    ) -> None:
        self.name = name
        self.roles = dict(roles)
        self.nuisance = dict(nuisance)
        self.description = description
        self._references = references

    @classmethod
    def load(cls, name_or_path: str | Path) -> SearchSpace:
        """The space of this name that ships with ordersearch, or of a YAML file.

        Raises:
            UnknownNameError: No space of this name ships.
            SpaceError: The file breaks the schema; the message gives the path in it.
        """
        path = _find(name_or_path)
        content = read_space_file(path)
        bare = cls(path.stem, content["roles"], nuisance=content["nuisance"], description=content["description"])
        place = Place(path, "references")
        bare._references = tuple(bare._reference(item, place.at(i)) for i, item in enumerate(content["references"]))
        return bare

    def _reference(self, item: Mapping[str, str], place: Place) -> Reference:
        blocks = {}
        for role, space in self.roles.items():
            try:
                blocks[role] = _in_rates(BlockSpec.parse(item[role]), space)
                space.encode(blocks[role])
            except (SpaceError, ValueError, LookupError) as cause:
                raise SpaceError(f"{place.at(role)}: {cause}") from cause
        return Reference(item["name"], item["source"], item.get("claim", ""), blocks)

    def suggest(self, trial: Suggests, prefix: str = "") -> dict[str, BlockSpec]:
        """The blocks that a trial chooses, one a role; only parameters that matter are asked for.

        Args:
            trial: Anything with ``suggest_categorical``.
            prefix: Put before every parameter name, for studies with parameters of their own.
        """
        blocks = {}
        for role, space in self.roles.items():
            params: dict[str, Choice] = {}
            for name, choices in space.choices.items():
                if space.is_active(name, params):
                    params[name] = trial.suggest_categorical(f"{prefix}{role}.{name}", choices)
            blocks[role] = space.decode(params)
        return blocks

    def suggest_nuisance(self, trial: Suggests, prefix: str = "") -> dict[str, float]:
        """The nuisance parameters that a trial chooses: ``{"lr": 0.003}``."""
        return {name: float(trial.suggest_categorical(prefix + name, c)) for name, c in self.nuisance.items()}

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
        if set(blocks) != set(self.roles):
            raise SpaceError(
                f"Space {self.name!r} has the roles {', '.join(self.roles)}, but got blocks for {', '.join(blocks)}."
            )
        return {
            f"{prefix}{role}.{name}": value
            for role, space in self.roles.items()
            for name, value in space.encode(blocks[role]).items()
        }

    def decode(self, params: Mapping[str, Choice], prefix: str = "") -> dict[str, BlockSpec]:
        """The blocks that parameters stand for; inactive and foreign ones do not count.

        Raises:
            SpaceError: An active parameter is missing or has a value that is none of its choices.
        """
        return {role: self._decode_role(role, space, params, prefix) for role, space in self.roles.items()}

    def _decode_role(self, role: str, space: RoleSpace, params: Mapping[str, Choice], prefix: str) -> BlockSpec:
        own: dict[str, Choice] = {}
        for name, choices in space.choices.items():
            full = f"{prefix}{role}.{name}"
            if not space.is_active(name, own):
                continue
            if full not in params:
                raise SpaceError(f"The parameter {full!r} is missing. Got: {', '.join(map(str, params)) or 'none'}.")
            if params[full] not in choices:
                raise SpaceError(f"{full}: got {params[full]!r}, but the choices are {', '.join(map(repr, choices))}.")
            own[name] = params[full]
        return space.decode(own)

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
        return math.prod(len(space.specs) for space in self.roles.values())

    def classes(self, role: str | None = None) -> dict[BlockSpec, tuple[BlockSpec, ...]]:
        """The distinct networks of a role: canonical spec to the specs of the space that are that network.

        Args:
            role: The role; may be left out where the space has one.
        """
        space = self.roles[role] if role is not None else self._only_role()
        return self._classes[space.role]

    @cached_property
    def _classes(self) -> dict[str, dict[BlockSpec, tuple[BlockSpec, ...]]]:
        found: dict[str, dict[BlockSpec, tuple[BlockSpec, ...]]] = {}
        for role, space in self.roles.items():
            classes: dict[BlockSpec, list[BlockSpec]] = {}
            for spec in space.specs:
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
        return math.prod(len(classes) for classes in self._classes.values())

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
        members = [[(role, found[0]) for found in self.classes(role).values()] for role in self.roles]
        for blocks in itertools.product(*members):
            params = self.encode(dict(blocks))
            for rates in itertools.product(*self.nuisance.values()):
                yield {**params, **dict(zip(self.nuisance, rates, strict=True))}

    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of all choices: the space's schema."""
        schema = [list(self._choices("").items()), list(self.nuisance.items())]
        return hashlib.sha256(json.dumps(schema).encode()).hexdigest()[:16]

    def _choices(self, prefix: str) -> dict[str, tuple[Choice, ...]]:
        return {f"{prefix}{r}.{name}": c for r, space in self.roles.items() for name, c in space.choices.items()}

    def _only_role(self) -> RoleSpace:
        if len(self.roles) != 1:
            raise SpaceError(f"Space {self.name!r} has the roles {', '.join(self.roles)}: name one.")
        return next(iter(self.roles.values()))


def _in_rates(spec: BlockSpec, space: RoleSpace) -> BlockSpec:
    """A reference at the rate that goes without saying takes the space's first, unless that rate is in the space."""
    rates = space.choices.get("dropout_rate")
    if spec in space.specs:
        return spec
    silent = all(op.kind.param("p") is None or op["p"] == 0.5 for op in spec if op.role is Role.DROPOUT)
    return spec.at_rate(float(rates[0])) if rates and silent else spec


def shipped_spaces() -> dict[str, Path]:
    """The search spaces that ship with ordersearch: name to file."""
    for folder in (_PACKAGE / "search_spaces", _PACKAGE.parents[1] / "search_spaces"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def _find(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    shipped = shipped_spaces()
    if text in shipped:
        return shipped[text]
    if isinstance(name_or_path, Path) or "/" in text or text.endswith((".yaml", ".yml")):
        return Path(text)
    error = unknown_name("search space", text, shipped)
    raise type(error)(f"{error} Or give the path of a YAML file.")
