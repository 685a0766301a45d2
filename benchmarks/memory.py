"""How much memory a data set takes: the peak of a fresh process after each step up to one trained epoch.

Repeat it with ``python benchmarks/memory.py DATASET`` (a path or a name, as the search takes it); the limit for
Fashion-MNIST is 1.5 GB. The first row is what a search does here, the others what it does with so little memory
(ORDERSEARCH_MEMORY) that the inputs are streamed: beyond the data set itself, their peak does not depend on its size.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time

LIMIT_MB = 1500
BUDGETS = ("", "64M", "0")
STEPS = ("import", "load", "split", "epoch")


def peak_mb(who: int = resource.RUSAGE_SELF) -> float:
    # Kilobytes on Linux, bytes on macOS.
    return resource.getrusage(who).ru_maxrss / (1000**2 if sys.platform == "darwin" else 1000)


def measure(dataset_name: str, batch_size: int) -> dict[str, object]:
    """Run in a process of its own: load, split, train one epoch."""
    from ordersearch.data import load_dataset
    from ordersearch.data.choice import split_data
    from ordersearch.networks import build_network, default_network
    from ordersearch.training.fit import fit
    from ordersearch.training.settings import TrainingSettings
    from ordersearch.training.threads import suited_threads

    peaks = {"import": peak_mb()}
    dataset = load_dataset(dataset_name)
    peaks["load"] = peak_mb()
    data = split_data(dataset, split=0, channels_last=True)
    peaks["split"] = peak_mb()
    model = build_network(default_network(dataset.dims), {}, dataset.input_shape, dataset.n_outputs)
    metric = "val/loss"
    started = time.perf_counter()
    with suited_threads(dataset.input_shape):
        result = fit(
            model,
            data,
            settings=TrainingSettings(max_epochs=1, batch_size=batch_size, metric=metric),
            learning_rate=0.01,
            seed=0,
        )
    peaks["epoch"] = peak_mb()
    return {
        "peaks": peaks,
        "workers": peak_mb(resource.RUSAGE_CHILDREN),
        "kind": type(data).__name__,
        "loss": result.metrics[metric],
        "seconds": time.perf_counter() - started,
    }


def measured(dataset_name: str, batch_size: int, budget: str) -> dict[str, object]:
    environ = {**os.environ, "ORDERSEARCH_MEMORY": budget}
    words = [sys.executable, __file__, dataset_name, "--batch-size", str(batch_size), "--measure"]
    shown = subprocess.run(words, env=environ, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, object] = json.loads(shown)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.dataset, options.batch_size)))
        return
    print(f"Python {platform.python_version()}, {platform.machine()}; peak resident memory in MB, n = 1 each")
    print(f"{'memory':<8} {'split':<12}" + "".join(f"{step:>8}" for step in STEPS) + f"{'worker':>8}{'s':>7}  val/loss")
    highest = 0.0
    for budget in BUDGETS:
        found = measured(options.dataset, options.batch_size, budget)
        peaks = found["peaks"]
        assert isinstance(peaks, dict)
        highest = max(highest, peaks["epoch"])
        print(
            f"{budget or 'default':<8} {found['kind']:<12}"
            + "".join(f"{peaks[step]:>8.0f}" for step in STEPS)
            + f"{found['workers']:>8.0f}{found['seconds']:>7.1f}  {found['loss']:.6f}"
        )
    print(f"highest peak: {highest:.0f} MB, {'under' if highest < LIMIT_MB else 'OVER'} {LIMIT_MB} MB")


if __name__ == "__main__":
    main()
