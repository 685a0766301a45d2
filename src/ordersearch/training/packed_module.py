"""The Lightning module that trains several replicas of a network as one batched model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from ordersearch.data.tensors import Batches
from ordersearch.errors import DivergedError
from ordersearch.seeds import derived_seed
from ordersearch.training.epochs import EpochModule
from ordersearch.training.evaluation import autocast, replica_losses, scores_of
from ordersearch.training.module import seen_batches
from ordersearch.training.packed_split import PackedSplit
from ordersearch.training.replicas import Replicas
from ordersearch.training.seeds import seed_noise
from ordersearch.training.settings import TrainingSettings


class PackedModule(EpochModule):
    """Replicas, the samples that each learns from and the way that they learn them.

    Args:
        replicas: What is trained.
        data: The split of each.
        settings: How they are trained.
        learning_rate: The highest of their one cycle.
        seeds: Of each: fixes its batches. The noise of an epoch is drawn for all of them, from all of their seeds.
        after_epoch: Is given the epoch, counted from 0, and the settings' metric of each replica, not a number for
            one that has diverged; tells whether to stop all of them.

    Attributes:
        histories: The finished epochs' metrics of each replica; of one that diverged, up to then.
        errors: The divergence of each replica, if any.
        stopped: Whether ``after_epoch`` has said so.
    """

    def __init__(
        self,
        replicas: Replicas,
        data: PackedSplit,
        *,
        settings: TrainingSettings,
        learning_rate: float,
        seeds: Sequence[int],
        after_epoch: Callable[[int, list[float]], bool],
    ) -> None:
        super().__init__(data.splits[0].n_train, settings=settings, learning_rate=learning_rate)
        self.histories: list[list[dict[str, float]]] = [[] for _ in seeds]
        self.errors: list[DivergedError | None] = [None for _ in seeds]
        self.stopped = False
        # Lightning would move parameters that it knows of, and their network, to the CPU in the end.
        self._held: tuple[Replicas, PackedSplit] | None = (replicas, data)
        self._cast = autocast(settings.precision, data.device)
        self._seeds = seeds
        self._after_epoch: Callable[[int, list[float]], bool] | None = after_epoch

    @property
    def replicas(self) -> Replicas:
        """What is trained; there are none after ``release``."""
        assert self._held is not None
        return self._held[0]

    @property
    def data(self) -> PackedSplit:
        """The samples; there are none after ``release``."""
        assert self._held is not None
        return self._held[1]

    def release(self) -> None:
        """Let go of replicas and data, which Lightning's cycles of references would keep until the next collection."""
        self._held = self.train_loss = self._after_epoch = None

    def weights(self) -> Iterable[tuple[nn.Parameter, bool]]:
        """The replicas' trainable parameters."""
        return self.replicas.weights()

    def epoch_batches(self) -> Batches:
        """The epoch's batches, for each replica in an order of its seed and the epoch."""
        data, epoch = self.data, self.current_epoch
        self.replicas.train()
        seed_noise(data.device, seed=derived_seed("pack", *self._seeds), epoch=epoch)
        return data.side_by_side(
            seen_batches(split, self.sizes, self.settings, seed=seed, epoch=epoch)
            for split, seed in zip(data.splits, self._seeds, strict=True)
        )

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean loss of each replica's batch."""
        with self._cast():
            output = self.replicas(x)
        return replica_losses(output.to(self.data.dtype), y, self.data.task)

    def validate(self) -> None:
        """Validate after an epoch, and ask whether to stop."""
        dtype, n = self.data.dtype, self.replicas.n
        self.replicas.train(False)
        scores = scores_of(self.replicas, self.data, part="val", cast=self._cast, n_replicas=n)
        assert self.train_loss is not None
        named = {"train/loss": self.train_loss.to(dtype), **{f"val/{name}": value for name, value in scores.items()}}
        rows = torch.stack(list(named.values()), 1).tolist()
        seconds = self.epoch_seconds() / n
        values = [self._noted(place, dict(zip(named, row, strict=True)), seconds) for place, row in enumerate(rows)]
        assert self._after_epoch is not None
        self.stopped = self._after_epoch(self.current_epoch, values)
        self.trainer.should_stop = self.stopped or all(self.errors)

    def _noted(self, place: int, metrics: dict[str, float], seconds: float) -> float:
        """A replica's value after writing its epoch down, or that it has diverged."""
        self.errors[place] = self.errors[place] or self.divergence(metrics)
        if self.errors[place] is not None:
            return math.nan
        self.histories[place].append({**metrics, "seconds": seconds})
        return metrics[self.settings.metric]
