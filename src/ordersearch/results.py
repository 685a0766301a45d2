"""Results: the runs of a study, read back from Optuna's storage, and the names under which they are kept there."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ordersearch.documents import write_whole
from ordersearch.identities import canonical
from ordersearch.spec import BlockSpec

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

Blocks = Mapping[str, BlockSpec]


class Attribute(StrEnum):
    """The attributes that a study and its trials carry: user attributes, but for what says otherwise."""

    SEARCH = "ordersearch:search"
    N_TRIALS = "ordersearch:n_trials"
    BLOCKS = "ordersearch:blocks"
    CANONICAL = "ordersearch:canonical"
    SETTING = "ordersearch:setting"
    LEARNING_RATE = "ordersearch:lr"
    BATCH_SIZE = "ordersearch:batch_size"
    SEED = "ordersearch:seed"
    WORKER = "ordersearch:worker"
    SPLIT = "ordersearch:split"
    REFERENCE = "ordersearch:reference"
    STATE = "ordersearch:state"
    REASON = "ordersearch:reason"
    SECONDS = "ordersearch:seconds"
    EPOCHS = "ordersearch:epochs"
    PARAMETERS = "ordersearch:parameters"
    REUSED = "ordersearch:reused"
    VALIDATION_LOSSES = "ordersearch:val_losses"
    """A system attribute, which the dashboard does not list; studies from before have a user attribute."""
    CONFIRMATION = "ordersearch:confirmation"
    ORDERS = "ordersearch:orders"
    """Of a study whose runs are all queued: the orders that its parameter ``order`` may take, in one line each."""
    FRESH_TRIES_FROM = "ordersearch:fresh_tries_from"
    DATA = "ordersearch:data"
    """What the data set is, in words and figures, so that a report does without it."""
    SPACE = "ordersearch:space"
    """The search space, whole."""
    COMMANDS = "ordersearch:commands"
    """The commands that were given, with the versions that they ran with."""
    PACK = "ordersearch:pack"
    """The runs of a trial that holds several: seed and split of each; and, as a system attribute, what each came to."""
    CONFUSION = "ordersearch:confusion"
    """Of a finalist's classifier, a system attribute: the test part's samples by class and by predicted class."""
    SAMPLES_PER_SECOND = "ordersearch:samples_per_second"
    EPOCHS_TO_TARGET = "ordersearch:epochs_to_target"
    """Epochs until the validation loss was half of what guessing gives; absent where it never was."""
    ATTACHED = "ordersearch:attached:"
    """Followed by a prefix: the search space that goes by it in a study which ordersearch did not make."""
    OWN = "ordersearch:own"
    """What a setting is besides its blocks and nuisance parameters: the parameters of a user's own objective."""
    ORIGIN = "ordersearch:origin"
    """Of a trial that was copied from another study: that study, the trial's number there and when it began."""
    METRIC = "ordersearch:metric:"
    """Followed by the metric's key; one attribute a metric, so that the dashboard can plot it."""


