"""The note of a study: what it is, verdict, leaderboard, what is running, how to go on, how to read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from optuna.trial import FrozenTrial, TrialState

from ordersearch.report.dashboard.leaderboard import Row, confirmed_rows, searched_rows
from ordersearch.report.dashboard.markdown import code, escaped, fenced, quoted_as_code, table
from ordersearch.results import FAILED, Run, State, count_trained, distinct_runs, in_one_line, run_of
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.effects import direction_told
from ordersearch.study.kept_study import KeptStudy
from ordersearch.study.observer import Progress
from ordersearch.study.outputs import verdict

N_RUNNING = 16
COUNTED = (State.COMPLETE, State.PRUNED, *sorted(FAILED), State.INTERRUPTED, State.RUNNING)
TOLD = {State.PRUNED: "probed only (pruned)", State.DOES_NOT_FIT: "do not fit", State.OUT_OF_MEMORY: "out of memory"}

READING = (
    "A trial is one *setting*: an order with its rates and learning rate, trained with one seed or with several "
    "together. Orders that are the same network are one *class* and are trained once, in the cheapest way to write it.",
    "A *pruned* trial is no failure: every setting is probed for a few epochs first, and the best probes are trained "
    "whole.",
    "The order of each trial, why it ended as it did and what is known of such an order stand in its own note, under "
    "*Trials* on the left.",
    "In the plots of *History*, *Slice* and *Parallel coordinate*, the attributes `ordersearch:…` can be chosen, too: "
    "parameters, speed, epochs, seed.",
)
FIRST_ONLY = "Of so many trials, only the first {} and the best have a note of their own."
CONFIRMATION_READING = (
    "Each finalist is trained on the same *pairs* of a fresh seed and a fresh split into training and validation, so "
    "the differences below are between runs that differ in nothing else.",
    "Its plan of looks is fixed before it begins: stopping at one of them keeps the 95 % of all intervals together "
    "honest. An interval that leaves out 0 tells an order from yours.",
    "*Best* is how probable it is that an order's mean is the best; `=` marks those that cannot be told from the best.",
)


def search_note(
    kept: KeptStudy, trials: Sequence[FrozenTrial], progress: Progress | None = None, most_notes: int = 1000
) -> str:
    """The note of a search.

    Args:
        kept: The search, and what came out of it.
        trials: Of its study.
        progress: Where it stands, while it runs.
        most_notes: How many trials have a note of their own.
    """
    record = kept.record
    space = code(record.space.name) if record.space else "a space that the study does not hold"
    intro = (
        f"**Which order of the ops does best?** A search of ordersearch on {code(record.dataset.name)}, over {space}, "
        f"in the network {code(record.network.name)}; by {code(record.training.metric)}, {direction_told(record)}."
    )
    return _joined(
        f"# {code(record.name)}",
        intro,
        *_verdict(kept),
        *_board(kept),
        *_now(kept.result.runs, trials, progress),
        *_resume(kept),
        *_reading([*READING, *([FIRST_ONLY.format(most_notes)] if len(trials) > most_notes else [])], kept),
    )


def confirmation_note(kept: KeptStudy, trials: Sequence[FrozenTrial]) -> str:
    """The note of a search's last confirmation, whose trials these are."""
    assert kept.confirmed is not None
    confirmation, record = kept.confirmed.confirmation, kept.record
    intro = (
        f"**The confirmation of {code(record.name)}**: the best {len(confirmation.finalists) - 1} orders of the search "
        f"against your order, {code(confirmation.baseline.trained)}, on fresh pairs of seed and split; by "
        f"{code(record.training.metric)}, {direction_told(record)}."
    )
    return _joined(
        f"# {code(kept.confirmed.study)}",
        intro,
        *_verdict(kept),
        *_board(kept),
        f"## Now\n\n{_pairs_told(confirmation, kept.confirmed.runs)}",
        *_running(trials),
        *_resume(kept),
        *_reading(CONFIRMATION_READING, kept),
    )


def older_confirmation_note(kept: KeptStudy, name: str) -> str:
    """The note of a confirmation that a later one has followed."""
    assert kept.confirmed is not None
    return _joined(
        f"# {code(name)}",
        f"**An earlier confirmation of {code(kept.record.name)}.** The last one, which the verdict stands in, is "
        f"{code(kept.confirmed.study)}: with other finalists or more pairs, a confirmation begins anew on fresh pairs.",
    )


def baseline_note(kept: KeptStudy, name: str, runs: Sequence[Run]) -> str:
    """The note of a study that holds the baseline's runs at its settings."""
    metric = kept.record.training.metric
    rows = [
        [code(in_one_line(run.blocks)), f"{run.learning_rate:g}", f"{run.value:.4g}", str(run.trial)]
        for run in sorted(distinct_runs(runs), key=lambda run: (run.learning_rate, run.seed))
        if run.value is not None
    ]
    return _joined(
        f"# {code(name)}",
        f"**Your order in the search {code(kept.record.name)}**, trained whole at each of its settings, so that it "
        "meets the others at its best one. These runs choose a setting and decide nothing else.",
        *([table(["order (as trained)", ">learning rate", f">{escaped(metric)}", ">trial"], rows)] if rows else []),
    )


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _verdict(kept: KeptStudy) -> Iterator[str]:
    confirmed = kept.confirmed
    if confirmed is None:
        yield f"## Verdict so far\n\n> {quoted_as_code(verdict(kept.record, kept.result))}"
        return
    is_final = confirmed.verdict.decision.is_final
    yield f"## {'Verdict' if is_final else 'Verdict so far'}\n\n> {quoted_as_code(confirmed.verdict.text)}"
    yield f"Scope: {escaped(confirmed.verdict.scope)}"


