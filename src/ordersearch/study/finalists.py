"""Who is confirmed: the baseline and the best few other classes, each at its own best setting of the search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ordersearch.objective import Setting
from ordersearch.results import class_name, in_one_line
from ordersearch.spec import BlockSpec
from ordersearch.study.result import SearchResult, reference_names

N_CHALLENGERS = 3

SEARCHED, TUNED, AS_WRITTEN = "searched", "tuned", "as written"


@dataclass(frozen=True)
class Finalist:
    """A class in the confirmation, at one setting.

    Attributes:
        setting: What is trained.
        name: Of the reference that it is, or empty.
        is_baseline: Whether the others are compared with it.
        rates: Where its rates come from: ``searched`` (the best of the space's), ``tuned`` (a baseline that the space
            does not hold: as written, at the best of the space's learning rates) or ``as written``.
    """

    setting: Setting
    name: str = ""
    is_baseline: bool = False
    rates: str = SEARCHED

    @cached_property
    def order(self) -> str:
        """The class: the canonical order of each role without its rates."""
        return class_name({role: BlockSpec.parse(text) for role, text in self.setting.canonical.items()})

    @property
    def trained(self) -> str:
        """The blocks as they are trained, in one line."""
        return in_one_line({role: str(spec) for role, spec in self.setting.blocks.items()})

    def to_dict(self) -> dict[str, Any]:
        """The finalist as values for JSON."""
        return {
            "blocks": {role: str(spec) for role, spec in self.setting.blocks.items()},
            "canonical": dict(self.setting.canonical),
            "lr": self.setting.learning_rate,
            "batch_size": self.setting.batch_size,
            "name": self.name,
            "is_baseline": self.is_baseline,
            "rates": self.rates,
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Finalist:
        """The finalist that ``to_dict`` gave."""
        blocks = {role: BlockSpec.parse(text) for role, text in kept["blocks"].items()}
        setting = Setting(blocks, kept["canonical"], kept["lr"], kept["batch_size"])
        return cls(setting, kept["name"], kept["is_baseline"], kept["rates"])


def finalists(result: SearchResult, baseline: Finalist, *, n_challengers: int = N_CHALLENGERS) -> tuple[Finalist, ...]:
    """The baseline and the best other classes of the search, best first.

    Args:
        result: What came out.
        baseline: What the others are compared with.
        n_challengers: How many other classes.
    """
    names = reference_names(result)
    challengers = [place for place in result.places if place.order != baseline.order][:n_challengers]
    others = [Finalist(Setting.of_run(result.runs_of(place)[0]), names.get(place.order, "")) for place in challengers]
    return (baseline, *others)
