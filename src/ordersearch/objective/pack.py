"""The runs of one trial: a single one, or several seeds of its setting that are trained together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ordersearch.errors import DivergedError
from ordersearch.results import Attribute, State
from ordersearch.training.fit import FitResult

if TYPE_CHECKING:
    import optuna

    from ordersearch.objective.setting import Setting
    from ordersearch.objective.trainer import Trainer
    from ordersearch.objective.trial import Epochs

Pair = tuple[int, int]
"""Seed and split of a run."""


@dataclass(frozen=True)
class Outcome:
    """What one run came to.

    Attributes:
        result: Of its training; or why there is none.
        scores: Further ones, of the trained network.
    """

    result: FitResult | DivergedError
    scores: dict[str, float] = field(default_factory=dict)


def described(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The attributes that say which runs a trial holds; those of a single run are as if there were no packs."""
    first = {str(Attribute.SEED): pairs[0][0], str(Attribute.SPLIT): pairs[0][1]}
    return first if len(pairs) == 1 else first | {str(Attribute.PACK): [{"seed": s, "split": p} for s, p in pairs]}


def train(
    trainer: Trainer,
    setting: Setting,
    pairs: Sequence[Pair],
    watch: Epochs,
    *,
    stop_after: int | None = None,
    is_final: bool = False,
) -> list[Outcome]:
    """Train a trial's runs; the mean of their metric is reported after every epoch.

    Args:
        trainer: Trains them.
        setting: What is trained.
        pairs: Seed and split of each.
        watch: Is told of every epoch.
        stop_after: After how many epochs the training is stopped, and thereby pruned; None: it is whole.
        is_final: Whether these are finalists' runs, which alone are scored on the test part.

    Raises:
        DivergedError: None of the runs has a finite loss.
    """
    if len(pairs) > 1:
        outcomes = trainer.run_pack(setting, pairs, report=watch.report, stop_after=stop_after, is_final=is_final)
    else:
        (seed, split), is_over = pairs[0], _stop(watch, stop_after)
        if is_final:
            result, scores = trainer.confirm(setting, seed=seed, split=split, report=watch.report)
        else:
            result, scores = trainer.run(setting, seed=seed, split=split, report=watch.report, should_prune=is_over)
        outcomes = [Outcome(result, scores)]
    errors = [outcome.result for outcome in outcomes if isinstance(outcome.result, DivergedError)]
    if len(errors) == len(outcomes):
        raise errors[0]
    return outcomes


def _stop(watch: Epochs, stop_after: int | None) -> Callable[[], bool] | None:
    return None if stop_after is None else lambda: watch.n_reported >= stop_after


def keep(
    trial: optuna.Trial, pairs: Sequence[Pair], outcomes: Sequence[Outcome], metric: str, *, losses: bool
) -> tuple[float, bool]:
    """Write what a trial's runs came to into it: the means over those that did not diverge, and each one's own.

    Args:
        trial: Theirs.
        pairs: Seed and split of each.
        outcomes: What each came to, at least one of them a result.
        metric: Whose mean is the trial's value.
        losses: Whether the validation losses of all epochs are kept.

    Returns:
        The value, and whether the runs were pruned.
    """
    done = [(outcome.result, _figures(outcome)) for outcome in outcomes if isinstance(outcome.result, FitResult)]
    results, figures = [result for result, _ in done], [own for _, own in done]
    for key in figures[0]:
        if all(key in own for own in figures):
            trial.set_user_attr(Attribute.METRIC + key, _mean([own[key] for own in figures]))
    trial.set_user_attr(Attribute.EPOCHS, results[0].n_epochs)
    trial.set_user_attr(Attribute.SECONDS, round(_mean([result.seconds for result in results]), 3))
    trial.set_user_attr(Attribute.PARAMETERS, results[0].n_parameters)
    if len(pairs) > 1:
        members = [_member(pair, each, metric, losses=losses) for pair, each in zip(pairs, outcomes, strict=True)]
        trial.set_user_attr(Attribute.PACK, members)
    elif losses:
        trial.set_user_attr(Attribute.VALIDATION_LOSSES, _losses(results[0]))
    return _mean([result.metrics[metric] for result in results]), results[0].pruned


def _member(pair: Pair, outcome: Outcome, metric: str, *, losses: bool) -> dict[str, Any]:
    """One run of a pack, as its trial keeps it."""
    kept: dict[str, Any] = {"seed": pair[0], "split": pair[1]}
    result = outcome.result
    if isinstance(result, DivergedError):
        nothing: dict[str, Any] = {"value": None, "metrics": {}, "n_epochs": 0}
        return {**kept, "state": State.DIVERGED.value, "reason": str(result), **nothing}
    state, value = (State.PRUNED, None) if result.pruned else (State.COMPLETE, result.metrics[metric])
    figures = {"state": state.value, "value": value, "metrics": _figures(outcome), "n_epochs": result.n_epochs}
    return {**kept, **figures, **({"val_losses": _losses(result)} if losses else {})}


def _figures(outcome: Outcome) -> dict[str, float]:
    assert isinstance(outcome.result, FitResult)
    return {key: value for key, value in {**outcome.result.metrics, **outcome.scores}.items() if key != "seconds"}


def _losses(result: FitResult) -> list[float]:
    return [epoch["val/loss"] for epoch in result.history]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
