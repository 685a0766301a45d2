"""Ways to train one network that ``throughput.py`` puts side by side: a bare loop, what users write, and ours."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from ordersearch import BlockSpec, load_dataset
from ordersearch.data import Dataset, dataset_from_arrays
from ordersearch.data.choice import split_data
from ordersearch.data.tensors import TensorSplit
from ordersearch.networks import build_network, find_network
from ordersearch.objective import Setting
from ordersearch.training.evaluation import autocast
from ordersearch.training.fit import fit
from ordersearch.training.framework import pl
from ordersearch.training.packed import fit_packed
from ordersearch.training.schedule import batch_sizes, one_cycle
from ordersearch.training.settings import TrainingSettings

ORDER = "conv > batch_norm > relu > max_pool > dropout(p=0.1)"
LEARNING_RATE = 0.003
N_SAMPLES = 3400
_LOGGERS = ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric")


@dataclass(frozen=True, eq=False)
class Task:
    """What is trained: an order in a network, on data, for some epochs.

    Attributes:
        name: Of the data.
        dataset: The data.
        data: Their first split where it is trained, laid out as it is trained.
        plain: The same split as it was read: on the CPU, channels first.
        settings: How it is trained.
        order: The order as users write it.
    """

    name: str
    dataset: Dataset
    data: TensorSplit
    plain: TensorSplit
    settings: TrainingSettings
    order: str = ORDER

    def model(self, *, as_given: bool = False, seed: int = 0) -> nn.Module:
        """The network, with the cheapest order of the class or the one that was given."""
        network, blocks = find_network("cnn"), {"conv": BlockSpec.parse(self.order)}
        if not as_given:
            blocks = dict(Setting.of(blocks, {"lr": LEARNING_RATE}, network).blocks)
        return build_network(network, blocks, self.dataset.input_shape, self.dataset.n_outputs, seed=seed)

    def with_epochs(self, n: int) -> Task:
        """The same task for another number of epochs."""
        return replace(self, settings=replace(self.settings, max_epochs=n))


def task(name: str, *, epochs: int, device: str, precision: str) -> Task:
    """``digits``, random images of a size such as ``28x28``, or a data set as the search takes it."""
    settings = TrainingSettings(max_epochs=epochs, device=device, precision=precision)
    dataset = _random_images(name) if name.replace("x", "").isdigit() else load_dataset(name)
    plain = split_data(dataset, split=0)
    if not isinstance(plain, TensorSplit):
        raise SystemExit(f"{name}: is read batch by batch, but what is compared here is in memory.")
    return Task(name, dataset, plain.to(torch.device(device), channels_last=True), plain, settings)


def _random_images(name: str) -> Dataset:
    height, width = map(int, name.split("x"))
    generator = np.random.default_rng(0)
    images = generator.normal(size=(N_SAMPLES, 1 if height < 32 else 3, height, width)).astype(np.float32)
    return dataset_from_arrays(images, generator.integers(0, 10, N_SAMPLES), name=name, input="image")


# --- a bare loop -----------------------------------------------------------------------------------------------------


def bare(task: Task) -> Callable[[], None]:
    """A loop written by hand: same layers, tensors, layout, optimiser, schedule and validation as ours."""
    settings, data = task.settings, task.data
    model = task.model().to(settings.device, memory_format=torch.channels_last)

    def train() -> None:
        cast = autocast(settings.precision, data.device)
        optimizer = _adamw(model, settings)
        sizes = batch_sizes(data.n_train, settings.batch_size)
        rates = iter(one_cycle(LEARNING_RATE, settings.max_epochs * len(sizes)))
        for _ in range(settings.max_epochs):
            model.train()
            total = torch.zeros((), device=data.device)
            order = torch.randperm(data.n_train).to(data.device)
            for rows, rate in zip(order.split(sizes), rates, strict=False):
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.zero_grad(set_to_none=True)
                with cast():
                    output = model(data.x_train[rows])
                loss = functional.cross_entropy(output.float(), data.y_train[rows])
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(rows)
            _validate(model, data, total, cast)

    return train


def _adamw(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, fused=True)


def _validate(model: nn.Module, data: TensorSplit, total: Tensor, cast: Callable[[], Any]) -> list[float]:
    model.eval()
    loss, hits = torch.zeros((), device=data.device), torch.zeros((), device=data.device)
    at_once = 256 if data.device.type == "cpu" else data.n_val
    with torch.inference_mode():
        for x, y in zip(data.x_val.split(at_once), data.y_val.split(at_once), strict=True):
            with cast():
                output = model(x)
            loss += functional.cross_entropy(output.float(), y, reduction="sum")
            hits += (output.argmax(1) == y).sum()
    return torch.stack([total / data.n_train, loss / data.n_val, hits / data.n_val]).tolist()


# --- what users write ------------------------------------------------------------------------------------------------


class Users(pl.LightningModule):
    """A Lightning module as tutorials have it: automatic optimisation, ``self.log``, Adam."""

    def __init__(self, network: nn.Module, learning_rate: float = LEARNING_RATE) -> None:
        super().__init__()
        self.network = network
        self.learning_rate = learning_rate

    def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
        """The loss of a batch."""
        x, y = batch
        loss = functional.cross_entropy(self.network(x), y)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], _index: int) -> None:
        """Log loss and accuracy of a batch."""
        x, y = batch
        output = self.network(x)
        self.log("val/loss", functional.cross_entropy(output, y))
        self.log("val/accuracy", (output.argmax(1) == y).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam as it comes."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


def users(task: Task, *, bare_trainer: bool) -> Callable[[], None]:
    """Lightning as its tutorials have it, with data loaders over tensors and the order as given.

    Args:
        task: What is trained.
        bare_trainer: Whether logger, checkpoints, progress bar and summary are off; else all is as Lightning has it.
    """
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    options: dict[str, Any] = dict.fromkeys(off, False) if bare_trainer else {}
    module, settings, data = Users(task.model(as_given=True)), task.settings, task.plain

    def train() -> None:
        loader = DataLoader(TensorDataset(data.x_train, data.y_train), batch_size=settings.batch_size, shuffle=True)
        validation = DataLoader(TensorDataset(data.x_val, data.y_val), batch_size=settings.batch_size)
        accelerator = "gpu" if settings.device == "cuda" else "cpu"
        with tempfile.TemporaryDirectory() as folder, unheard():
            pl.Trainer(
                max_epochs=settings.max_epochs, accelerator=accelerator, devices=1, default_root_dir=folder, **options
            ).fit(module, loader, validation)

    return train


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Nothing that is printed, logged or warned of inside is seen."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name, level in levels.items():
            logging.getLogger(name).setLevel(logging.ERROR)
            stack.callback(logging.getLogger(name).setLevel, level)
        yield


# --- ours ------------------------------------------------------------------------------------------------------------


def ours(task: Task) -> Callable[[], None]:
    """One training, as a search makes it."""
    model = task.model()
    return lambda: _finished(fit(model, task.data, settings=task.settings, learning_rate=LEARNING_RATE, seed=0))


def packed(task: Task, n: int) -> Callable[[], None]:
    """``n`` seeds as one batched model."""
    models, seeds = [task.model(seed=seed) for seed in range(n)], range(n)
    return lambda: _finished(
        fit_packed(models, [task.data] * n, settings=task.settings, learning_rate=LEARNING_RATE, seeds=seeds)
    )


def _finished(result: object) -> None:
    assert "nan" not in str(result)
