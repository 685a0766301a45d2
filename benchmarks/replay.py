"""Searches replayed on OrderBench: each trains nothing, pays by the epoch, and is asked for its answer as it goes.

In the table a further seed is a further split, too; in a search of ordersearch all seeds have one split, and only the
confirmation has others. So what seeds tell here is worth somewhat more than in a search.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
import optuna
from optuna.storages import InMemoryStorage

from ordersearch.benchmarks import OrderBench
from ordersearch.benchmarks.problem import bench_space
from ordersearch.benchmarks.table import load
from ordersearch.data import Dataset, dataset_from_arrays
from ordersearch.networks import find_network
from ordersearch.objective import Setting
from ordersearch.objective.pack import Outcome
from ordersearch.seeds import derived_seed
from ordersearch.space import SearchSpace
from ordersearch.space.references import Reference
from ordersearch.spec import BlockSpec
from ordersearch.study.baseline import tuned_baseline
from ordersearch.study.candidates import Candidate, candidates
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import finalists
from ordersearch.study.result import SearchResult, ranked
from ordersearch.study.sampler import DistinctSampler
from ordersearch.study.search import Search
from ordersearch.study.verdict import Verdict, verdict_of
from ordersearch.training.fit import FitResult
from ordersearch.training.settings import TrainingSettings

N_SEEDS = 30
MAX_EPOCHS = 6


@dataclass
class Path:
    """What a replay answered, and when.

    Attributes:
        answers: Trainings paid for so far (an epoch is a sixth of one), and the class that would be taken then.
        against_own: Who it says is better than whom, of the user's own order and another one.
        is_best: The class that it says is better than all others that it looked at, with each of them.
        intervals: Of a difference between two classes, first minus second: its two ends.
    """

    answers: list[tuple[float, str]] = field(default_factory=list)
    against_own: list[tuple[str, str]] = field(default_factory=list)
    is_best: list[tuple[str, str]] = field(default_factory=list)
    intervals: list[tuple[str, str, float, float]] = field(default_factory=list)

    def answer(self, cost: float) -> str | None:
        """What it would have answered when so much was paid."""
        n_paid = bisect_right(self.answers, cost + 1e-9, key=lambda answer: answer[0])
        return self.answers[n_paid - 1][1] if n_paid else None


@cache
def final_losses(data: str) -> dict[str, np.ndarray]:
    """Every class's last validation loss with each seed."""
    found: dict[str, np.ndarray] = {}
    for row in load():
        if row.data == data:
            found.setdefault(row.order, np.full(N_SEEDS, np.nan))[row.seed] = row.validation_losses[-1]
    return found


@cache
def truth(data: str) -> dict[str, float]:
    """Every class's mean over all seeds of the table."""
    found = {order: float(losses.mean()) for order, losses in final_losses(data).items()}
    assert all(map(math.isfinite, found.values())), "the table is not complete"
    return found


def own_order(data: str, replay: int) -> str:
    """The order of this replay's user: drawn evenly from all classes."""
    orders = sorted(truth(data))
    return orders[derived_seed(replay, "own order") % len(orders)]


@cache
def curves(data: str, order: str, seed: int) -> Any:
    return next(row for row in load() if (row.data, row.order, row.seed) == (data, order, seed))


def drawn_seed(replay: int, seed: int) -> int:
    """The seed of the table that a replay meets as its own ``seed``: drawn evenly, with replacement."""
    return derived_seed(replay, "row", seed) % N_SEEDS


# --- plain Optuna ----------------------------------------------------------------------------------------------------

Sampler = Callable[[int], optuna.samplers.BaseSampler]
Pruner = Callable[[], optuna.pruners.BasePruner]


