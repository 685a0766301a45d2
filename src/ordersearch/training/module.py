"""The Lightning module that trains one network, a whole epoch in each step."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ordersearch.data.tensors import Batches, Split
from ordersearch.training.augment import Augmentation
from ordersearch.training.epochs import EpochModule
from ordersearch.training.evaluation import LOSSES, autocast, evaluation_mode, scores_of
from ordersearch.training.seeds import epoch_order, seed_noise
from ordersearch.training.settings import TrainingSettings


class TensorModule(EpochModule):
    """A network, the samples that it learns from and the way that it learns them.

    Args:
        network: What is trained, in place.
        data: Its training and validation samples, opened, and for the device that the network is on.
        settings: How it is trained.
        learning_rate: The highest of its one cycle.
        seed: Fixes the batches and the noise of every epoch.

    Attributes:
        history: The finished epochs' metrics, as ``FitResult`` has them.
    """

    def __init__(
        self, network: nn.Module, data: Split, *, settings: TrainingSettings, learning_rate: float, seed: int
    ) -> None:
        super().__init__(data.n_train, settings=settings, learning_rate=learning_rate)
        self.network = network
        self.history: list[dict[str, float]] = []
        self._data: Split | None = data
        self._cast = autocast(settings.precision, data.device)
        self._seed = seed

    @property
    def data(self) -> Split:
        """The samples; there are none after ``release``."""
        assert self._data is not None
        return self._data

    def release(self) -> None:
        """Let go of network and data, which Lightning's cycles of references would keep until the next collection."""
        self._data = self.train_loss = None
        del self.network

    def weights(self) -> Iterable[tuple[nn.Parameter, bool]]:
        """The network's trainable parameters."""
        return ((p, p.ndim >= 2) for p in self.network.parameters() if p.requires_grad)

    def on_train_start(self) -> None:
        """Put the network into training mode, which Lightning leaves to its caller."""
        super().on_train_start()
        self.network.train()

    def epoch_batches(self) -> Batches:
        """The epoch's batches, in an order of the seed and the epoch."""
        seed_noise(self.data.device, seed=self._seed, epoch=self.current_epoch)
        return seen_batches(self.data, self.sizes, self.settings, seed=self._seed, epoch=self.current_epoch)

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean loss of a batch."""
        with self._cast():
            output = self.network(x)
        return LOSSES[self.data.task](output.to(self.data.dtype), y)

    def validate(self) -> None:
        """Validate after an epoch, and check that its losses are finite.

        Raises:
            DivergedError: The training or the validation loss is infinite or not a number.
        """
        with evaluation_mode(self.network):
            scores = scores_of(self.network, self.data, part="val", cast=self._cast)
        assert self.train_loss is not None
        named = {"train/loss": self.train_loss.to(self.data.dtype)}
        named |= {f"val/{name}": value for name, value in scores.items()}
        values = torch.stack(list(named.values())).cpu()
        metrics: dict[str, float] = dict(zip(named, values.tolist(), strict=True))
        error = self.divergence(metrics)
        if error is not None:
            raise error
        # Where self.log puts them in the end; on the way there it costs more than the rest of Lightning's epoch.
        self.trainer.callback_metrics.update(zip(named, values, strict=True))
        self.history.append({**metrics, "seconds": self.epoch_seconds()})


def seen_batches(data: Split, sizes: list[int], settings: TrainingSettings, *, seed: int, epoch: int) -> Batches:
    """The batches of an epoch as a run of this seed sees them: in its order, and flipped and shifted by its draws.

    Args:
        data: The split, opened.
        sizes: Samples in each batch.
        settings: Only ``augment`` is read.
        seed: The run's.
        epoch: Counted from 0.
    """
    order = epoch_order(data.n_train, seed=seed, epoch=epoch)
    batches = data.train_batches(torch.split(order, sizes))
    if not settings.augment:
        return batches
    augmentation = Augmentation.drawn(
        settings.augment, data.n_train, data.sample_shape, seed=seed, epoch=epoch, device=data.device
    )
    return _augmented(batches, augmentation)


def _augmented(batches: Batches, augmentation: Augmentation) -> Batches:
    start = 0
    for x, y in batches:
        yield augmentation(x, start), y
        start += len(y)
