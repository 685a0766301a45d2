"""Whom a report looks at closely, and the search's whole ranking."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from ordersearch.ranking import Place
from ordersearch.report.content import Candidate, Curve, RankedOrder
from ordersearch.results import Run, distinct_runs, in_one_line
from ordersearch.study.finalists import Finalist
from ordersearch.study.kept_study import KeptConfirmation, KeptStudy
from ordersearch.study.result import reference_names
from ordersearch.study.verdict import Standing

N_CLOSELY = 4
"""Of the search's best, where nothing was confirmed."""

LETTERS = (*ascii_uppercase, *(first + second for first in ascii_uppercase for second in ascii_uppercase))


def candidates(kept: KeptStudy) -> tuple[Candidate, ...]:
    """The finalists, best first; without a confirmation the search's best few."""
    return _finalists(kept.confirmed) if kept.confirmed else _best_of_search(kept)


def _finalists(confirmed: KeptConfirmation) -> tuple[Candidate, ...]:
    verdict = confirmed.verdict
    standings = {standing.finalist.order: standing for standing in verdict.standings}
    others = [finalist for finalist in confirmed.confirmation.finalists if finalist.order not in standings]
    ordered = [*(standing.finalist for standing in verdict.standings), *others]
    return tuple(
        _finalist(letter, finalist, standings.get(finalist.order), confirmed)
        for letter, finalist in zip(LETTERS, ordered, strict=False)
    )


def _finalist(letter: str, finalist: Finalist, standing: Standing | None, confirmed: KeptConfirmation) -> Candidate:
    verdict, found = confirmed.verdict, standing.comparison if standing else None
    has_failed = finalist.order in verdict.decision.failed
    return Candidate(
        letter,
        finalist.trained,
        {role: str(spec) for role, spec in finalist.setting.blocks.items()},
        dict(finalist.setting.canonical),
        finalist.name,
        is_recommended=verdict.recommended is not None and finalist.order == verdict.recommended.order,
        is_baseline=finalist.is_baseline,
        may_be_best=standing.is_together if standing else not has_failed,
        mean=standing.mean if standing else None,
        n=standing.n_pairs if standing else 0,
        difference=found.difference if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        is_believed=found.is_believed if found else False,
        probability=standing.probability if standing else None,
        learning_rate=finalist.setting.learning_rate,
        batch_size=finalist.setting.batch_size,
        scores=dict(standing.scores) if standing else {},
        note="" if standing else "failed to train in some pair" if has_failed else "too few pairs so far",
    )


def _best_of_search(kept: KeptStudy) -> tuple[Candidate, ...]:
    by_setting, names = _by_setting(kept.result.runs), reference_names(kept.result)
    space = kept.record.space
    usual = next((reference.name for reference in space.references()), "") if space else ""
    found = []
    for letter, place in zip(LETTERS, kept.result.places[:N_CLOSELY], strict=False):
        runs, name = by_setting[place.setting], names.get(place.order, "")
        found.append(
            Candidate(
                letter,
                in_one_line(runs[0].blocks),
                dict(runs[0].blocks),
                dict(runs[0].canonical),
                name,
                is_recommended=letter == LETTERS[0],
                is_baseline=bool(usual) and name == usual,
                mean=place.mean,
                n=place.n_runs,
                spread=place.spread,
                learning_rate=runs[0].learning_rate,
                batch_size=runs[0].batch_size,
                scores=_means(runs) | {"n_parameters": float(runs[0].n_parameters)},
            )
        )
    return tuple(found)


def ranking(kept: KeptStudy) -> tuple[RankedOrder, ...]:
    """The search's own ranking, best first."""
    by_setting, names = _by_setting(kept.result.runs), reference_names(kept.result)
    return tuple(
        _ranked(rank, place, by_setting[place.setting], names.get(place.order, ""))
        for rank, place in enumerate(kept.result.places, 1)
    )


def _ranked(rank: int, place: Place, runs: Sequence[Run], name: str) -> RankedOrder:
    first = runs[0]
    return RankedOrder(
        rank,
        in_one_line(first.blocks),
        dict(first.blocks),
        name,
        place.mean,
        place.spread,
        place.n_runs,
        place.n_settings,
        first.learning_rate,
        first.batch_size,
        _means(runs),
    )


def _by_setting(runs: Sequence[Run]) -> Mapping[str, list[Run]]:
    """The complete runs of each setting."""
    found: dict[str, list[Run]] = {}
    for run in distinct_runs(runs):
        found.setdefault(run.setting, []).append(run)
    return found


def _means(runs: Sequence[Run]) -> dict[str, float]:
    shared = [key for key in runs[0].metrics if all(key in run.metrics for run in runs)]
    return {key: math.fsum(run.metrics[key] for run in runs) / len(runs) for key in shared}


def curves(kept: KeptStudy, shown: Sequence[Candidate]) -> tuple[str, tuple[Curve, ...]]:
    """The metric of the learning curves, and the candidates' curves; each a mean over its runs."""
    if kept.confirmed:
        complete = kept.confirmed.confirmation.complete(kept.confirmed.runs)
        by_trained = {
            finalist.trained: [run.validation_losses for run in complete[finalist.order].values()]
            for finalist in kept.confirmed.confirmation.finalists
        }
        return "val/loss", _mean_curves(shown, by_trained)
    by_trained = {}
    for place in kept.result.places[: len(shown)]:
        runs = [run for run in kept.result.runs if run.setting == place.setting and run.value is not None]
        trials = dict.fromkeys(run.trial for run in runs)
        by_trained[in_one_line(runs[0].blocks)] = [kept.curves.get(trial, ()) for trial in trials]
    return kept.record.training.metric, _mean_curves(shown, by_trained)


def _mean_curves(
    shown: Sequence[Candidate], by_trained: Mapping[str, Sequence[tuple[float, ...]]]
) -> tuple[Curve, ...]:
    found = []
    for candidate in shown:
        own = [values for values in by_trained.get(candidate.order, ()) if values]
        n_epochs = max(map(len, own), default=0)
        whole = [values for values in own if len(values) == n_epochs and all(map(math.isfinite, values))]
        if whole:
            means = tuple(math.fsum(values) / len(whole) for values in zip(*whole, strict=True))
            found.append(Curve(candidate.letter, means, len(whole)))
    return tuple(found)
