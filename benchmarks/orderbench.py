"""Makes OrderBench: every class of weight-first ``conv`` trained with many seeds, each training's whole curve kept.

Repeat it with ``python benchmarks/orderbench.py train fashion_mnist=PATH cifar10=PATH --out DIR`` (paths as the search
takes them; a second process with ``--shard 1/2`` takes the other half, and what is there already is not trained
again), then ``python benchmarks/orderbench.py pack --out DIR``, which writes the files that ``ordersearch.benchmarks``
ships. A training is what a confirmation trains: the class's cheapest order in the network ``cnn``, with the seed's
initial weights, batch order and split. One thread each.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

N_SAMPLES = 2400
N_TEST = 2000
MAX_EPOCHS = 6
PACKED = Path(__file__).parents[1] / "src" / "ordersearch" / "benchmarks" / "orderbench"


class Part(NamedTuple):
    """A file of the table: which rates, learning rates and seeds each order is trained with."""

    name: str
    data: tuple[str, ...]
    rates: tuple[float, ...]
    learning_rates: tuple[float, ...]
    n_seeds: int


PARTS = (
    Part("orders", ("fashion_mnist", "cifar10"), (0.2,), (0.01,), 30),
    Part("rates", ("fashion_mnist",), (0.1, 0.2, 0.4), (0.003, 0.01, 0.03), 1),
)


class Wanted(NamedTuple):
    """One training of the table."""

    data: str
    order: str
    learning_rate: float
    seed: int


def wanted(part: Part) -> Iterator[Wanted]:
    """The trainings of a part, seed by seed, so that what is there first is of use by itself."""
    from ordersearch import SearchSpace

    classes = [order for order in SearchSpace.load("conv").orders() if order.ops[0].role == "weight"]
    for seed in range(part.n_seeds):
        for data in part.data:
            for learning_rate in part.learning_rates:
                for order in classes:
                    for text in dict.fromkeys(str(order.at_rate(rate)) for rate in part.rates):
                        yield Wanted(data, text, learning_rate, seed)


def train(parts: list[Part], paths: dict[str, str], out: Path, shard: tuple[int, int]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    trainers = {name: _trainer(name, path) for name, path in paths.items()}
    done = {_key(record) for record in read_records(out)}
    mine, of = shard
    every = dict.fromkeys(run for part in parts for run in wanted(part))
    todo = [run for n, run in enumerate(every) if n % of == mine and run not in done]
    with (out / f"shard-{mine}-of-{of}.jsonl").open("a") as file:
        for n, run in enumerate(todo):
            file.write(json.dumps(trained(trainers[run.data], run)) + "\n")
            file.flush()
            if n % 50 == 0:
                print(f"{n} of {len(todo)}", flush=True)


def trained(trainer: Any, run: Wanted) -> dict[str, Any]:
    """Train one run and say all that came of it."""
    from ordersearch import BlockSpec
    from ordersearch.errors import DivergedError
    from ordersearch.objective import Setting

    blocks = {"conv": BlockSpec.parse(run.order)}
    setting = Setting.of(blocks, {"lr": run.learning_rate}, trainer.network)
    started, cpu = time.perf_counter(), time.process_time()
    try:
        result, scores = trainer.confirm(setting, seed=run.seed, split=run.seed)
    except DivergedError:
        return run._asdict()
    return {
        **run._asdict(),
        "history": result.history,
        "scores": scores,
        "n_parameters": result.n_parameters,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
    }


def _trainer(name: str, path: str) -> Any:
    import torch

    from ordersearch.data import dataset_from_arrays, load_dataset
    from ordersearch.networks import find_network
    from ordersearch.objective import Trainer
    from ordersearch.training.settings import TrainingSettings

    torch.set_num_threads(1)
    whole = load_dataset(path)
    assert whole.x_test is not None
    assert whole.y_test is not None
    dataset = dataset_from_arrays(
        whole.x[:N_SAMPLES],
        whole.y[:N_SAMPLES],
        x_test=whole.x_test[:N_TEST],
        y_test=whole.y_test[:N_TEST],
        name=name,
        input="image",
    )
    return Trainer(dataset, find_network("cnn"), TrainingSettings(max_epochs=MAX_EPOCHS))


def read_records(out: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(out.glob("shard-*.jsonl")):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def _key(record: dict[str, Any]) -> Wanted:
    return Wanted(*(record[field] for field in Wanted._fields))


CURVES = ("train/loss", "val/loss", "val/accuracy", "seconds")
SCORES = ("test/loss", "test/accuracy", "repaired/loss", "repaired/accuracy")


def pack(out: Path) -> None:
    """Write a row a training, in the order in which they were wanted, whoever trained them and when."""
    records = {_key(record): record for record in read_records(out)}
    PACKED.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        rows = [_row(records[run]) for run in wanted(part) if run in records]
        if not rows:
            continue
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path = PACKED / f"{part.name}.csv.gz"
        # No time in the header: the same trainings give the same bytes.
        path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
        n_wanted = sum(1 for _ in wanted(part))
        cpu = sorted(float(row["cpu_seconds"]) for row in rows if row["cpu_seconds"])
        print(
            f"{path.name}: {len(rows)} of {n_wanted} trainings, {path.stat().st_size / 1000:.0f} kB; core-seconds "
            f"each: median {cpu[len(cpu) // 2]:.1f}, highest {cpu[-1]:.1f}, all {sum(cpu):.0f}"
        )


def _row(record: dict[str, Any]) -> dict[str, Any]:
    """Five digits a figure; what a diverged training never had is left empty."""
    row = {field: record[field] for field in Wanted._fields}
    for curve in CURVES:
        for epoch in range(MAX_EPOCHS):
            row[f"{curve}@{epoch + 1}"] = f"{record['history'][epoch][curve]:.5g}" if "history" in record else ""
    for score in SCORES:
        row[score] = f"{record['scores'][score]:.5g}" if score in record.get("scores", {}) else ""
    row["n_parameters"] = record.get("n_parameters", "")
    row["cpu_seconds"] = f"{record['cpu_seconds']:.3f}" if "cpu_seconds" in record else ""
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "pack"))
    parser.add_argument("data", nargs="*", metavar="NAME=PATH")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", choices=[part.name for part in PARTS], help="only this part")
    parser.add_argument("--shard", default="0/1", metavar="I/N")
    options = parser.parse_args()
    if options.what == "pack":
        pack(options.out)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    mine, of = map(int, options.shard.split("/"))
    parts = [part for part in PARTS if options.part in (None, part.name)]
    train(parts, dict(text.split("=", 1) for text in options.data), options.out, (mine, of))


if __name__ == "__main__":
    main()
