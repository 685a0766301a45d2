"""What a search leaves in its folder: ``blocks.yaml`` and ``trials.csv``."""

from __future__ import annotations

import importlib.metadata
from contextlib import suppress
from pathlib import Path

from ordersearch import __version__
from ordersearch.export import BlocksFile, RankedBlocks, write_blocks
from ordersearch.ranking import Place
from ordersearch.results import State, write_trials
from ordersearch.spec import BlockSpec
from ordersearch.study.result import SearchResult
from ordersearch.study.search import Search

N_RANKED = 5
LIBRARIES = ("torch", "pytorch-lightning", "optuna", "numpy")


def write_outputs(folder: Path, search: Search, result: SearchResult) -> list[Path]:
    """Write the run's files and give their paths; without a complete trial there is no ``blocks.yaml``."""
    trials, blocks = folder / "trials.csv", folder / "blocks.yaml"
    write_trials(trials, result.runs)
    if not result.places:
        return [trials]
    write_blocks(blocks, blocks_file(search, result))
    return [blocks, trials]


def blocks_file(search: Search, result: SearchResult) -> BlocksFile:
    """The winner and the next best few, with where they came from."""
    dataset = search.dataset
    return BlocksFile(
        ranking=tuple(_ranked_blocks(place, result) for place in result.places[:N_RANKED]),
        dims=dataset.dims or 2,
        verdict=verdict(search, result),
        study={
            "name": search.name,
            "space": search.space.name,
            "space_fingerprint": search.space.fingerprint(),
            "network": search.network.name,
            "direction": search.direction,
            "seed": search.seed,
            **search.training.to_dict(),
        },
        data={
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "input": dataset.input,
            "shape": list(dataset.input_shape),
            "n_outputs": dataset.n_outputs,
        },
        counts=counts(search, result),
        versions=library_versions(),
    )


def counts(search: Search, result: SearchResult) -> dict[str, int]:
    """Orders and distinct networks of the space, trials by state, trainings that reuse saved."""
    return {
        "specs_in_space": search.space.n_specs,
        "distinct_networks": search.space.n_classes,
        "settings_as_written": search.space.n_settings_as_written,
        "settings": search.space.n_settings,
        "proposals_reused": sum(run.n_reused for run in result.runs),
        **{f"trials_{state.value}": n for state, n in sorted(result.counts().items())},
    }


def _ranked_blocks(place: Place, result: SearchResult) -> RankedBlocks:
    runs = result.runs_of(place)
    return RankedBlocks(
        blocks={role: BlockSpec.parse(text) for role, text in runs[0].blocks.items()},
        value=place.mean,
        n_runs=place.n_runs,
        trials=tuple(run.trial for run in runs),
        learning_rate=runs[0].learning_rate,
        metrics=result.metrics_of(place),
        name=reference_names(result).get(place.order, ""),
    )


def reference_names(result: SearchResult) -> dict[str, str]:
    """Classes that are references to their names."""
    named: dict[str, str] = {}
    for run in result.runs:
        if run.reference and run.canonical:
            named.setdefault(run.order, run.reference)
    return named


def verdict(search: Search, result: SearchResult) -> str:
    """The result in one sentence, which claims no more than a search without confirmation can show."""
    if not result.places:
        return f"No trial was completed ({_why_none(result)}), so no order can be told from another."
    best, metric = result.places[0], search.training.metric
    run = result.runs_of(best)[0]
    block = "; ".join(run.blocks.values())
    sentence = f"'{block}' had the best {metric}, {best.mean:.4g}"
    others = {key: value for key, value in result.metrics_of(best).items() if key.startswith("val/") and key != metric}
    if others:
        sentence += f" ({', '.join(f'{key} {value:.4g}' for key, value in others.items())})"
    sentence += f", at a learning rate of {run.learning_rate:g}"
    names = reference_names(result)
    convention = next((place for place in result.places if names.get(place.order) == "convention"), None)
    if convention is best:
        sentence += "; that is the convention"
    elif convention is not None:
        sentence += f", against {convention.mean:.4g} of the convention"
    seeds = "1 seed" if best.n_runs == 1 else f"{best.n_runs} seeds (on the scale of the first)"
    return f"{sentence}; from {seeds} and one split, without confirmation, so a small lead may be noise."


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
