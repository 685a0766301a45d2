"""Training a setting with a seed on a split."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from ordersearch.data.choice import split_data
from ordersearch.errors import DivergedError
from ordersearch.networks import Network, build_network
from ordersearch.objective.pack import Outcome, Pair
from ordersearch.objective.setting import Setting
from ordersearch.ranking import drops_before_norm
from ordersearch.training.confusion import confusion_counts, noted_predictions
from ordersearch.training.evaluation import DTYPES, evaluate
from ordersearch.training.fit import FitResult, fit
from ordersearch.training.packed import fit_packed
from ordersearch.training.packing import packing_obstacle
from ordersearch.training.repair import repaired_statistics
from ordersearch.training.threads import suited_threads

if TYPE_CHECKING:
    from ordersearch.data.dataset import Dataset
    from ordersearch.data.tensors import Split
    from ordersearch.training.settings import TrainingSettings

MOST_CLASSES = 20
"""Of more classes, no confusion matrix is kept."""


class Trainer:
    """Trains a setting with a seed on a split, or several together; what comes out depends on these alone.

    Args:
        dataset: The data.
        network: Where the blocks sit.
        training: How they are trained.
    """

    def __init__(self, dataset: Dataset, network: Network, training: TrainingSettings) -> None:
        self.dataset = dataset
        self.network = network
        self.training = training
        self._splits: dict[int, Split] = {}
        self._wanted: frozenset[int] = frozenset()
        self._obstacles: dict[tuple[str, ...], str] = {}

    def run(
        self,
        setting: Setting,
        *,
        seed: int,
        split: int,
        report: Callable[[float, int], None] | None = None,
        should_prune: Callable[[], bool] | None = None,
    ) -> tuple[FitResult, dict[str, float]]:
        """Train the setting; ``report(value, epoch)`` and ``should_prune()`` are called after every epoch.

        Returns:
            What the training came to, and further scores: of a run that is not pruned, whose block has a dropout before
            a batch norm, ``repaired/loss`` and ``repaired/accuracy`` (or ``repaired/r2``), on the validation part, with
            the batch norms' statistics estimated again.

        Raises:
            ShapeError: A block does not fit the data.
            DivergedError: The loss is no longer finite.
        """
        with suited_threads(self.dataset.input_shape):
            model = self.model(setting, seed)
            result = self._fit(model, setting, seed, split, report, should_prune)
            return result, self._outcome(model, setting, split, result, is_final=False).scores

    def confirm(
        self,
        setting: Setting,
        *,
        seed: int,
        split: int,
        report: Callable[[float, int], None] | None = None,
    ) -> tuple[FitResult, dict[str, float]]:
        """Train a finalist, and score it on the test part and with its batch norms' statistics estimated again.

        Returns:
            What ``run`` gives, and the further scores: ``test/loss``, ``test/accuracy`` (or ``test/r2``),
            ``repaired/loss``, ``repaired/accuracy`` (on the validation part; left out where there is no batch norm).

        Raises:
            ShapeError: A block does not fit the data.
            DivergedError: The loss is no longer finite.
        """
        outcome = self.confirmed(setting, seed=seed, split=split, report=report)
        assert isinstance(outcome.result, FitResult)
        return outcome.result, outcome.scores

    def confirmed(
        self, setting: Setting, *, seed: int, split: int, report: Callable[[float, int], None] | None = None
    ) -> Outcome:
        """What ``confirm`` gives, with a classifier's confusion matrix on the test part."""
        with suited_threads(self.dataset.input_shape):
            model = self.model(setting, seed)
            result = self._fit(model, setting, seed, split, report, None)
            return self._outcome(model, setting, split, result, is_final=True)

    def run_pack(
        self,
        setting: Setting,
        pairs: Sequence[Pair],
        *,
        report: Callable[[float, int], None] | None = None,
        stop_after: int | None = None,
        is_final: bool = False,
    ) -> list[Outcome]:
        """Train the setting with several seeds as one batched model; one by one where that cannot be.

        What a run comes to depends on the setting and on the pairs of its pack; without dropout, on its own pair alone
        (but for rounding).

        Args:
            setting: What is trained.
            pairs: Seed and split of each run.
            report: Is given the mean of the metric over the runs and the epoch, counted from 0.
            stop_after: After how many epochs the training is stopped; None: it is whole.
            is_final: Whether the runs are scored on the test part as ``confirm`` does, or as ``run`` does.

        Raises:
            ShapeError: A block does not fit the data.
        """
        with suited_threads(self.dataset.input_shape):
            self._want([split for _, split in pairs])
            models = [self.model(setting, seed) for seed, _ in pairs]
            if self.packing_obstacle(setting, models, self.data(pairs[0][1])):
                results = self._one_by_one(models, setting, pairs, report, stop_after)
            else:
                results = fit_packed(
                    models,
                    [self.data(split) for _, split in pairs],
                    settings=self.settings(setting),
                    learning_rate=setting.learning_rate,
                    seeds=[seed for seed, _ in pairs],
                    should_stop=_after_epochs(report, stop_after),
                )
            trained = zip(models, results, pairs, strict=True)
            return [
                self._outcome(model, setting, split, result, is_final=is_final) for model, result, (_, split) in trained
            ]

    def packing_obstacle(self, setting: Setting, models: Sequence[nn.Module], data: Split) -> str:
        """Why the seeds of a setting cannot be trained as one batched model, in one sentence; empty when they can.

        Args:
            setting: Which; it is looked at once for all rates.
            models: Its networks with the initial weights of each seed.
            data: Samples that they would be trained on.
        """
        order = tuple(str(spec.at_rate()) for spec in setting.blocks.values())
        if order not in self._obstacles:
            self._obstacles[order] = packing_obstacle(models, data, self.settings(setting))
        return self._obstacles[order]

    def _one_by_one(
        self,
        models: Sequence[nn.Module],
        setting: Setting,
        pairs: Sequence[Pair],
        report: Callable[[float, int], None] | None,
        stop_after: int | None,
    ) -> list[FitResult | DivergedError]:
        """What ``fit_packed`` would give, of networks that cannot be trained together."""
        curves: list[list[float]] = []
        results: list[FitResult | DivergedError] = []
        after_epoch = _after_epochs(report, stop_after)
        for model, (seed, split) in zip(models, pairs, strict=True):
            curve: list[float] = []
            curves.append(curve)
            is_last = len(curves) == len(models)

            def is_over(curve: list[float] = curve, is_last: bool = is_last) -> bool:
                if is_last:
                    epoch = len(curve) - 1
                    return after_epoch(epoch, [other[epoch] for other in curves if epoch < len(other)])
                return stop_after is not None and len(curve) >= stop_after

            def note(value: float, _epoch: int, curve: list[float] = curve) -> None:
                curve.append(value)

            try:
                results.append(self._fit(model, setting, seed, split, note, is_over))
            except DivergedError as error:
                results.append(error)
        return results

    def _outcome(
        self, model: nn.Module, setting: Setting, split: int, result: FitResult | DivergedError, *, is_final: bool
    ) -> Outcome:
        """A training with the further scores of its network: none of one that diverged or was pruned."""
        if isinstance(result, DivergedError) or result.pruned:
            return Outcome(result)
        if not is_final:
            shifts = any(map(drops_before_norm, setting.blocks.values()))
            return Outcome(result, self._repaired(model, setting, split) if shifts else {})
        data = self.data(split)
        with noted_predictions(model) as noted:
            tested = evaluate(model, data, part="test", settings=self.settings(setting))
        scores = {f"test/{name}": value for name, value in tested.items()} | self._repaired(model, setting, split)
        n_classes = self.dataset.n_outputs
        is_counted = data.task == "classification" and n_classes <= MOST_CLASSES
        counts = confusion_counts(torch.cat(noted), data.y_test, n_classes) if is_counted else []
        return Outcome(result, scores, counts)

    def _repaired(self, model: nn.Module, setting: Setting, split: int) -> dict[str, float]:
        """The validation scores with batch norms' statistics estimated again; none where there is no batch norm."""
        data, settings = self.data(split), self.settings(setting)
        with repaired_statistics(model, data, settings) as is_repaired:
            scores = evaluate(model, data, part="val", settings=settings) if is_repaired else {}
        return {f"repaired/{name}": value for name, value in scores.items()}

    def model(self, setting: Setting, seed: int) -> nn.Module:
        """The network of a setting with the initial weights of a seed."""
        dataset = self.dataset
        return build_network(self.network, setting.blocks, dataset.input_shape, dataset.n_outputs, seed=seed)

    def _fit(
        self,
        model: nn.Module,
        setting: Setting,
        seed: int,
        split: int,
        report: Callable[[float, int], None] | None,
        should_prune: Callable[[], bool] | None,
    ) -> FitResult:
        return fit(
            model,
            self.data(split),
            settings=self.settings(setting),
            learning_rate=setting.learning_rate,
            seed=seed,
            report=report,
            should_prune=should_prune,
        )

    def settings(self, setting: Setting) -> TrainingSettings:
        """How this setting is trained: at its own batch size where it has one."""
        return self.training if setting.batch_size is None else replace(self.training, batch_size=setting.batch_size)

    def data(self, split: int) -> Split:
        """The data of a split; only the split last asked for is kept, or those of the last pack."""
        if split not in self._splits:
            if split not in self._wanted:
                self._want([split])
            self._splits[split] = split_data(
                self.dataset,
                split=split,
                device=torch.device(self.training.device),
                dtype=DTYPES[self.training.precision],
                channels_last=self.training.channels_last,
            )
        return self._splits[split]

    def _want(self, splits: Sequence[int]) -> None:
        """Let go of all splits but these."""
        self._wanted = frozenset(splits)
        self._splits = {split: data for split, data in self._splits.items() if split in self._wanted}


def _after_epochs(
    report: Callable[[float, int], None] | None, stop_after: int | None
) -> Callable[[int, Sequence[float]], bool]:
    """Reports the mean of the values that are numbers, and tells whether the training is over."""

    def after_epoch(epoch: int, values: Sequence[float]) -> bool:
        finite = [value for value in values if math.isfinite(value)]
        if report is not None and finite:
            report(math.fsum(finite) / len(finite), epoch)
        return stop_after is not None and epoch + 1 >= stop_after

    return after_epoch
