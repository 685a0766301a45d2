"""What a search leaves in its folder: ``blocks.yaml``, ``trials.csv`` and what the orders' parts do."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ordersearch import __version__
from ordersearch.errors import StudyMismatchError
from ordersearch.export import BlocksFile, RankedBlocks, write_blocks
from ordersearch.ranking import Place
from ordersearch.results import Run, State, in_one_line, write_trials
from ordersearch.spec import BlockSpec
from ordersearch.study.effects import write_effects
from ordersearch.study.kept_study import KeptStudy
from ordersearch.study.record import Record, Searched
from ordersearch.study.result import SearchResult, reference_names
from ordersearch.study.search import Search
from ordersearch.study.verdict import Verdict

N_RANKED = 5
LIBRARIES = ("torch", "pytorch-lightning", "optuna", "numpy")


def write_outputs(
    folder: Path, search: Search, result: SearchResult, confirmed: Verdict | None = None, runs: Sequence[Run] = ()
) -> list[Path]:
    """Write the run's files and give their paths; without a complete trial there is no ``blocks.yaml``.

    Args:
        folder: Where to.
        search: What was searched.
        result: What came out.
        confirmed: The verdict of the confirmation, where there was one.
        runs: Its runs.
    """
    trials, blocks, confirmations = (folder / name for name in ("trials.csv", "blocks.yaml", "confirmation.csv"))
    write_trials(trials, result.runs)
    if not result.places:
        return [trials]
    write_blocks(blocks, blocks_file(search, result, confirmed))
    effects = write_effects(folder, search, [*result.runs, *runs])
    if not runs:
        return [blocks, trials, *effects]
    write_trials(confirmations, [run for run in runs if run.state not in (State.DUPLICATE, State.WAITING)])
    return [blocks, trials, confirmations, *effects]


def blocks_file(search: Search, result: SearchResult, confirmed: Verdict | None = None) -> BlocksFile:
    """The winner and the next best few, with where they came from: after a confirmation, its finalists come first."""
    return _file(search, result, confirmed, search.dataset.input_shape, library_versions())


def kept_blocks_file(kept: KeptStudy) -> BlocksFile:
    """The same of a study that was read back from its storage, as far as that holds it; interrupted ones, too.

    Raises:
        StudyMismatchError: No trial of it is complete.
    """
    record, result = kept.record, kept.result
    if not result.places:
        raise StudyMismatchError(f"Study {record.name!r} has no order to take home yet. {verdict(record, result)}")
    confirmed = kept.confirmed.verdict if kept.confirmed and kept.confirmed.verdict.standings else None
    versions = record.commands[-1].versions if record.commands else {}
    return _file(record, result, confirmed, record.dataset.shape, versions)


def _file(
    searched: Search | Record,
    result: SearchResult,
    confirmed: Verdict | None,
    shape: Sequence[int],
    versions: Mapping[str, str],
) -> BlocksFile:
    data, identity = searched.dataset, searched.identity()
    network = {key: value for key, value in identity.items() if key.partition(" ")[0] == "network"}
    return BlocksFile(
        ranking=_ranking(result, confirmed),
        dims=data.dims or 2,
        verdict=_verdict_and_scope(searched, result, confirmed),
        study={
            "name": searched.name,
            "space": str(identity.get("space", "")),
            "space_fingerprint": str(identity.get("space fingerprint", "")),
            **network,
            "direction": searched.direction,
            "seed": searched.seed,
            **searched.training.to_dict(),
        },
        data={
            "name": data.name,
            "fingerprint": data.fingerprint,
            "input": data.input,
            "shape": list(shape),
            "n_outputs": data.n_outputs,
        },
        counts=counts(searched, result),
        versions=versions,
    )


def _ranking(result: SearchResult, confirmed: Verdict | None) -> tuple[RankedBlocks, ...]:
    finalists = _confirmed_blocks(confirmed) if confirmed else ()
    there = {tuple(entry.blocks.items()) for entry in finalists}
    searched = (_ranked_blocks(place, result) for place in result.places)
    others = (entry for entry in searched if tuple(entry.blocks.items()) not in there)
    return (*finalists, *others)[:N_RANKED]


def _verdict_and_scope(search: Searched, result: SearchResult, confirmed: Verdict | None) -> str:
    return f"{confirmed.text} Scope: {confirmed.scope}" if confirmed else verdict(search, result)


def counts(search: Searched, result: SearchResult) -> dict[str, int]:
    """Orders and distinct networks of the space, if it is known; trials by state; trainings that reuse saved."""
    space = search.space
    sizes = (
        {
            "specs_in_space": space.n_specs,
            "distinct_networks": space.n_classes,
            "settings_as_written": space.n_settings_as_written,
            "settings": space.n_settings,
        }
        if space
        else {}
    )
    return {
        **sizes,
        "proposals_reused": sum(run.n_reused for run in result.runs),
        **{f"trials_{state.value}": n for state, n in sorted(result.counts().items())},
    }


def _ranked_blocks(place: Place, result: SearchResult) -> RankedBlocks:
    runs = result.runs_of(place)
    return RankedBlocks(
        blocks={role: BlockSpec.parse(text) for role, text in runs[0].blocks.items()},
        value=place.mean,
        n_runs=place.n_runs,
        trials=tuple(dict.fromkeys(run.trial for run in runs)),
        learning_rate=runs[0].learning_rate,
        batch_size=runs[0].batch_size,
        metrics=result.metrics_of(place),
        name=reference_names(result).get(place.order, ""),
    )


def _confirmed_blocks(confirmed: Verdict) -> tuple[RankedBlocks, ...]:
    """The finalists that were looked at: the recommended one first, then from the best on."""
    entries = [
        RankedBlocks(
            blocks=standing.finalist.setting.blocks,
            value=standing.mean,
            n_runs=standing.n_pairs,
            trials=(),
            learning_rate=standing.finalist.setting.learning_rate,
            batch_size=standing.finalist.setting.batch_size,
            metrics={key: value for key, value in standing.scores.items() if "/" in key},
            name=standing.finalist.name,
        )
        for standing in sorted(confirmed.standings, key=lambda s: s.finalist is not confirmed.recommended)
    ]
    return tuple(entries)


def verdict(search: Searched, result: SearchResult) -> str:
    """The result in one sentence, which claims no more than a search without confirmation can show."""
    if not result.places:
        none = f"No trial was completed ({_why_none(result)}), so no order can be told from another."
        return f"{none}{_best_probe(search, result)}"
    best, metric = result.places[0], search.training.metric
    run = result.runs_of(best)[0]
    block = in_one_line(run.blocks)
    sentence = f"'{block}' had the best {metric}, {best.mean:.4g}"
    others = {key: value for key, value in result.metrics_of(best).items() if key.startswith("val/") and key != metric}
    if others:
        sentence += f" ({', '.join(f'{key} {value:.4g}' for key, value in others.items())})"
    sentence += f", at a learning rate of {run.learning_rate:g}"
    if run.batch_size is not None:
        sentence += f" and batches of {run.batch_size}"
    names = reference_names(result)
    references = search.space.references() if search.space else ()
    first = references[0].name if references else ""
    usual = next((place for place in result.places if first and names.get(place.order) == first), None)
    if usual is best:
        sentence += f"; that is the {first}"
    elif usual is not None and usual.n_runs == best.n_runs:
        # Over other seeds its mean would be no measure.
        sentence += f", against {usual.mean:.4g} of the {first}"
    seeds = "1 seed" if best.n_runs == 1 else f"{best.n_runs} seeds"
    return f"{sentence}; from {seeds} and one split, without confirmation, so a small lead may be noise."


def _best_probe(search: Searched, result: SearchResult) -> str:
    """What did best in the first few epochs, where nothing was trained whole yet."""
    metric, sign = search.training.metric, 1 if search.direction == "minimize" else -1
    probes = [run for run in result.runs if run.state is State.PRUNED and metric in run.metrics]
    best = min(probes, key=lambda run: (sign * run.metrics[metric], run.trial), default=None)
    if best is None:
        return ""
    after = "1 epoch" if best.n_epochs == 1 else f"{best.n_epochs} epochs"
    n = len({run.setting for run in probes})
    return f" Of the {n} probed, {in_one_line(best.blocks)!r} had the best {metric} after {after}."


def _why_none(result: SearchResult) -> str:
    found = result.counts()
    return (
        ", ".join(f"{n} {state.value}" for state, n in sorted(found.items()) if state is not State.WAITING)
        or "none ran"
    )


def library_versions() -> dict[str, str]:
    """The versions of ordersearch and of the libraries that its results depend on."""
    found = {"ordersearch": __version__}
    for library in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    return found
