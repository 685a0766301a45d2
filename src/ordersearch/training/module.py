"""The Lightning module that trains one network, a whole epoch in each step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ordersearch.data.tensors import Batches, Split
from ordersearch.errors import DivergedError
from ordersearch.training.augment import Augmentation
from ordersearch.training.evaluation import LOSSES, autocast, scores_of
from ordersearch.training.framework import pl
from ordersearch.training.schedule import batch_sizes, one_cycle
from ordersearch.training.seeds import epoch_order, seed_noise
from ordersearch.training.settings import TrainingSettings


class WholeEpoch:
    """What Lightning takes for a data loader of one batch; the batch is empty, since the module holds the data."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[int]:
        # Not None, which Lightning warns of.
        yield 0


class TensorModule(pl.LightningModule):
    """A network, the samples that it learns from and the way that it learns them.

    Optimisation is manual and one Lightning step covers an epoch: a step a batch costs about a millisecond of
    Lightning, as much as the batch of a small network itself. Nothing in the loop over batches waits for the device.

    Args:
        network: What is trained, in place.
        data: Its training and validation samples, opened, and for the device that the network is on.
        settings: How it is trained.
        learning_rate: The highest of its one cycle.
        seed: Fixes the batches and the noise of every epoch.

    Attributes:
        history: The finished epochs' metrics, as ``FitResult`` has them.
        before_first_epoch: Called once Lightning has set everything up.
    """

    def __init__(
        self, network: nn.Module, data: Split, *, settings: TrainingSettings, learning_rate: float, seed: int
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.history: list[dict[str, float]] = []
        self.before_first_epoch: Callable[[], None] | None = None
        self._data: Split | None = data
        self._settings = settings
        self._learning_rate = learning_rate
        self._seed = seed
        self._sizes = batch_sizes(data.n_train, settings.batch_size)
        self._rates = one_cycle(learning_rate, settings.max_epochs * len(self._sizes))
        self._train_loss: Tensor | None = None
        self._started = 0.0

    @property
    def data(self) -> Split:
        """The samples; there are none after ``release``."""
        assert self._data is not None
        return self._data

    def release(self) -> None:
        """Let go of network and data, which Lightning's cycles of references would keep until the next collection."""
        self._data = self._train_loss = None
        del self.network

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW, with the decay on weights alone: biases and what norms scale by have one dimension."""
        decayed = [p for p in self.network.parameters() if p.requires_grad and p.ndim >= 2]
        others = [p for p in self.network.parameters() if p.requires_grad and p.ndim < 2]
        groups = [
            {"params": decayed, "weight_decay": self._settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        # Fused was the fastest of AdamW's implementations for small networks on a CPU too.
        return torch.optim.AdamW([group for group in groups if group["params"]], lr=self._learning_rate, fused=True)

    def on_train_start(self) -> None:
        """Put the network into training mode, which Lightning leaves to its caller."""
        if self.before_first_epoch is not None:
            self.before_first_epoch()
        self.network.train()

    def training_step(self, _batch: Any) -> None:
        """Train one epoch."""
        self._started = time.perf_counter()
        data, seed, epoch = self.data, self._seed, self.current_epoch
        seed_noise(data.device, seed=seed, epoch=epoch)
        order = epoch_order(data.n_train, seed=seed, epoch=epoch)
        batches = data.train_batches(torch.split(order, self._sizes))
        if self._settings.augment:
            batches = self._augmented(batches)
        self._train_loss = self._train_batches(batches) / data.n_train
        # The optimiser is used without Lightning's wrapper, which would count its steps.
        steps = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total
        steps.ready += len(self._sizes)
        steps.completed += len(self._sizes)

    def _augmented(self, batches: Batches) -> Batches:
        """The epoch's batches with their images flipped and shifted."""
        data = self.data
        augmentation = Augmentation.drawn(
            self._settings.augment,
            data.n_train,
            data.sample_shape,
            seed=self._seed,
            epoch=self.current_epoch,
            device=data.device,
        )
        start = 0
        for x, y in batches:
            yield augmentation(x, start), y
            start += len(y)

    def _train_batches(self, batches: Batches) -> Tensor:
        """One step for each batch; gives the sum of all samples' losses, on the device."""
        network, device, dtype = self.network, self.data.device, self.data.dtype
        loss_of, cast = LOSSES[self.data.task], autocast(self._settings.precision, device)
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        first = self.current_epoch * len(self._sizes)
        total = torch.zeros((), dtype=torch.float64, device=device)
        for (x, y), rate in zip(batches, self._rates[first:], strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
            with cast():
                output = network(x)
            loss = loss_of(output.to(dtype), y)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total.add_(loss.detach(), alpha=len(y))
        return total

    def validation_step(self, _batch: Any) -> None:
        """Validate after an epoch, and check that its losses are finite: the one time that the device is waited for.

        Raises:
            DivergedError: The training or the validation loss is infinite or not a number.
        """
        cast = autocast(self._settings.precision, self.data.device)
        scores = scores_of(self.network, self.data, part="val", cast=cast)
        assert self._train_loss is not None
        named = {"train/loss": self._train_loss.to(self.data.dtype)}
        named |= {f"val/{name}": value for name, value in scores.items()}
        metrics: dict[str, float] = dict(zip(named, torch.stack(list(named.values())).tolist(), strict=True))
        self._require_finite(metrics)
        # Where self.log puts them in the end; on the way there it costs more than the rest of Lightning's epoch.
        self.trainer.callback_metrics.update(named)
        self.history.append({**metrics, "seconds": time.perf_counter() - self._started})

    def _require_finite(self, metrics: dict[str, float]) -> None:
        for key, noun in (("train/loss", "training"), ("val/loss", "validation")):
            if not math.isfinite(metrics[key]):
                raise DivergedError(
                    f"Epoch {self.current_epoch + 1} of {self._settings.max_epochs}: the {noun} loss is "
                    f"{metrics[key]}, but it must stay finite. A learning rate below {self._learning_rate:g} may help."
                )
