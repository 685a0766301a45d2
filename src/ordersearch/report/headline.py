"""The verdict in a few words, and the figures that a report begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ordersearch.report.content import Candidate, Fact
from ordersearch.results import Run, State
from ordersearch.study.kept_study import KeptConfirmation, KeptStudy
from ordersearch.study.verdict_text import better_than_baseline


def headline(kept: KeptStudy) -> str:
    """The verdict in a few words."""
    if kept.confirmed is not None:
        told = _confirmed(kept.confirmed)
        is_open = not kept.confirmed.verdict.decision.is_final and kept.confirmed.verdict.decision.best is not None
        return f"So far: {told[0].lower()}{told[1:]}" if is_open else told
    if kept.result.places:
        return "The best so far, not confirmed"
    return "No order was trained to the end" if kept.result.runs else "Nothing was trained yet"


def _confirmed(confirmed: KeptConfirmation) -> str:
    verdict, confirmation = confirmed.verdict, confirmed.confirmation
    decision, own = verdict.decision, confirmation.baseline.order
    if decision.best is None:
        return "No verdict: orders failed to train" if decision.is_final else "Too few pairs for a verdict"
    if own in decision.failed:
        return "Your order failed to train, so there is nothing to compare with"
    if verdict.recommended is not None and verdict.recommended.order == own:
        others = [found for found in decision.comparisons if found.order != own]
        is_shown = bool(others) and all(found.is_believed for found in others) and decision.best == own
        return f"Keep your order: {'it was better than all others' if is_shown else 'nothing was shown to be better'}"
    better = {found.order for found in better_than_baseline(confirmation, decision)}
    if verdict.recommended is not None and verdict.recommended.order in better:
        return "Another order is better than yours"
    return "Several orders may be the best"


def number(value: float) -> str:
    """A figure with four digits.

    Example:
        >>> number(0.0311312), number(12345.6), number(3)
        ('0.03113', '12350', '3')
    """
    told = f"{value:.4g}"
    return f"{float(told):.0f}" if "e+" in told and abs(value) < 1e9 else told


def interval(low: float | None, high: float | None) -> str:
    """An interval's ends, signed; empty without them.

    Example:
        >>> interval(-0.01234, 0.2)
        '-0.0123 to +0.2'
    """
    return "" if low is None or high is None else f"{low:+.3g} to {high:+.3g}"


def facts(kept: KeptStudy, shown: Sequence[Candidate]) -> tuple[Fact, ...]:
    """The figures to begin with: how good, how much better, out of how much."""
    recommended = next((one for one in shown if one.is_recommended and one.mean is not None), None)
    found = [_quality(kept, recommended)] if recommended else []
    if compared := _compared(shown, recommended):
        found.append(_difference(compared, is_own=recommended is not None and recommended.is_baseline))
    return (*found, _trainings(kept), *_space(kept))


def _quality(kept: KeptStudy, one: Candidate) -> Fact:
    of = "pair" if kept.confirmed else "run"
    better = "lower" if kept.record.direction == "minimize" else "higher"
    told = f"mean of {one.n} {of}{'s' * (one.n != 1)}, {better} is better"
    return Fact(kept.record.training.metric, number(one.mean or 0.0), told)


def _compared(shown: Sequence[Candidate], recommended: Candidate | None) -> Candidate | None:
    """The recommended order against yours; where that is yours, the closest other."""
    if recommended is not None and recommended.difference is not None:
        return recommended
    others = [one for one in shown if one.difference is not None]
    return min(others, key=lambda one: (not one.may_be_best, abs(one.difference or 0.0)), default=None)


def _difference(one: Candidate, *, is_own: bool) -> Fact:
    closest = f"{one.letter} is the closest other; " if is_own else ""
    told = f"{closest}95 % interval {interval(one.low, one.high)}"
    return Fact(f"{one.letter} minus your order", f"{one.difference:+.3g}", told)


def _trainings(kept: KeptStudy) -> Fact:
    whole, stopped = (_count(kept.result.runs, state) for state in (State.COMPLETE, State.PRUNED))
    confirming = _count(kept.confirmed.runs, State.COMPLETE) if kept.confirmed else 0
    parts = [f"{whole} whole", f"{stopped} stopped early", *([f"{confirming} to confirm"] if confirming else [])]
    return Fact("trainings", str(whole + stopped + confirming), ", ".join(parts))


def _count(runs: Sequence[Run], state: State) -> int:
    return sum(run.state is state for run in runs)


def _space(kept: KeptStudy) -> list[Fact]:
    size = space_size(kept)
    if not size:
        return []
    saved = 1 - size["n_settings"] / size["n_settings_as_written"]
    told = f"of {size['n_orders']} orders; {saved:.0%} of all trainings saved" if saved else "each order is its own"
    return [Fact("distinct networks", str(size["n_networks"]), told)]


def space_size(kept: KeptStudy) -> Mapping[str, int]:
    """How many orders, networks and settings were to choose from; empty where the study does not say."""
    space = kept.record.space
    if space is None:
        return {}
    return {
        "n_orders": space.n_specs,
        "n_networks": space.n_classes,
        "n_settings": space.n_settings,
        "n_settings_as_written": space.n_settings_as_written,
    }
