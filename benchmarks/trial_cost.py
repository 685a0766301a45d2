"""What a trial of a search costs besides its steps: where each millisecond goes, median over trials.

Repeat it with ``python benchmarks/trial_cost.py`` (a minute; ``throughput.py`` runs it, too). A search on digits is run
in this process with a journal file, as the command does it, and each part's own process time (without that of the parts
that it calls) is written down for every trial. Beside the training steps and the validations, which a bare loop has,
too, the limit is 50 ms.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import torch
from machine import described, written

import ordersearch.objective.trainer as trainer_module
from ordersearch import SearchSpace, load_dataset
from ordersearch.journal import NotedJournal
from ordersearch.networks import find_network
from ordersearch.objective import Objective
from ordersearch.study.sampler import DistinctSampler
from ordersearch.study.search import Search
from ordersearch.study.storage import open_storage
from ordersearch.training.allocation import keep_freed_memory
from ordersearch.training.epochs import EpochModule
from ordersearch.training.module import TensorModule
from ordersearch.training.packed_module import PackedModule
from ordersearch.training.settings import TrainingSettings

LIMIT_MS = 50
STEPS, VALIDATION, REST = "training steps", "validation", "Optuna between two trials"
PARTS: list[tuple[str, Any, str]] = [
    (STEPS, EpochModule, "_train_batches"),
    (VALIDATION, TensorModule, "validate"),
    (VALIDATION, PackedModule, "validate"),
    ("build the networks", trainer_module, "build_network"),
    ("Lightning: set-up and epochs", trainer_module, "fit"),
    ("Lightning: set-up and epochs", trainer_module, "fit_packed"),
    ("try whether seeds can be packed", trainer_module, "packing_obstacle"),
    ("read the data's split", trainer_module, "split_data"),
    ("score with repaired statistics", trainer_module.Trainer, "_repaired"),
    ("collect garbage", gc, "collect"),
    ("write the journal", NotedJournal, "append_logs"),
    ("read the journal", NotedJournal, "read_logs"),
    ("choose the next setting", DistinctSampler, "sample_relative"),
    ("note what came out", Objective, "__call__"),
]


class Parts:
    """The own process time of each part since the last ``take``."""

    def __init__(self) -> None:
        self._own: dict[str, float] = {}
        self._inside: list[float] = []
        self._last = time.process_time()

    def watch(self, part: str, owner: Any, name: str) -> None:
        """Time a function of a module or class from now on."""
        original: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(0.0)
            start = time.process_time()
            try:
                return original(*args, **kwargs)
            finally:
                seconds = time.process_time() - start
                self._own[part] = self._own.get(part, 0.0) + seconds - self._inside.pop()
                if self._inside:
                    self._inside[-1] += seconds

        setattr(owner, name, timed)

    def take(self) -> dict[str, float]:
        """The milliseconds of each part, and what is left of the time since the last call."""
        now = time.process_time()
        own, total = self._own, now - self._last
        self._own, self._last = {}, now
        return {part: 1000 * seconds for part, seconds in {**own, REST: total - sum(own.values())}.items()}


def measured(n_trials: int) -> list[dict[str, float]]:
    """The parts of each trial, the first one aside."""
    keep_freed_memory()
    torch.set_num_threads(1)
    parts, trials = Parts(), []
    for part, owner, name in PARTS:
        parts.watch(part, owner, name)

    class Taken(Objective):
        def __call__(self, trial: optuna.Trial) -> float:
            # At a trial's start, so that what comes after the last one counts as that one's.
            trials.append(parts.take())
            return super().__call__(trial)

    import ordersearch.study.search as search_module

    search_module.Objective = Taken  # type: ignore[misc]
    dataset = load_dataset("digits")
    training = TrainingSettings(max_epochs=16)
    search = Search("cost", SearchSpace.load("conv"), dataset, find_network("cnn"), training)
    with tempfile.TemporaryDirectory() as folder:
        storage = open_storage(str(Path(folder) / "study.journal"))
        search.run(search.open_study(storage), n_trials=n_trials)
    return trials[2:]


def table(trials: list[dict[str, float]]) -> list[str]:
    """The parts, largest first, and what they come to together."""
    names = sorted({name for trial in trials for name in trial})
    medians = {name: statistics.median(trial.get(name, 0.0) for trial in trials) for name in names}
    besides = [sum(ms for name, ms in trial.items() if name not in (STEPS, VALIDATION)) for trial in trials]
    middle = statistics.median(besides)
    low, *_, high = statistics.quantiles(besides, n=20)
    return [
        f"A trial of a search on digits, ms of process time, median of {len(trials)} trials (probes and whole ones)",
        *(f"  {name:<34}{medians[name]:>8.1f}" for name in sorted(names, key=lambda name: -medians[name])),
        f"  {'besides steps and validation':<34}{middle:>8.1f}  (5 % to 95 % of trials: {low:.1f} to {high:.1f}), "
        f"{'within' if middle <= LIMIT_MS else 'OVER'} {LIMIT_MS} ms",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=80)
    options = parser.parse_args()
    lines = table(measured(options.trials))
    written([*described(), "", *lines], "trial_cost.txt")


if __name__ == "__main__":
    main()
