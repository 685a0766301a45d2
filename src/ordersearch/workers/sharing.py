"""How many processes share a study, and what each of them may take of the machine."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ordersearch.data.dataset import Dataset
from ordersearch.data.memory import free_memory, memory_budget
from ordersearch.errors import OrdersearchError, without_password
from ordersearch.training.threads import THREADS_VARIABLE, available_cores

MOST_WORKERS = 16
"""With more, they would wait for each other at the study's storage."""

TRIALS_EACH = 4
"""Of a search; with fewer, most trials would be proposed before anything is known."""

PROCESS_BYTES = 400 * 2**20
"""What a process holds besides its data: 290 MB once torch, Lightning and Optuna are imported, and a network."""

SHARE_OF_PROCESSES = 0.4
"""Of the free memory; the data of all of them may take as much again."""


class WorkersError(OrdersearchError, ValueError):
    """More processes are asked for than can work on this study here."""


@dataclass(frozen=True)
class Sharing:
    """How many processes there are, and what each may take.

    Attributes:
        n: Processes, this one included.
        threads: Of each.
        memory: Bytes that the samples of one split may take in each; None where nothing is shared.
        note: Why there are not more, where one would expect more; else empty.
        is_asked: Whether somebody gave the number, so that the others start at once and not only when it is seen to
            pay.
    """

    n: int = 1
    threads: int = 1
    memory: int | None = None
    note: str = ""
    is_asked: bool = False


def suited_sharing(
    asked: int | None,
    dataset: Dataset,
    location: str,
    *,
    device: str,
    n_trials: int,
    n_splits: int = 1,
    obstacle: str = "",
    environ: Mapping[str, str] = os.environ,
) -> Sharing:
    """How many processes to take: as many as asked for, or as suit the machine, the data and the plan.

    Left to itself it takes one for each core on a CPU (at 28x28 two processes of one thread train 1.24 to 1.48 times
    as much as one of two, at 8x8 nearly twice; two of two threads each are 17 times slower), but at most 16, one for
    four trials, and as many as keep their data in memory. On a GPU it takes one, since more are not measured there.
    Threads and processes together are never more than the cores.

    Args:
        asked: How many; None leaves it to the rule.
        dataset: What each has in memory.
        location: Of the study's storage.
        device: ``"cpu"`` or ``"cuda"``.
        n_trials: About how many trials there will be.
        n_splits: How many splits of the data a process has in memory at once.
        obstacle: Why the search cannot be handed to another process, or empty.
        environ: The environment variables.

    Raises:
        WorkersError: More than one is asked for, and that cannot be.
    """
    obstacle = _storage_obstacle(location) or obstacle
    if asked is not None:
        return _asked_sharing(asked, obstacle, environ, n_splits)
    cores = available_cores(environ)
    n = 1 if device == "cuda" else min(cores, MOST_WORKERS, n_trials // TRIALS_EACH)
    if n < 2:
        return Sharing(1, cores)
    if obstacle:
        return Sharing(1, cores, note=f"One process instead of {n}: {obstacle}")
    fitting, why = _fitting(n, dataset, environ, n_splits)
    note = f"{fitting} process{'es' * (fitting > 1)} instead of {n}: {why}" if fitting < n else ""
    return _shared(fitting, cores, environ, n_splits, note=note)


def _asked_sharing(asked: int, obstacle: str, environ: Mapping[str, str], n_splits: int) -> Sharing:
    # Threads that the user limited are a limit for each process, when the processes are counted by the user, too.
    cores = available_cores({})
    if asked > 1 and obstacle:
        raise WorkersError(f"--workers: got {asked}, but {obstacle} Take 1.")
    if asked > max(1, cores):
        raise WorkersError(
            f"--workers: got {asked}, but this process may use {cores} core{'s' * (cores != 1)}, and more workers than "
            f"cores would only wait for each other. Take {cores} or fewer, or auto."
        )
    return _shared(asked, cores, environ, n_splits, is_asked=True)


def _shared(
    n: int, cores: int, environ: Mapping[str, str], n_splits: int, *, note: str = "", is_asked: bool = False
) -> Sharing:
    own = re.match(r"\s*0*([1-9]\d*)", environ.get(THREADS_VARIABLE, ""))
    threads = max(1, min(cores // n, int(own[1]) if own else cores))
    return Sharing(n, threads, memory_budget(environ) // (n * n_splits) if n > 1 else None, note, is_asked)


def _storage_obstacle(location: str) -> str:
    """Why processes cannot share a storage, or nothing."""
    if re.match(r"sqlite\b", location):
        return (
            f"the study is kept in SQLite ({without_password(location)}), which locks as a whole, so that several "
            "processes fail in it (Optuna advises against it). Without --storage it is kept in a journal file, which "
            "they can share, as they can PostgreSQL and MySQL."
        )
    if not location:
        return "the study is kept in this process's memory. Keep it in a journal file, PostgreSQL or MySQL."
    if os.name != "posix":
        return "workers need a system of the POSIX kind, such as Linux or macOS."
    return ""


def _fitting(n: int, dataset: Dataset, environ: Mapping[str, str], n_splits: int) -> tuple[int, str]:
    """How many of ``n`` processes keep their data in memory, and why not all."""
    inputs = [x for x in (dataset.x, dataset.x_val, dataset.x_test) if x is not None]
    # As split_data counts: float32, and a byte more for each value of images that are decoded and kept.
    each = sum(math.prod(x.shape) * (4 if isinstance(x, np.ndarray) else 5) for x in inputs)
    budget = memory_budget(environ)
    if each > budget:
        return 1, "the data do not fit into memory and are read batch by batch."
    by_data = budget // max(1, each * n_splits)
    by_processes = 1 + int(SHARE_OF_PROCESSES * free_memory()) // PROCESS_BYTES
    return max(1, min(n, by_data, by_processes)), "more would not fit into memory."