class State(StrEnum):
    """How a run ended, or where it is."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    DOES_NOT_FIT = "does-not-fit"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out-of-memory"
    CRASHED = "crashed"
    INTERRUPTED = "interrupted"
    DUPLICATE = "duplicate"
    """Another worker had the run already."""
    RUNNING = "running"
    WAITING = "waiting"


KNOWN_STATES = frozenset(state.value for state in State)
TRAINED = frozenset({State.COMPLETE, State.PRUNED})
RETRIED = frozenset({State.CRASHED, State.OUT_OF_MEMORY})
FAILED = frozenset({State.DOES_NOT_FIT, State.DIVERGED, State.OUT_OF_MEMORY, State.CRASHED})


@dataclass(frozen=True)
class Run:
    """One run: a setting, trained with one seed on one split.

    Attributes:
        trial: Number of its Optuna trial.
        state: How it ended.
        blocks: What was trained: the cheapest order of the class, for each role.
        canonical: The canonical order, for each role, in the notation.
        setting: Digest of the canonical blocks and the nuisance parameters.
        learning_rate: The peak learning rate.
        batch_size: Samples a step, where the space chooses it, else None.
        seed: Of initial weights, batch order and noise.
        split: Which division of the data into training and validation.
        value: The study's metric after the last epoch; None unless complete, and in a study of several objectives.
        metrics: All metrics after the last epoch, and ``test/...`` and ``repaired/...`` where they were measured.
        n_epochs: Epochs trained.
        seconds: Time that the training took.
        n_parameters: Trainable parameters.
        validation_losses: After each epoch; kept of confirmation runs.
        n_reused: Proposals for this trial that were known networks, hence not trained again.
        reference: Name of the reference that it is, or empty.
        reason: Why it failed, or empty.
        pack: The seeds that were trained together as one batched model, its own among them; empty when it was alone.
    """

    trial: int
    state: State
    blocks: Mapping[str, str] = field(default_factory=dict)
    canonical: Mapping[str, str] = field(default_factory=dict)
    setting: str = ""
    learning_rate: float = float("nan")
    batch_size: int | None = None
    seed: int = 0
    split: int = 0
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    n_epochs: int = 0
    seconds: float = 0.0
    n_parameters: int = 0
    validation_losses: tuple[float, ...] = ()
    n_reused: int = 0
    reference: str = ""
    reason: str = ""
    pack: tuple[int, ...] = ()

    @property
    def order(self) -> str:
        """The class: the canonical order of each role without its rates."""
        return _class_of(tuple(self.canonical.items()))


def class_name(blocks: Blocks) -> str:
    """The class of blocks: the canonical order of each role, rates left out, in the notation.

    Example:
        >>> class_name({"conv": BlockSpec.parse("conv > batch_norm > relu > max_pool > dropout(p=0.1)")})
        'conv > batch_norm > relu > max_pool > dropout'
    """
    return in_one_line({role: str(canonical(spec).at_rate()) for role, spec in blocks.items()})


def in_one_line(blocks: Mapping[str, str]) -> str:
    """Blocks in the notation as one line; with several roles, each behind its name.

    Example:
        >>> in_one_line({"conv": "conv > relu", "dense": "linear > relu"})
        'conv: conv > relu; dense: linear > relu'
    """
    return next(iter(blocks.values())) if len(blocks) == 1 else "; ".join(f"{r}: {b}" for r, b in blocks.items())


@lru_cache(maxsize=8192)
def _class_of(texts: tuple[tuple[str, str], ...]) -> str:
    return class_name({role: BlockSpec.parse(text) for role, text in texts})


def setting_digest(
    canonical_blocks: Mapping[str, str],
    learning_rate: float,
    batch_size: int | None = None,
    own: Mapping[str, Any] | None = None,
) -> str:
    """The first 12 hexadecimal digits that name a setting: canonical blocks with their rates, nuisance parameters.

    In an objective of the user's own, its parameters belong to the setting, too.
    """
    chosen: list[Any] = [learning_rate] if batch_size is None else [learning_rate, batch_size]
    if own:
        chosen.append(sorted(own.items()))
    text = json.dumps([sorted(canonical_blocks.items()), *chosen], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_runs(study: Study) -> list[Run]:
    """The runs of a study in the order of their trials, those that wait or are under way included."""
    return [run for trial in study.get_trials(deepcopy=False) for run in runs_of(trial)]


def runs_of_setting(study: Study, setting: str, *, besides: int = -1) -> list[Run]:
    """The runs of one setting, that of trial ``besides`` left out."""
    return [
        run
        for trial in study.get_trials(deepcopy=False)
        if trial.user_attrs.get(Attribute.SETTING) == setting and trial.number != besides
        for run in runs_of(trial)
    ]


def next_seed(runs: Iterable[Run], first: int, max_seeds: int, pack: int = 1) -> int | None:
    """The seed that a setting should be trained with next, or None when it has had its runs.

    A new setting takes the first seed, one whose runs are complete the next, up to ``max_seeds``. One that was pruned
    takes the same seed once more, to be trained whole; one that does not fit or diverges would do so again, and one
    under way is waited for. One that crashed, ran out of memory or was interrupted is tried once more.

    Args:
        runs: All runs of the setting.
        first: The study's first seed.
        max_seeds: The most seeds that a setting is trained with.
        pack: How many seeds are trained together: the one that is given and those behind it. The last such group is
            whole, too, whatever ``max_seeds``.
    """
    runs = list(runs)
    if any(run.state in (State.DOES_NOT_FIT, State.DIVERGED, State.RUNNING) for run in runs):
        return None
    complete = {run.seed for run in runs if run.state is State.COMPLETE}
    for seed in range(first, first + max_seeds, pack):
        if not complete.issuperset(range(seed, seed + pack)):
            tries = sum(run.seed == seed and run.state in RETRIED for run in runs)
            return seed if tries < 2 else None
    return None


def runs_of(trial: FrozenTrial) -> list[Run]:
    """The runs that a trial holds: one, or one for each seed of its pack."""
    whole = run_of(trial)
    return [_member(whole, kept, first=place == 0) for place, kept in enumerate(_pack(trial))] or [whole]


def _member(whole: Run, kept: Mapping[str, Any], *, first: bool) -> Run:
    """The run of one seed, of what its trial has of all."""
    own = {key: kept[key] for key in ("seed", "split", "value", "metrics", "n_epochs", "reason") if key in kept}
    if kept.get("state") in KNOWN_STATES and whole.state in TRAINED:
        own["state"] = State(kept["state"])
    losses = tuple(kept.get("val_losses", ()))
    return replace(whole, **own, validation_losses=losses, n_reused=whole.n_reused if first else 0)


def _pack(trial: FrozenTrial) -> Sequence[Mapping[str, Any]]:
    kept = trial.system_attrs.get(Attribute.PACK) or trial.user_attrs.get(Attribute.PACK, ())
    return cast("Sequence[Mapping[str, Any]]", kept)


def run_of(trial: FrozenTrial) -> Run:
    """A trial as one run; of a pack, with the means over its seeds and the first one's name."""
    kept: Mapping[str, Any] = {**trial.system_attrs, **trial.user_attrs}
    return Run(
        trial=trial.number,
        state=_state(trial),
        blocks=kept.get(Attribute.BLOCKS, {}),
        canonical=kept.get(Attribute.CANONICAL, {}),
        setting=kept.get(Attribute.SETTING, ""),
        learning_rate=kept.get(Attribute.LEARNING_RATE, float("nan")),
        batch_size=kept.get(Attribute.BATCH_SIZE),
        seed=kept.get(Attribute.SEED, 0),
        split=kept.get(Attribute.SPLIT, 0),
        value=trial.value if _state(trial) is State.COMPLETE and len(trial.values) == 1 else None,
        metrics={k.removeprefix(Attribute.METRIC): v for k, v in kept.items() if k.startswith(Attribute.METRIC)},
        n_epochs=kept.get(Attribute.EPOCHS, 0),
        seconds=kept.get(Attribute.SECONDS, 0.0),
        n_parameters=kept.get(Attribute.PARAMETERS, 0),
        validation_losses=tuple(kept.get(Attribute.VALIDATION_LOSSES, ())),
        n_reused=kept.get(Attribute.REUSED, 0),
        reference=kept.get(Attribute.REFERENCE, ""),
        reason=kept.get(Attribute.REASON, ""),
        pack=tuple(member["seed"] for member in _pack(trial)),
    )


