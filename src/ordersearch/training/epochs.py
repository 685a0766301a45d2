"""What every Lightning module of a training shares: a whole epoch in each step, and the loop over its batches."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ordersearch.data.tensors import Batches
from ordersearch.errors import DivergedError
from ordersearch.training.framework import pl
from ordersearch.training.schedule import batch_sizes, one_cycle
from ordersearch.training.settings import TrainingSettings


class WholeEpoch:
    """What Lightning takes for a data loader of one batch; the batch is empty, since the module holds the data."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[int]:
        # Not None, which Lightning warns of.
        yield 0


class EpochModule(pl.LightningModule):
    """Trains an epoch in each Lightning step, whatever it is that is trained.

    Optimisation is manual and one Lightning step covers an epoch: a step a batch costs about a millisecond of
    Lightning, as much as the batch of a small network itself. The validation is no loop of Lightning's either, which
    costs as much again each epoch: it follows the epoch's step, and callbacks are told as after Lightning's own.
    Nothing in the loop over batches waits for the device.

    Args:
        n_train: Samples to train on.
        settings: How it is trained.
        learning_rate: The highest of its one cycle.

    Attributes:
        before_first_epoch: Called once Lightning has set everything up.
    """

    def __init__(self, n_train: int, *, settings: TrainingSettings, learning_rate: float) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.before_first_epoch: Callable[[], None] | None = None
        self.settings = settings
        self.n_train = n_train
        self.sizes = batch_sizes(n_train, settings.batch_size)
        self.train_loss: Tensor | None = None
        self._learning_rate = learning_rate
        self._rates = one_cycle(learning_rate, settings.max_epochs * len(self.sizes))
        self._started = 0.0

    @abstractmethod
    def weights(self) -> Iterable[tuple[nn.Parameter, bool]]:
        """What is trained, each with whether it decays."""

    @abstractmethod
    def epoch_batches(self) -> Batches:
        """The epoch's batches; the generator of the noise is seeded when this returns."""

    @abstractmethod
    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean loss of a batch, 0-d, or one for each network that is trained."""

    @abstractmethod
    def validate(self) -> None:
        """Validate after an epoch, and write down what came out: the one time that the device is waited for."""

    @abstractmethod
    def release(self) -> None:
        """Let go of networks and data, which Lightning's cycles of references would keep until the next collection."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW, with the decay on weights alone: biases and what norms scale by have one dimension."""
        weights = list(self.weights())
        groups = [
            {"params": [weight for weight, decays in weights if decays], "weight_decay": self.settings.weight_decay},
            {"params": [weight for weight, decays in weights if not decays], "weight_decay": 0.0},
        ]
        # Fused was the fastest of AdamW's implementations for small networks on a CPU too.
        return torch.optim.AdamW([group for group in groups if group["params"]], lr=self._learning_rate, fused=True)

    def on_train_start(self) -> None:
        """Undo what Lightning has done to the process's signal handlers."""
        if self.before_first_epoch is not None:
            self.before_first_epoch()

    def training_step(self, _batch: Any) -> None:
        """Train one epoch."""
        self._started = time.perf_counter()
        self.train_loss = self._train_batches(self.epoch_batches()) / self.n_train
        # The optimiser is used without Lightning's wrapper, which would count its steps.
        steps = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total
        steps.ready += len(self.sizes)
        steps.completed += len(self.sizes)

    def on_train_epoch_end(self) -> None:
        """Validate, and tell the callbacks so."""
        self.validate()
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            callback.on_validation_end(self.trainer, self)

    def _train_batches(self, batches: Batches) -> Tensor:
        """One step for each batch; gives the sum of all samples' losses, on the device."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        rates = self._rates[self.current_epoch * len(self.sizes) :]
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        _forget_gradients(weights)
        total = ones = None
        for (x, y), size, rate in zip(batches, self.sizes, rates, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = self.losses(x, y)
            if total is None:
                total, ones = torch.zeros_like(loss, dtype=torch.float64), torch.ones_like(loss)
            # Several networks share no weight, so that each one's gradient is that of its own loss.
            loss.backward(ones)  # type: ignore[no-untyped-call]
            optimizer.step()
            # Here, so that the validation has their memory; the optimiser's own way takes 1 % of a step at 8x8.
            _forget_gradients(weights)
            total.add_(loss.detach(), alpha=size)
        assert total is not None
        return total

    def epoch_seconds(self) -> float:
        """Wall-clock time since the epoch began."""
        return time.perf_counter() - self._started

    def divergence(self, metrics: Mapping[str, float]) -> DivergedError | None:
        """The error of an epoch with these metrics, when a loss is infinite or not a number."""
        for key, noun in (("train/loss", "training"), ("val/loss", "validation")):
            if not math.isfinite(metrics[key]):
                return DivergedError(
                    f"Epoch {self.current_epoch + 1} of {self.settings.max_epochs}: the {noun} loss is "
                    f"{metrics[key]}, but it must stay finite. A learning rate below {self._learning_rate:g} may help."
                )
        return None


def _forget_gradients(weights: Iterable[Tensor]) -> None:
    for weight in weights:
        weight.grad = None