def plain(data: str, replay: int, *, sampler: Sampler, pruner: Pruner, budget: float, encoding: str) -> Path:
    """One training a trial, all with the same seed and split; what is taken is the best trial."""
    problem = OrderBench(data, seed=drawn_seed(replay, 0), encoding=encoding)
    study = optuna.create_study(sampler=sampler(replay), pruner=pruner())
    path = Path()
    # By then it proposes what it knows; points that are no block cost nothing and do not count.
    n_most = 3 * budget if encoding != "slots" else 20 * budget
    while problem.n_epochs < budget * MAX_EPOCHS and len(study.get_trials(deepcopy=False)) < n_most:
        study.optimize(problem, n_trials=1)
        _take_best(path, study, problem, problem.n_epochs / MAX_EPOCHS)
    _claim(path, study, problem, own_order(data, replay))
    return path


def several_seeds(data: str, replay: int, *, n_seeds: int, pruner: Pruner, budget: float) -> Path:
    """Whole trainings with several seeds a trial, whose mean counts; the pruner sees the mean after each of them."""
    problems = [OrderBench(data, seed=drawn_seed(replay, n)) for n in range(n_seeds)]
    first, n_trainings, path = problems[0], 0, Path()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=replay), pruner=pruner())

    def objective(trial: optuna.Trial) -> float:
        nonlocal n_trainings
        params = {name: trial.suggest_categorical(name, d.choices) for name, d in first.search_space.items()}
        losses: list[float] = []
        for step, problem in enumerate(problems):
            losses.append(problem.evaluate(params))
            n_trainings += 1
            trial.report(losses[-1], step)
            if step + 1 < n_seeds and trial.should_prune():
                # What Optuna's example of this pruner does: the mean so far is the trial's value.
                break
        return sum(losses) / len(losses)

    while n_trainings < budget:
        study.optimize(objective, n_trials=1)
        _take_best(path, study, first, n_trainings)
    _claim(path, study, first, own_order(data, replay))
    return path


def _take_best(path: Path, study: optuna.Study, problem: OrderBench, cost: float) -> None:
    if any(trial.state.name == "COMPLETE" for trial in study.get_trials(deepcopy=False)):
        path.answers.append((cost, problem.order(study.best_params) or ""))


def _claim(path: Path, study: optuna.Study, problem: OrderBench, own: str) -> None:
    """What taking the best trial says: its class beats the user's own, if that was tried, and all others that were."""
    best: dict[str, float] = {}
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name == "COMPLETE":
            order = problem.order(trial.params) or ""
            best[order] = min(best.get(order, float("inf")), trial.value)
    if best:
        first, *others = sorted(best, key=best.__getitem__)
        path.against_own = [(first, other) for other in others if other == own]
        path.is_best = [(first, other) for other in others]


# --- ordersearch -----------------------------------------------------------------------------------------------------


class TableTrainer:
    """Stands in for ``Trainer``: what it is asked to train is looked up, and counted in trainings."""

    def __init__(self, data: str, replay: int, search: Search) -> None:
        self.data, self.replay = data, replay
        self.dataset, self.network, self.training = search.dataset, search.network, search.training
        self.cost = 0.0

    def run(
        self,
        setting: Setting,
        *,
        seed: int,
        split: int,
        report: Callable[[float, int], None] | None = None,
        should_prune: Callable[[], bool] | None = None,
    ) -> tuple[FitResult, dict[str, float]]:
        """As ``Trainer.run``."""
        row = curves(self.data, setting.canonical["conv"], drawn_seed(self.replay, seed))
        history: list[dict[str, float]] = []
        pruned = False
        for epoch, loss in enumerate(row.validation_losses):
            self.cost += 1 / MAX_EPOCHS
            accuracy = row.validation_accuracies[epoch]
            history.append({"train/loss": row.train_losses[epoch], "val/loss": loss, "val/accuracy": accuracy})
            if report is not None:
                report(loss, epoch)
            pruned = epoch + 1 < MAX_EPOCHS and should_prune is not None and should_prune()
            if pruned:
                break
        seconds = sum(row.seconds[: len(history)])
        return FitResult(pruned, tuple(history), len(history), row.n_parameters, seconds), {}

    def confirmed(self, setting: Setting, *, seed: int, split: int, report: Callable[[float, int], None]) -> Outcome:
        """As ``Trainer.confirmed``."""
        return Outcome(*self.run(setting, seed=seed, split=split, report=report))