def _state(trial: FrozenTrial) -> State:
    kept = trial.user_attrs.get(Attribute.STATE)
    by_optuna = {"COMPLETE": State.COMPLETE, "PRUNED": State.PRUNED, "RUNNING": State.RUNNING, "WAITING": State.WAITING}
    return by_optuna.get(trial.state.name) or (State(kept) if kept in KNOWN_STATES else State.INTERRUPTED)


def count_trained(runs: Iterable[Run]) -> int:
    """How many trainings there were: each (setting, seeds, split) once pruned and once whole, whoever trained it."""
    return len({(run.setting, run.pack or run.seed, run.split, run.state) for run in runs if run.state in TRAINED})


def distinct_runs(runs: Iterable[Run]) -> list[Run]:
    """The complete runs, each (setting, seed, split) once, whoever trained it and however often.

    Of several the one with the lowest value is taken: two machines may differ in the last digits, and which one is
    taken must not depend on the order of the rows.
    """
    found: dict[tuple[str, int, int], list[Run]] = {}
    for run in runs:
        if run.state is State.COMPLETE and run.setting:
            found.setdefault((run.setting, run.seed, run.split), []).append(run)
    return [min(same, key=_value_and_trial) for same in found.values()]


def _value_and_trial(run: Run) -> tuple[float, int]:
    return (math.inf if run.value is None else run.value, run.trial)


CSV_COLUMNS = ("trial", "state", "value", "order", "blocks", "learning_rate", "batch_size", "seed", "split", "setting")
CSV_COUNTS = ("n_epochs", "seconds", "n_parameters", "n_reused", "reference", "reason")


def write_trials(path: Path, runs: Iterable[Run]) -> None:
    """Write ``trials.csv``: a row a run, its state, figures, order and parameters."""
    write_whole(path, trials_text(runs))


def trials_text(runs: Iterable[Run], **further: Sequence[str]) -> str:
    """The rows of ``trials.csv``.

    Args:
        runs: One for each row.
        further: Columns to put first, with a value for each run.
    """
    runs = list(runs)
    metrics = sorted({key for run in runs for key in run.metrics})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*further, *CSV_COLUMNS, *metrics, *CSV_COUNTS])
    for place, run in enumerate(runs):
        told = [_cell(column[place]) for column in further.values()]
        first = [_cell(getattr(run, column)) for column in CSV_COLUMNS]
        last = [_cell(getattr(run, column)) for column in CSV_COUNTS]
        writer.writerow([*told, *first, *(run.metrics.get(key, "") for key in metrics), *last])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping):
        return in_one_line(value)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return "'" + value
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
