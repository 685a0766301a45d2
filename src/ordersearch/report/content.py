"""What a report tells, as plain values: every format is made of these, and ``--format json`` is these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Blocks = Mapping[str, str]
"""Role to block, in the notation."""


@dataclass(frozen=True)
class Fact:
    """One figure that the report begins with.

    Attributes:
        label: What it is.
        value: The figure.
        note: What it is of.
    """

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Candidate:
    """An order that the report looks at closely: a finalist, or without a confirmation one of the search's best.

    Attributes:
        letter: What tables and drawings call it.
        order: As it was trained, in one line.
        blocks: As it was trained, by role.
        canonical: The class, by role, rates included.
        name: What it is known as, or empty.
        is_recommended: Whether the report recommends it.
        is_baseline: Whether the others are compared with it: "your order".
        may_be_best: Whether it cannot be told from the best; None without a confirmation.
        mean: Of the study's metric; None where there is none yet.
        n: Over how many pairs, or runs of the search.
        spread: Standard deviation over the runs of the search.
        difference: Of the mean to your order's, over the pairs that both have.
        low: Lower end of the difference's 95 % interval.
        high: Upper end.
        is_believed: Whether the interval leaves out 0.
        probability: That its mean is the best.
        learning_rate: At which it was trained.
        batch_size: Samples a step, where the space chose it.
        scores: Means of everything else that was measured.
        note: Why it has no mean, or empty.
    """

    letter: str
    order: str
    blocks: Blocks
    canonical: Blocks
    name: str = ""
    is_recommended: bool = False
    is_baseline: bool = False
    may_be_best: bool | None = None
    mean: float | None = None
    n: int = 0
    spread: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    is_believed: bool = False
    probability: float | None = None
    learning_rate: float = 0.0
    batch_size: int | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class RankedOrder:
    """A place of the search's own ranking.

    Attributes:
        rank: From 1.
        order: As it was trained, in one line.
        blocks: The same by role.
        name: What it is known as, or empty.
        mean: Of the study's metric over the runs of the class's best setting.
        spread: Their standard deviation; None with one run.
        n_runs: How many runs that is.
        n_settings: How many settings of the class were trained.
        learning_rate: Of the best setting.
        batch_size: Likewise, where the space chose it.
        metrics: Means of the other metrics.
    """

    rank: int
    order: str
    blocks: Blocks
    name: str
    mean: float
    spread: float | None
    n_runs: int
    n_settings: int
    learning_rate: float
    batch_size: int | None
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Cell:
    """One cell of a heat map.

    Attributes:
        effect: Mean difference of the metric; None where nothing was compared.
        low: Lower end of the 95 % interval; None with fewer than two contexts.
        high: Upper end.
        n_contexts: Over how many contexts.
        same_network: Why it makes no difference, where both ways round are the same network.
    """

    effect: float | None = None
    low: float | None = None
    high: float | None = None
    n_contexts: int = 0
    same_network: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeatMap:
    """A heat map of what parts of the orders do to the metric.

    Attributes:
        kind: ``precedence`` (row before column, minus the other way round) or ``placement`` (norm's place and dropout's
            together, minus the mean of the places).
        role: Of the blocks that it is about.
        rows: Names of the rows.
        columns: Names of the columns.
        cells: Row by row; None where row and column are the same part.
    """

    kind: str
    role: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell | None, ...], ...]


@dataclass(frozen=True)
class Curve:
    """A candidate's learning curve.

    Attributes:
        letter: Of the candidate.
        values: The mean after each epoch.
        n: Over how many runs.
    """

    letter: str
    values: tuple[float, ...]
    n: int


@dataclass(frozen=True)
class SameNetworks:
    """The orders that are one network with a candidate's block.

    Attributes:
        letter: Of the candidate.
        role: Of the block.
        members: The orders, as far as they are listed.
        has_more: Whether there are others.
    """

    letter: str
    role: str
    members: tuple[str, ...]
    has_more: bool


@dataclass(frozen=True)
class Failure:
    """Trials that failed alike.

    Attributes:
        state: How they ended.
        reason: Why.
        n: How many.
        example: One of the orders.
    """

    state: str
    reason: str
    n: int
    example: str


@dataclass(frozen=True)
class Told:
    """A piece of advice, and whom it is about.

    Attributes:
        letters: Of the candidates.
        severity: ``warning`` or ``note``.
        text: What happens, and what to do instead.
        figure: How much.
        source: Where that comes from.
    """

    letters: tuple[str, ...]
    severity: str
    text: str
    figure: str
    source: str


@dataclass(frozen=True)
class Snippet:
    """Text to copy.

    Attributes:
        title: What it is.
        language: ``yaml``, ``python`` or ``bash``.
        text: The text.
        note: What to do with it.
    """

    title: str
    language: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Report:
    """All that a report tells.

    Attributes:
        study: The study's name.
        headline: The verdict in a few words.
        verdict: The verdict in sentences.
        scope: What it holds for.
        is_confirmed: Whether it rests on fresh pairs.
        is_final: Whether no further pair would change it.
        metric: The study's metric.
        direction: ``minimize`` or ``maximize``.
        facts: The figures to begin with.
        candidates: The finalists, best first; without a confirmation the search's best few.
        ranking: The search's own ranking, whole.
        heat_maps: What the parts of the orders do.
        heat_map_notes: What those figures do not hold for.
        curve_metric: What the learning curves are of.
        curves: One for each candidate that has one.
        same_networks: What equals what.
        counts: Runs of the search by their state.
        n_confirming: Runs of the confirmation that are complete.
        failures: What failed, of search and confirmation, most frequent first.
        advice: What is known about the candidates' orders.
        snippets: How to use the recommended block.
        data: Name, fingerprint, shape and description of the data set.
        space: Name, description and size of the search space; empty where the study does not hold it.
        network: Name and options of the network.
        identity: Everything that must be the same for two runs to be compared.
        commands: The commands that were given, first to last.
        versions: Of ordersearch and its libraries, as far as the study holds them.
        seeds: The search's seed, and those of the confirmation's pairs.
        started: When the first trial began, or empty.
        ended: When the last one ended, or empty.
        seconds: What the trainings took together.
        notes: What could not be read.
        reported_with: The version that wrote the report.
    """

    study: str
    headline: str
    verdict: str
    scope: str
    is_confirmed: bool
    is_final: bool
    metric: str
    direction: str
    facts: tuple[Fact, ...]
    candidates: tuple[Candidate, ...]
    ranking: tuple[RankedOrder, ...]
    heat_maps: tuple[HeatMap, ...]
    heat_map_notes: tuple[str, ...]
    curve_metric: str
    curves: tuple[Curve, ...]
    same_networks: tuple[SameNetworks, ...]
    counts: Mapping[str, int]
    n_confirming: int
    failures: tuple[Failure, ...]
    advice: tuple[Told, ...]
    snippets: tuple[Snippet, ...]
    data: Mapping[str, Any]
    space: Mapping[str, Any]
    network: Mapping[str, Any]
    identity: Mapping[str, Any]
    commands: tuple[str, ...]
    versions: Mapping[str, str]
    seeds: Mapping[str, Any]
    started: str
    ended: str
    seconds: float
    notes: tuple[str, ...]
    reported_with: str

    @property
    def recommended(self) -> Candidate | None:
        """The candidate that is recommended."""
        return next((candidate for candidate in self.candidates if candidate.is_recommended), None)

    @property
    def is_better(self) -> str:
        """Which way the metric is meant: lower or higher."""
        return "lower" if self.direction == "minimize" else "higher"
