"""A setting of a user's own objective: a class with its rates, its nuisance parameters and the objective's own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ordersearch.errors import TrainingSettingError
from ordersearch.identities import canonical, cheapest
from ordersearch.results import Attribute, setting_digest
from ordersearch.space import SearchSpace
from ordersearch.space.search_space import Blocks


@dataclass(frozen=True)
class OwnSetting:
    """What a trial of a user's own objective trains.

    Attributes:
        blocks: As they were chosen, for each role.
        learning_rate: NaN where it is not known.
        batch_size: None where it is not chosen.
        own: All else that belongs to it, by name; values of JSON.
    """

    blocks: Blocks
    learning_rate: float = math.nan
    batch_size: int | None = None
    own: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, blocks: Blocks, params: Mapping[str, Any]) -> OwnSetting:
        """The setting of blocks and parameters, of which ``lr`` and ``batch_size`` are nuisance parameters.

        Example:
            >>> setting = OwnSetting.of({}, {"lr": 0.01, "width": 64})
            >>> setting.learning_rate, setting.batch_size, setting.own
            (0.01, None, {'width': 64})
        """
        own = dict(params)
        rate = own.pop("lr") if isinstance(own.get("lr"), int | float) else math.nan
        size = own.pop("batch_size") if isinstance(own.get("batch_size"), int) else None
        return cls(blocks, float(rate), size, own)

    @property
    def cheapest(self) -> dict[str, Any]:
        """The cheapest order of the class, for each role."""
        return {role: cheapest(spec) for role, spec in self.blocks.items()}

    @property
    def nuisance(self) -> dict[str, float]:
        """``lr`` and ``batch_size``, as far as they are known."""
        rate = {} if math.isnan(self.learning_rate) else {"lr": self.learning_rate}
        return rate if self.batch_size is None else {**rate, "batch_size": self.batch_size}

    @property
    def canonical(self) -> dict[str, str]:
        """The canonical order of each role, in the notation."""
        return {role: str(canonical(spec)) for role, spec in self.blocks.items()}

    @property
    def digest(self) -> str:
        """The digest that names the setting."""
        return setting_digest(self.canonical, self.learning_rate, self.batch_size, self.own)

    def attributes(self, seed: int) -> dict[str, Any]:
        """What a trial of the setting carries; the digest last, since who reads it takes the rest for there."""
        nuisance = {"lr": Attribute.LEARNING_RATE, "batch_size": Attribute.BATCH_SIZE}
        kept = {
            Attribute.BLOCKS: {role: str(spec) for role, spec in self.cheapest.items()},
            Attribute.CANONICAL: self.canonical,
            **{nuisance[name]: value for name, value in self.nuisance.items()},
            Attribute.OWN: dict(self.own),
            Attribute.SEED: seed,
            Attribute.SETTING: self.digest,
        }
        return {str(name): value for name, value in kept.items()}


def require_plain(own: Mapping[str, Any]) -> None:
    """Raise a TrainingSettingError if what belongs to a setting cannot be kept in a study.

    Example:
        >>> require_plain({"lr": 0.01, "betas": [0.9, 0.99]})
    """
    for name, value in own.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as cause:
            raise TrainingSettingError(
                f"own[{name!r}]: got {value!r:.200}, but what belongs to a setting is kept as JSON: numbers, words, "
                "truth values, None, lists and mappings of these. Convert it, such as with float()."
            ) from cause


def own_params(params: Mapping[str, Any], space: SearchSpace, prefix: str) -> dict[str, Any]:
    """Of a trial's parameters, those of the objective's own.

    Without a prefix, a learning rate that the trial was asked for is the objective's own, also where the space has one.

    Example:
        >>> params = {"block.dense.norm": "batch_norm", "block.lr": 0.01, "lr": 0.1}
        >>> own_params(params, SearchSpace.load("dense"), "block.")
        {'lr': 0.1}
    """
    foreign = {*space.distributions(prefix), *(space.nuisance_distributions(prefix) if prefix else ())}
    return {name: value for name, value in params.items() if name not in foreign}