def _board(kept: KeptStudy) -> Iterator[str]:
    metric = kept.record.training.metric
    finalists, rows = confirmed_rows(kept), searched_rows(kept)
    if finalists:
        yield f"## Finalists on fresh pairs\n\n{_finalists(finalists, metric)}"
    if rows:
        yield f"## Leaderboard of the search\n\n{_searched(rows, metric)}"
        yield (
            f"{len(kept.result.places)} orders are trained whole. The interval is of the mean over seeds, on the "
            "search's one split; with fewer than 3 runs there is none. The best of many looks better than it is, so "
            "the finalists are trained anew."
        )


def _finalists(rows: Sequence[Row], metric: str) -> str:
    headings = ["", "order (as trained)", f">{escaped(metric)}", ">against yours", ">95 % interval"]
    return table(
        [*headings, ">pairs", ">best", ">lr", ""],
        [
            [
                "=" if row.is_together else "",
                code(row.order),
                f"{row.mean:.4g}",
                "yours" if row.is_baseline else "" if row.difference is None else f"{row.difference:+.3g}",
                _interval(row, "+.3g"),
                str(row.n),
                f"{row.probability or 0:.0%}",
                f"{row.learning_rate:g}",
                _remarks(row),
            ]
            for row in rows
        ],
    )


def _searched(rows: Sequence[Row], metric: str) -> str:
    return table(
        [">", "order (as trained)", f">{escaped(metric)}", ">95 % interval", ">runs", ">lr", ""],
        [
            [
                str(number),
                code(row.order),
                f"{row.mean:.4g}",
                _interval(row, ".3g"),
                str(row.n),
                f"{row.learning_rate:g}",
                _remarks(row),
            ]
            for number, row in enumerate(rows, 1)
        ],
    )


def _interval(row: Row, form: str) -> str:
    return "" if row.low is None or row.high is None else f"{row.low:{form}}\u00a0to\u00a0{row.high:{form}}"


def _remarks(row: Row) -> str:
    batch = f"batch size {row.batch_size}" if row.batch_size is not None else ""
    known = f"known as {code(row.name)}" if row.name else ""
    return ", ".join(filter(None, ["**recommended**" if row.is_recommended else "", known, batch]))


def _now(runs: Sequence[Run], trials: Sequence[FrozenTrial], progress: Progress | None) -> Iterator[str]:
    found = Counter(run_of(trial).state for trial in trials)
    counts = [f"{found[state]} {TOLD.get(state, state.value)}" for state in COUNTED if found[state]]
    reused = sum(run.n_reused for run in runs)
    told = f"{count_trained(runs)}{_of(progress)} trained: {', '.join(counts) or 'nothing yet'}."
    if reused:
        told += f" {reused} proposals were known networks and not trained again."
    yield f"## Now\n\n{told}"
    yield from _running(trials)


def _of(progress: Progress | None) -> str:
    return f" of {progress.n_trials}" if progress and progress.n_trials else ""


def _pairs_told(confirmation: Confirmation, runs: Sequence[Run]) -> str:
    complete = confirmation.complete(runs)
    most = confirmation.rule.looks[-1]
    n = [len(complete[finalist.order]) for finalist in confirmation.finalists]
    told = f"Of at most {most} pairs, each finalist has {min(n)}" + (f" to {max(n)}" if max(n) > min(n) else "")
    n_failed = sum(run.state in FAILED for run in runs)
    return f"{told}; {n_failed} runs failed." if n_failed else f"{told}."


def _running(trials: Sequence[FrozenTrial]) -> Iterator[str]:
    running = [trial for trial in trials if trial.state is TrialState.RUNNING]
    if not running:
        yield "No trial is running at this moment."
        return
    rows = [
        [
            str(trial.number),
            code(in_one_line(run.blocks)) if run.blocks else "",
            str(len(trial.intermediate_values)),
            f"{trial.datetime_start:%H:%M:%S}" if trial.datetime_start else "",
        ]
        for trial, run in ((trial, run_of(trial)) for trial in running[:N_RUNNING])
    ]
    yield "Running:\n\n" + table([">trial", "order (as trained)", ">epochs so far", ">since"], rows)


def _resume(kept: KeptStudy) -> Iterator[str]:
    commands = kept.record.commands
    if commands:
        yield f"## Go on\n\nThe same command goes on where it stopped:\n\n{fenced([commands[-1].text])}"
    else:
        yield "## Go on\n\nThe command that began this search goes on where it stopped."


def _reading(sentences: Sequence[str], kept: KeptStudy) -> Iterator[str]:
    yield "## How to read this\n\n" + "\n".join(f"- {sentence}" for sentence in sentences)
    if kept.notes:
        yield "Not read:\n\n" + "\n".join(f"- {escaped(note, 500)}" for note in kept.notes)
