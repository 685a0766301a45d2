"""Who is confirmed: the baseline and the best few other classes, each at its own best setting of the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ordersearch.errors import SpaceError
from ordersearch.objective import Setting
from ordersearch.ranking import Place
from ordersearch.results import Run, State, class_name, in_one_line
from ordersearch.space.search_space import Blocks
from ordersearch.spec import BlockSpec
from ordersearch.study.result import SearchResult, reference_names
from ordersearch.study.search import Search

N_CHALLENGERS = 3


@dataclass(frozen=True)
class Finalist:
    """A class in the confirmation, at one setting.

    Attributes:
        setting: What is trained.
        name: Of the reference that it is, or empty.
        is_baseline: Whether the others are compared with it.
    """

    setting: Setting
    name: str = ""
    is_baseline: bool = False

    @property
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
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Finalist:
        """The finalist that ``to_dict`` gave."""
        blocks = {role: BlockSpec.parse(text) for role, text in kept["blocks"].items()}
        setting = Setting(blocks, kept["canonical"], kept["lr"], kept["batch_size"])
        return cls(setting, kept["name"], kept["is_baseline"])


def default_baseline(search: Search, result: SearchResult) -> Blocks:
    """What the others are compared with unless it is said: the space's first reference, else what was completed first.

    Raises:
        SpaceError: The space has no references, and nothing was completed.
    """
    references = search.space.references()
    if references:
        return references[0].blocks
    complete = [run for run in result.runs if run.state is State.COMPLETE]
    if not complete:
        raise SpaceError(f"Space {search.space.name!r} names no references, so give the order to compare with.")
    return Setting.of_run(min(complete, key=lambda run: run.trial)).blocks


def parse_baseline(text: str, search: Search) -> Blocks:
    """The blocks of ``--baseline``: an order for the space's only role, or ``role: order; role: order``.

    Raises:
        SpaceError: A role is unknown or missing.
    """
    roles = search.space.block_roles
    if len(roles) == 1 and not text.startswith(f"{roles[0]}:"):
        return {roles[0]: BlockSpec.parse(text)}
    parts = dict(part.split(":", 1) for part in text.split(";") if ":" in part)
    given = {role.strip(): BlockSpec.parse(order) for role, order in parts.items()}
    if set(given) != set(roles):
        raise SpaceError(
            f"--baseline: got {text!r}, but the space has the roles {', '.join(roles)}: write 'role: order' for each, "
            "with ';' between."
        )
    return given


def finalists(
    search: Search, result: SearchResult, baseline: Blocks, *, n_challengers: int = N_CHALLENGERS
) -> tuple[Finalist, ...]:
    """The baseline and the best other classes of the search, best first.

    Args:
        search: What was searched.
        result: What came out.
        baseline: What the others are compared with; at its best setting of the search, or, where the search has none
            of it, as it is written.
        n_challengers: How many other classes.
    """
    names = reference_names(result)
    own = class_name(baseline)
    challengers = [place for place in result.places if place.order != own][:n_challengers]
    kept = _baseline_run(search, result, own)
    setting = Setting.of_run(kept) if kept else Setting.of(baseline, search.space.default_nuisance(), search.network)
    others = [Finalist(Setting.of_run(result.runs_of(place)[0]), names.get(place.order, "")) for place in challengers]
    return (Finalist(setting, names.get(own, ""), is_baseline=True), *others)


def _baseline_run(search: Search, result: SearchResult, own: str) -> Run | None:
    """A run of the baseline's best setting: the ranking's, else of those that were pruned the one that went best."""
    place: Place | None = next((place for place in result.places if place.order == own), None)
    if place is not None:
        return result.runs_of(place)[0]
    sign = 1 if search.direction == "minimize" else -1
    metric = search.training.metric
    pruned: Sequence[Run] = [
        run for run in result.runs if run.state is State.PRUNED and run.order == own and metric in run.metrics
    ]
    return min(pruned, key=lambda run: (-run.n_epochs, sign * run.metrics[metric], run.setting), default=None)
