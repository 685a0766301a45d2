"""A study put together as a report: what was found, how sure that is, how to use and how to repeat it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Any

from ordersearch import __version__
from ordersearch.advice import advise
from ordersearch.errors import OrdersearchError
from ordersearch.identities import each_member
from ordersearch.report.candidates import candidates, curves, ranking
from ordersearch.report.content import Candidate, Failure, HeatMap, Report, SameNetworks, Told
from ordersearch.report.headline import facts, headline, space_size
from ordersearch.report.heat_maps import heat_maps
from ordersearch.report.snippets import snippets
from ordersearch.results import FAILED, Run, State, in_one_line
from ordersearch.spec import BlockSpec
from ordersearch.study.kept_study import UNREADABLE, KeptStudy
from ordersearch.study.outputs import verdict

N_MEMBERS = 60


def report_of(kept: KeptStudy) -> Report:
    """What there is to tell of a study, from what its storage holds."""
    record, confirmed = kept.record, kept.confirmed
    shown, notes = candidates(kept), list(kept.notes)
    curve_metric, drawn = curves(kept, shown)
    confirming = confirmed.runs if confirmed else ()
    maps, map_notes = _heat_maps(kept, [*kept.result.runs, *confirming], notes)
    best = next((one for one in shown if one.is_recommended), shown[0] if shown else None)
    return Report(
        study=record.name,
        headline=headline(kept),
        verdict=confirmed.verdict.text if confirmed else verdict(record, kept.result),
        scope=confirmed.verdict.scope if confirmed else "",
        is_confirmed=confirmed is not None and confirmed.verdict.decision.best is not None,
        is_final=confirmed is not None and confirmed.verdict.decision.is_final,
        metric=record.training.metric,
        direction=record.direction,
        facts=facts(kept, shown),
        candidates=shown,
        ranking=ranking(kept),
        heat_maps=maps,
        heat_map_notes=map_notes,
        curve_metric=curve_metric,
        curves=drawn,
        same_networks=tuple(same_networks(shown)),
        counts=_counts(kept.result.runs),
        n_confirming=sum(run.state is State.COMPLETE for run in confirming),
        failures=failures([*kept.result.runs, *confirming]),
        advice=advice(shown, kept),
        snippets=snippets(best, dims=record.dataset.dims) if best else (),
        data=_data(kept),
        space=_space(kept),
        network={"name": record.network.name, **record.network.options},
        identity=record.identity(),
        commands=tuple(command.text for command in record.commands),
        versions=record.commands[-1].versions if record.commands else {},
        seeds=_seeds(kept),
        started=_moment(kept.started),
        ended=_moment(kept.ended),
        seconds=round(sum(run.seconds for run in (*kept.result.runs, *confirming)), 3),
        notes=tuple(notes),
        reported_with=__version__,
    )


def _heat_maps(kept: KeptStudy, runs: Sequence[Run], notes: list[str]) -> tuple[tuple[HeatMap, ...], tuple[str, ...]]:
    try:
        return heat_maps(kept, runs)
    except (OrdersearchError, *UNREADABLE) as cause:
        notes.append(f"What the orders' parts do cannot be told ({type(cause).__name__}: {str(cause)[:200]}).")
        return (), ()


def same_networks(shown: Sequence[Candidate]) -> Iterable[SameNetworks]:
    """For each block of each candidate, the orders that are the same network."""
    for candidate in shown:
        for role, text in candidate.canonical.items():
            members = [str(member) for member in islice(each_member(BlockSpec.parse(text)), N_MEMBERS + 1)]
            yield SameNetworks(candidate.letter, role, tuple(members[:N_MEMBERS]), len(members) > N_MEMBERS)


def failures(runs: Sequence[Run]) -> tuple[Failure, ...]:
    """What failed, by how and why, most frequent first."""
    found: dict[tuple[State, str], list[Run]] = {}
    for run in runs:
        if run.state in FAILED or (run.state is State.INTERRUPTED and run.reason):
            found.setdefault((run.state, run.reason), []).append(run)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(
        Failure(state.value, reason, len(same), in_one_line(same[0].blocks) if same[0].blocks else "")
        for (state, reason), same in ordered
    )


def advice(shown: Sequence[Candidate], kept: KeptStudy) -> tuple[Told, ...]:
    """What is known about the candidates' orders, warnings first; what is about several is told once."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for one in shown:
        batch_size = one.batch_size or kept.record.training.batch_size
        for text in one.blocks.values():
            for piece in advise(BlockSpec.parse(text), batch_size=batch_size, dims=kept.record.dataset.dims or 2):
                letters = found.setdefault((piece.severity, piece.text, piece.figure, piece.source), [])
                letters += [one.letter] if one.letter not in letters else []
    told = [Told(tuple(letters), *piece) for piece, letters in found.items()]
    return tuple(sorted(told, key=lambda piece: piece.severity != "warning"))


def _counts(runs: Sequence[Run]) -> dict[str, int]:
    found = Counter(run.state for run in runs)
    return {state.value: found[state] for state in State if found[state]}


def _data(kept: KeptStudy) -> dict[str, Any]:
    own = asdict(kept.record.dataset)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in own.items()}


def _space(kept: KeptStudy) -> dict[str, Any]:
    space = kept.record.space
    if space is None:
        return {}
    return {"name": space.name, "description": space.description, **space_size(kept)}


def _seeds(kept: KeptStudy) -> dict[str, Any]:
    searched = sorted({run.seed for run in kept.result.runs if run.state is State.COMPLETE})
    confirmed = kept.confirmed
    pairs = [confirmed.confirmation.seed(pair) for pair in range(confirmed.confirmation.max_pairs)] if confirmed else []
    return {"study": kept.record.seed, "search": searched, "confirmation": pairs}


def _moment(time: datetime | None) -> str:
    return time.isoformat(sep=" ", timespec="seconds") if time else ""
