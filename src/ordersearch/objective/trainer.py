"""Training a setting with a seed on a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from ordersearch.data.choice import split_data
from ordersearch.networks import Network, build_network
from ordersearch.objective.setting import Setting
from ordersearch.ranking import drops_before_norm
from ordersearch.training.evaluation import DTYPES, evaluate
from ordersearch.training.fit import FitResult, fit
from ordersearch.training.repair import repaired_statistics
from ordersearch.training.threads import suited_threads

if TYPE_CHECKING:
    from ordersearch.data.dataset import Dataset
    from ordersearch.data.tensors import Split
    from ordersearch.training.settings import TrainingSettings


class Trainer:
    """Trains a setting with a seed on a split; what comes out depends on these three alone.

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
            model = self._model(setting, seed)
            result = self._fit(model, setting, seed, split, report, should_prune)
            is_repaired = not result.pruned and any(map(drops_before_norm, setting.blocks.values()))
            return result, self._repaired(model, setting, split) if is_repaired else {}

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
        with suited_threads(self.dataset.input_shape):
            model = self._model(setting, seed)
            result = self._fit(model, setting, seed, split, report, None)
            data, settings = self.data(split), self.settings(setting)
            tested = evaluate(model, data, part="test", settings=settings)
            scores = {f"test/{name}": value for name, value in tested.items()}
            return result, scores | self._repaired(model, setting, split)

    def _repaired(self, model: nn.Module, setting: Setting, split: int) -> dict[str, float]:
        """The validation scores with batch norms' statistics estimated again; none where there is no batch norm."""
        data, settings = self.data(split), self.settings(setting)
        with repaired_statistics(model, data, settings) as is_repaired:
            scores = evaluate(model, data, part="val", settings=settings) if is_repaired else {}
        return {f"repaired/{name}": value for name, value in scores.items()}

    def _model(self, setting: Setting, seed: int) -> nn.Module:
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
        """The data of a split; only the split last asked for is kept."""
        if split not in self._splits:
            self._splits.clear()
            self._splits[split] = split_data(
                self.dataset,
                split=split,
                device=torch.device(self.training.device),
                dtype=DTYPES[self.training.precision],
                channels_last=self.training.channels_last,
            )
        return self._splits[split]