@cache
def _stand_in() -> Dataset:
    """Any small data set: nothing is trained on it."""
    images = np.zeros((10, 1, 28, 28), dtype=np.float32)
    images[:, 0, 0, 0] = range(10)
    return dataset_from_arrays(images, np.arange(10) % 2, name="orderbench", input="image")


class Shuffled(DistinctSampler):
    """Tries new settings in any order: what knowing which orders go wrong is worth is the difference."""

    @cached_property
    def _candidates(self) -> dict[str, Candidate]:
        found = sorted(candidates(self.space, seed=0).items())
        random.Random(self.halving.seed).shuffle(found)
        return dict(found)


class Proposed(DistinctSampler):
    """Leaves new settings to the wrapped sampler."""

    is_exhaustive = False  # type: ignore[assignment]

    def _listed(self, runs: Any) -> None:
        return None


@dataclass(frozen=True)
class _Search(Search):
    sampler: Callable[..., DistinctSampler] = DistinctSampler

    def _sampler(self, study: optuna.Study, n_expected: int | None, worker: int) -> DistinctSampler:
        usual = super()._sampler(study, n_expected, worker)
        return self.sampler(usual.wrapped, usual.space, halving=usual.halving, n_trials=usual.n_trials)


def ordersearch(
    data: str,
    replay: int,
    *,
    n_trials: int,
    max_pairs: int = 15,
    sampler: Callable[..., DistinctSampler] = DistinctSampler,
) -> Path:
    """A search and its confirmation, as the command runs them, against the user's own order."""
    own = {"conv": BlockSpec.parse(own_order(data, replay))}
    known = bench_space()
    space = SearchSpace("orderbench", known.roles, nuisance=known.nuisance, references=(Reference("own", "", "", own),))
    training = TrainingSettings(max_epochs=MAX_EPOCHS)
    # Candidates that nothing else tells apart come in an order that the seed decides.
    search = _Search("replay", space, _stand_in(), find_network("cnn"), training, seed=replay, sampler=sampler)
    trainer, storage = TableTrainer(data, replay, search), InMemoryStorage()
    study = search.open_study(storage)
    result = search.run(study, n_trials=n_trials, trainer=trainer)  # type: ignore[arg-type]
    path = Path(list(answers(result)))
    finalist, _ = tuned_baseline(search, result, own, trainer, storage)  # type: ignore[arg-type]
    confirmation, confirming = Confirmation(search, finalists(result, finalist), max_pairs).opened(storage)
    runs, _ = confirmation.run(confirming, trainer)  # type: ignore[arg-type]
    _take_verdict(path, confirmation, verdict_of(confirmation, runs), trainer.cost)
    return path


def answers(result: SearchResult) -> Iterator[tuple[float, str]]:
    """What the search would have answered after each trial: its ranking's first, and before any its best probe."""
    cost = 0.0
    for n, last in enumerate(result.runs, 1):
        cost += last.n_epochs / MAX_EPOCHS
        so_far = result.runs[:n]
        places = ranked(so_far, minimise=True)
        best = min(so_far, key=lambda run: run.metrics["val/loss"])
        setting = places[0].setting if places else best.setting
        yield cost, next(run.canonical["conv"] for run in so_far if run.setting == setting)


def _take_verdict(path: Path, confirmation: Confirmation, verdict: Verdict, cost: float) -> None:
    written = {finalist.order: finalist.setting.canonical["conv"] for finalist in confirmation.finalists}
    if verdict.recommended is not None:
        path.answers.append((cost, written[verdict.recommended.order]))
    decision = verdict.decision
    for found in decision.comparisons:
        first, second = written[found.order], written[found.versus]
        path.intervals.append((first, second, found.low, found.high))
        if found.is_believed:
            path.against_own.append((first, second) if found.difference < 0 else (second, first))
    if len(decision.together) == 1:
        best = written[decision.together[0]]
        path.is_best += [(best, other) for other in written.values() if other != best]
