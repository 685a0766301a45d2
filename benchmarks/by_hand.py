"""A search by ``python -m ordersearch digits`` against the same search written by hand, as tutorials have it.

Repeat it with ``python benchmarks/by_hand.py`` (about six minutes). By hand is an Optuna study with TPE and the median
pruner over the same choices, suggested one by one, the network built as written, data loaders over tensors, and
Lightning as in Optuna's own example: one step a batch, ``self.log``, a logger, a progress bar, all threads. It is also
given one thread, since two processes' worth of threads on a small network gain nothing. It runs for a while before
the command and for as long after it, so that a slow moment of the machine meets both. The command runs whole, with its
defaults: search, confirmation, report. All is by the wall clock, start-up and all else included.

What is counted: trainings that were begun (one network with one seed each, so each seed of a pack counts; most are
soon over, as probes here and, by hand, as the median pruner's trials after one to three epochs), whole trainings of 16
epochs, and epochs, the fairest unit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machine import described, written

MAX_EPOCHS = 16
AT_LEAST = 3
UNITS = ("begun", "whole", "epochs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=45, help="of each search by hand, twice for each kind")
    parser.add_argument("--trials", type=int, help="of the command's search; its default when left out")
    parser.add_argument("--hand", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hand:
        print(json.dumps(searched_by_hand(options.seconds)))
        return
    kinds: dict[str, dict[str, str]] = {"by hand, all threads": {}, "by hand, one thread": {"OMP_NUM_THREADS": "1"}}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
    for name, variables in kinds.items():
        found[name].append(by_hand(options.seconds, variables))
    with tempfile.TemporaryDirectory() as folder:
        ours = searched(folder, options.trials)
    for name, variables in kinds.items():
        found[name].append(by_hand(options.seconds, variables))
    import ordersearch.training.framework  # noqa: F401 - for its version

    written([*described(), "", *table(ours, found)], "by_hand.txt")


def table(ours: Mapping[str, float], by_hand: Mapping[str, list[dict[str, float]]]) -> list[str]:
    """What each came to in a minute, and how many times as much ours did."""
    rows = {"python -m ordersearch digits": ours}
    for name, (before, after) in by_hand.items():
        rows[name] = {key: before[key] + after[key] for key in before}
    lines = [
        "Searches on digits by the wall clock (the searches by hand: before and after the command)",
        f"{'':<30}{'seconds':>10}" + "".join(f"{unit:>11}{'a minute':>10}" for unit in UNITS),
    ]
    rates = {name: {unit: 60 * row[unit] / row["seconds"] for unit in UNITS} for name, row in rows.items()}
    for name, row in rows.items():
        cells = "".join(f"{row[unit]:>11.0f}{rates[name][unit]:>10.1f}" for unit in UNITS)
        lines.append(f"{name:<30}{row['seconds']:>10.0f}{cells}")
    first, *others = rows
    for name in others:
        times = {unit: rates[first][unit] / rates[name][unit] for unit in UNITS}
        halves = [60 * half["epochs"] / half["seconds"] for half in by_hand[name]]
        told = ", ".join(
            f"{value:.1f} times the {unit}{'' if value >= AT_LEAST else f' (LESS than {AT_LEAST})'}"
            for unit, value in times.items()
        )
        lines.append(f"a minute, {told} of {name!r}")
        lines.append(f"  (its two halves: {halves[0]:.0f} and {halves[1]:.0f} epochs a minute)")
    return lines


def searched(folder: str, n_trials: int | None) -> dict[str, float]:
    """The command, whole, and what its journal says was trained."""
    words = [sys.executable, "-m", "ordersearch", "digits", "--out", folder]
    words += [] if n_trials is None else ["--trials", str(n_trials)]
    start = time.perf_counter()
    subprocess.run(words, env=environ({}), check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    import optuna

    from ordersearch.results import TRAINED, read_runs
    from ordersearch.study.storage import open_storage

    (journal,) = Path(folder).glob("*/study.journal")
    storage = open_storage(str(journal))
    names = optuna.get_all_study_names(storage)
    runs = [run for name in names for run in read_runs(optuna.load_study(study_name=name, storage=storage))]
    trained = [run for run in runs if run.state in TRAINED]
    return counted(seconds, [run.n_epochs for run in trained])


def counted(seconds: float, epochs: list[int]) -> dict[str, float]:
    """Trainings by how many epochs they had."""
    whole = sum(n >= MAX_EPOCHS for n in epochs)
    return dict(zip(("seconds", *UNITS), (seconds, len(epochs), whole, sum(epochs)), strict=True))


def by_hand(seconds: float, variables: Mapping[str, str]) -> dict[str, float]:
    """A search by hand in a process of its own."""
    words = [sys.executable, __file__, "--hand", "--seconds", str(seconds)]
    shown = subprocess.run(
        words, env=environ(variables), check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    found: dict[str, float] = json.loads(shown.stdout.splitlines()[-1])
    return found


def environ(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return {**kept, **variables}


def searched_by_hand(seconds: float) -> dict[str, float]:
    """What users write, for so many seconds; the start-up of the process is not counted."""
    import optuna
    from torch.utils.data import DataLoader, TensorDataset
    from ways import Users, unheard

    from ordersearch import SearchSpace, load_dataset
    from ordersearch.data.choice import split_data
    from ordersearch.networks import build_network
    from ordersearch.training.framework import pl

    dataset, space = load_dataset("digits"), SearchSpace.load("conv")
    data: Any = split_data(dataset, split=0)

    class Pruning(pl.Callback):
        def __init__(self, trial: optuna.Trial) -> None:
            self.trial = trial

        def on_validation_end(self, trainer: pl.Trainer, _module: pl.LightningModule) -> None:
            if not trainer.sanity_checking:
                self.trial.report(trainer.callback_metrics["val/loss"].item(), trainer.current_epoch)
                if self.trial.should_prune():
                    raise optuna.TrialPruned

    def objective(trial: optuna.Trial) -> float:
        params = {
            name: trial.suggest_categorical(name, distribution.choices)
            for name, distribution in space.distributions().items()
        }
        rate = space.suggest_nuisance(trial)["lr"]
        # The order as written: decoding puts the ops in their places and merges nothing.
        network = build_network("cnn", space.decode(params), dataset.input_shape, dataset.n_outputs)
        train = DataLoader(TensorDataset(data.x_train, data.y_train), batch_size=128, shuffle=True)
        validation = DataLoader(TensorDataset(data.x_val, data.y_val), batch_size=128)
        trainer = pl.Trainer(
            max_epochs=MAX_EPOCHS,
            accelerator="auto",
            devices=1,
            enable_checkpointing=False,
            default_root_dir=folder,
            callbacks=[Pruning(trial)],
        )
        trainer.fit(Users(network, rate), train, validation)
        return trainer.callback_metrics["val/loss"].item()

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), pruner=optuna.pruners.MedianPruner())
    with tempfile.TemporaryDirectory() as folder, unheard():
        start = time.perf_counter()
        study.optimize(objective, timeout=seconds)
        took = time.perf_counter() - start
    return counted(took, [len(trial.intermediate_values) for trial in study.get_trials()])


if __name__ == "__main__":
    main()
