"""A Lightning trainer that leaves nothing behind: no files, no output, no changed signals or warnings."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import nn

from ordersearch.training.epochs import EpochModule, WholeEpoch
from ordersearch.training.framework import pl
from ordersearch.training.settings import TrainingSettings

# Dropout draws from the process's generator: two fits at once would draw from each other's noise.
TURN = threading.RLock()

# Whichever of the two packages was imported last has its name on the notices of both.
_LOGGERS = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric")
_LOADER = "_load_external_callbacks"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def train_epochs(
    module: EpochModule, networks: Sequence[nn.Module], settings: TrainingSettings, callbacks: Sequence[Any] = ()
) -> None:
    """Run Lightning on a module, then take apart what would keep its networks alive or changed.

    Args:
        module: What is trained.
        networks: The networks that it trains, which get their modes back.
        settings: How it is trained.
        callbacks: Lightning callbacks.
    """
    modes = {layer: layer.training for network in networks for layer in network.modules()}
    # Lightning's loop switches gradients on, for the whole process and for good.
    with torch.enable_grad(), quiet(), kept_signals() as put_back_signals:
        trainer = build_trainer(max_epochs=settings.max_epochs, device=settings.device, callbacks=callbacks)
        module.before_first_epoch = put_back_signals
        try:
            with plain_interrupts(trainer):
                trainer.fit(module, WholeEpoch())
        finally:
            module.release()
            trainer.strategy.optimizers = []
            for network in networks:
                network.zero_grad(set_to_none=True)
                # Lightning leaves every model on the CPU.
                network.to(settings.device)
            for layer, mode in modes.items():
                layer.training = mode


def build_trainer(*, max_epochs: int, device: str, callbacks: Sequence[Any]) -> pl.Trainer:
    """A trainer on one device that logs, saves, prints and sanity-checks nothing.

    Args:
        max_epochs: Epochs, at least 1.
        device: ``"cpu"`` or ``"cuda"``.
        callbacks: The callbacks it calls.
    """
    environments = import_module(f"{pl.__name__}.plugins.environments")
    with no_foreign_callbacks():
        return pl.Trainer(
            accelerator=device,
            devices=1,
            max_epochs=max_epochs,
            callbacks=list(callbacks),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_autolog_hparams=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            # Named, so that in a job of SLURM or torchrun a trial does not take itself for one rank of many.
            plugins=[environments.LightningEnvironment()],
        )


@contextmanager
def no_foreign_callbacks() -> Iterator[None]:
    """Let a trainer that is made inside have no callbacks but its own.

    Lightning adds those that any installed package offers by an entry point: what a run comes to would depend on what
    else is installed. Looking for them in every package also takes 5 ms each time, half of what a trainer costs.
    """
    connector = import_module(f"{pl.__name__}.trainer.connectors.callback_connector")
    # Private, so it may be gone one day; then they are looked for again.
    load = getattr(connector, _LOADER, None)
    if load is None:
        yield
        return
    setattr(connector, _LOADER, lambda _group: [])
    try:
        yield
    finally:
        setattr(connector, _LOADER, load)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's notices and its warnings about itself; the user's settings are back afterwards.

    Loggers and warning filters belong to the process: enter this in one thread at a time.
    """
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning|lightning_fabric)(\.|$)")
        warnings.filterwarnings("ignore", message=r"[GT]PU available but not used")
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextmanager
def kept_signals() -> Iterator[Callable[[], None]]:
    """Gives a function that puts this process's handlers of SIGINT and SIGTERM back, and calls it at the end.

    During a fit Lightning puts a handler of its own on SIGTERM, and from an interrupt on it ignores SIGINT.
    """
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}

    def put_back() -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number, handler in handlers.items():
            # None stands for a handler that was not set from Python, which Python cannot set again.
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    try:
        yield put_back
    finally:
        put_back()


@contextmanager
def plain_interrupts(trainer: pl.Trainer) -> Iterator[None]:
    """Let a KeyboardInterrupt inside of ``trainer`` come out as one.

    Lightning 2.5 and later turn it into SystemExit, and earlier ones into a return as if all had gone well.
    """
    try:
        yield
    except SystemExit as exit_:
        if isinstance(exit_.__context__, KeyboardInterrupt):
            raise exit_.__context__ from None
        raise
    if trainer.interrupted:
        raise KeyboardInterrupt
