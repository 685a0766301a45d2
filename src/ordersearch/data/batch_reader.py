"""Batches that a torch DataLoader reads ahead, in processes of its own where that pays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ordersearch.data.rows import set_decoding_threads
from ordersearch.errors import OrdersearchError

MOST_WORKERS = 4
_STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_CHILD_ENDED = getattr(signal, "SIGCHLD", None)

Request = tuple[str, NDArray[np.int64]]


class BatchReader:
    """Reads batches, in the order they are asked for, and reads ahead where it has workers.

    Neither workers nor their seeds draw from this process's random number generators.

    Args:
        read: Gives the samples of a request: the name of a part, and which of its samples.
        n_workers: Processes that read; 0 reads in this one.
        pin: Whether batches come in page-locked memory, from where a GPU fetches them by itself.
    """

    def __init__(self, read: Callable[[Request], NDArray[np.float32]], *, n_workers: int, pin: bool) -> None:
        self._requests = _Requests()
        self._reading: Iterator[Any] | None = None
        self._before = signal.getsignal(_CHILD_ENDED) if _CHILD_ENDED is not None else None
        with _untold():
            self._loader: DataLoader[Any] = DataLoader(
                _Reading(read),
                batch_size=None,
                sampler=self._requests,
                num_workers=n_workers,
                collate_fn=_as_it_is,
                pin_memory=pin,
                worker_init_fn=_start_worker if n_workers else None,
                persistent_workers=n_workers > 0,
                # Forked workers are there in milliseconds, and ask nothing of the main script.
                multiprocessing_context="fork" if n_workers and sys.platform == "linux" else None,
                # A generator of its own, or each epoch would draw a number from that of the dropout masks.
                generator=torch.Generator().manual_seed(0),
            )

    def batches(self, requests: Sequence[Request]) -> Iterator[Tensor]:
        """The samples of each request, float32 on the CPU.

        Raises:
            OrdersearchError: Whatever reading raised, in a worker too.
        """
        self._requests.current = requests
        with _interrupts_put_off(), _untold():
            self._reading = iter(self._loader)
        # Never in a variable here: the frame of an error that somebody keeps would keep the workers' pipes open.
        while self._reading is not None:
            try:
                batch = next(self._reading)
            except StopIteration:
                return
            if isinstance(batch, OrdersearchError):
                try:
                    raise batch
                finally:
                    # An error that its own frame holds is freed by the garbage collector only, and all it holds too.
                    del batch
            yield batch

    def close(self) -> None:
        """End the workers and give back what they were reached by; signals are as they were before them."""
        workers, self._loader._iterator, self._reading = self._loader._iterator, None, None
        if workers is None:
            return
        # The loader has no other way of ending workers that stay than to be forgotten by everybody, tracebacks too.
        workers._shutdown_workers()  # type: ignore[attr-defined]
        if self._before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(_CHILD_ENDED, self._before)  # type: ignore[arg-type]


def suited_workers(*, decodes: bool) -> int:
    """How many processes should read: none unless samples are decoded, then up to 4, and one core is left free."""
    # A process that its parent ends with itself may have no children.
    if not decodes or multiprocessing.current_process().daemon:
        return 0
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, n_cores - 1)


class _Requests:
    """What the loader takes for a sampler: the requests of the moment."""

    def __init__(self) -> None:
        self.current: Sequence[Request] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.current)

    def __len__(self) -> int:
        return len(self.current)


class _Reading(Dataset["Tensor | OrdersearchError"]):
    """What the loader takes for a data set: its item for a request is the batch."""

    def __init__(self, read: Callable[[Request], NDArray[np.float32]]) -> None:
        self.read = read

    def __getitem__(self, request: Request) -> Tensor | OrdersearchError:
        try:
            return torch.from_numpy(self.read(request))
        except OrdersearchError as error:
            # Given and not raised: the loader would put the worker's stack trace into its message.
            return error


def _as_it_is(batch: Any) -> Any:
    return batch


def _start_worker(_number: int) -> None:
    # The main process ends its workers; Ctrl-C in a terminal reaches all of them at once.
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    set_decoding_threads(1)


@contextmanager
def _untold() -> Iterator[None]:
    """Silence the warnings of forking beside threads, which no worker meets, and of more workers than cores."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*multi-threaded, use of fork\(\)")
        warnings.filterwarnings("ignore", message=r"This DataLoader will create \d+ worker processes")
        yield


@contextmanager
def _interrupts_put_off() -> Iterator[None]:
    """Answer a stopping signal at the end: half of the workers started could not be ended, and would answer it too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _STOPPING}
    changed = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}
    for number in changed:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in changed.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)
