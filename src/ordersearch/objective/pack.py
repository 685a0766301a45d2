"""The runs of one trial: a single one, or several seeds of its setting that are trained together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ordersearch.errors import DivergedError
from ordersearch.journal import noted_together
from ordersearch.objective.target import epochs_to_target
from ordersearch.results import Attribute, State
from ordersearch.training.confusion import Counts, summed
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
        confusion: Of a finalist's classifier: the test part's samples of each class by what they were taken for.
    """

    result: FitResult | DivergedError
    scores: dict[str, float] = field(default_factory=dict)
    confusion: Counts = field(default_factory=list)


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
            outcomes = [trainer.confirmed(setting, seed=seed, split=split, report=watch.report)]
        else:
            result, scores = trainer.run(setting, seed=seed, split=split, report=watch.report, should_prune=is_over)
            outcomes = [Outcome(result, scores)]
    errors = [outcome.result for outcome in outcomes if isinstance(outcome.result, DivergedError)]
    if len(errors) == len(outcomes):
        raise errors[0]
    return outcomes


def _stop(watch: Epochs, stop_after: int | None) -> Callable[[], bool] | None:
    return None if stop_after is None else lambda: watch.n_reported >= stop_after


@noted_together()
def keep(
    trial: optuna.Trial, pairs: Sequence[Pair], outcomes: Sequence[Outcome], trainer: Trainer, *, losses: bool
) -> tuple[float, bool]:
    """Write what a trial's runs came to into it: the means over those that did not diverge, and each one's own.

    Args:
        trial: Theirs.
        pairs: Seed and split of each.
        outcomes: What each came to, at least one of them a result.
        trainer: What trained them; the mean of its metric is the trial's value.
        losses: Whether the validation losses of all epochs are kept.

    Returns:
        The value, and whether the runs were pruned.
    """
    done = [(outcome.result, _figures(outcome)) for outcome in outcomes if isinstance(outcome.result, FitResult)]
    results, figures = [result for result, _ in done], [own for _, own in done]
    metric = trainer.training.metric
    for key in figures[0]:
        if all(key in own for own in figures):
            trial.set_user_attr(Attribute.METRIC + key, _mean([own[key] for own in figures]))
    trial.set_user_attr(Attribute.EPOCHS, results[0].n_epochs)
    trial.set_user_attr(Attribute.SECONDS, round(_mean([result.seconds for result in results]), 3))
    trial.set_user_attr(Attribute.PARAMETERS, results[0].n_parameters)
    for name, value in _speeds(results, trainer).items():
        trial.set_user_attr(name, value)
    for name, values in _unlisted(pairs, outcomes, metric, losses=losses).items():
        # The dashboard lists user attributes, each in one line: with these, its pages would get 8000 pixels wide.
        trial.storage.set_trial_system_attr(trial._trial_id, str(name), values)
    return _mean([result.metrics[metric] for result in results]), results[0].pruned


def _unlisted(
    pairs: Sequence[Pair], outcomes: Sequence[Outcome], metric: str, *, losses: bool
) -> dict[Attribute, list[Any]]:
    """The long ones: what each run of a pack came to, else the losses; and the sum of the confusion matrices."""
    found: dict[Attribute, list[Any]] = {}
    if len(pairs) > 1:
        each = zip(pairs, outcomes, strict=True)
        found[Attribute.PACK] = [_member(pair, outcome, metric, losses=losses) for pair, outcome in each]
    elif losses and isinstance(outcomes[0].result, FitResult):
        found[Attribute.VALIDATION_LOSSES] = _losses(outcomes[0].result)
    if counts := summed([outcome.confusion for outcome in outcomes if outcome.confusion]):
        found[Attribute.CONFUSION] = counts
    return found


def _speeds(results: Sequence[FitResult], trainer: Trainer) -> dict[Attribute, float]:
    """How fast the runs were, in samples and in epochs."""
    dataset = trainer.dataset
    found: dict[Attribute, float] = {}
    seconds = _mean([result.seconds for result in results])
    if seconds > 0:
        found[Attribute.SAMPLES_PER_SECOND] = round(dataset.n_train() * results[0].n_epochs / seconds, 1)
    epochs = [epochs_to_target(result.history, dataset.task, dataset.n_outputs) for result in results]
    reached = [float(n) for n in epochs if n is not None]
    if len(reached) == len(epochs):
        found[Attribute.EPOCHS_TO_TARGET] = _mean(reached)
    return found


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
