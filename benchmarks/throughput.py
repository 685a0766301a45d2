"""How fast a training is: a bare PyTorch loop, what users write, ours, ours packed, ours with workers.

Repeat it with ``python benchmarks/throughput.py`` (about a quarter of an hour on two cores; ``--repeats 1`` for a
first look). On a machine with a GPU the same call measures there, in bf16 where the GPU has it. The ways take turns,
there and back, and each repeat's ratio is to the bare loop's or the users' time in the same repeat, so that a slow
moment of the machine meets all of them. On a CPU what counts is process time with one thread (``--threads``); where
processes are compared, and on a GPU, it is the wall clock. As in a search, what was alive before is frozen, so that no
training pays for Python's collector to go through all modules, and freed memory is kept: for all ways alike. The table
comes last, and is kept in ``benchmarks/results``.

What is trained is the ``cnn`` with ``conv > batch_norm > relu > max_pool > dropout(p=0.1)``: on digits (8x8), on
random images, and on what ``--data`` names. The bare loop has the same layers (the cheapest order of the class), the
same tensors and memory format, the same optimiser, schedule and validation after every epoch.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from machine import described, spread, written
from ways import Task, bare, ours, packed, task, users

from ordersearch.training.allocation import keep_freed_memory
from ordersearch.training.threads import suited_threads

BARE, DEFAULTS, PLAIN, OURS = "bare loop", "Lightning, its defaults", "Lightning, all off", "ours"
EPOCHS = {"digits": 16}
N_PACKED = (3, 8)


def main() -> None:
    options = _arguments()
    if options.worker:
        work(options)
        return
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    tasks = [_task(name, options) for name in options.sizes + options.data]
    heading = ["Trainings side by side: samples trained on a second, and ratios of the same repeat", ""]
    heading += described(options.device)
    heading += [
        f"measured  {'wall clock' if options.device == 'cuda' else 'process time'}, {options.threads} threads, "
        f"precision {options.precision}, n = {options.repeats}, median (lowest to highest)",
        "",
    ]
    lines = [line for each in tasks for line in compared(each, options)]
    lines += [line for each in tasks for line in beside_each_other(each, options)]
    written(heading + lines, f"throughput_{'gpu' if options.device == 'cuda' else 'cpu'}.txt")


def compared(each: Task, options: argparse.Namespace) -> list[str]:
    """The rows of one data set."""
    found = seconds_of(each, options)
    n_samples = each.data.n_train * each.settings.max_epochs
    shape = "x".join(map(str, each.dataset.input_shape))
    lines = [
        f"{each.name} ({shape}), {each.data.n_train} + {each.data.n_val} samples, {each.settings.max_epochs} epochs, "
        f"batches of {each.settings.batch_size}",
        f"  {'way':<26}{'samples/s':>10}  {'of the bare loop':<22}{'of Lightning, its defaults':<28}Lightning, all off",
    ]
    for name, seconds in found.items():
        per_second = n_samples / statistics.median(seconds)
        ratios = [
            spread([other / own for own, other in zip(seconds, found[base], strict=True)])
            for base in (BARE, DEFAULTS, PLAIN)
        ]
        lines.append(f"  {name:<26}{per_second:>10.0f}  {ratios[0]:<22}{ratios[1]:<28}{ratios[2]}")
    return [*lines, ""]


def seconds_of(each: Task, options: argparse.Namespace) -> dict[str, list[float]]:
    """The time of one training each way, in every repeat; of packed seeds the time of one."""
    ways: dict[str, tuple[int, Callable[[Task], Callable[[], None]]]] = {
        BARE: (1, bare),
        DEFAULTS: (1, lambda task: users(task, bare_trainer=False)),
        PLAIN: (1, lambda task: users(task, bare_trainer=True)),
        OURS: (1, ours),
    }
    for n in N_PACKED:
        ways[f"ours, {n} packed, per seed"] = (n, lambda task, n=n: packed(task, n))
    for _, way in ways.values():
        way(each.with_epochs(1))()
    gc.collect()
    gc.freeze()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(options.repeats):
        for name, (n, way) in list(ways.items())[:: -1 if repeat % 2 else 1]:
            found[name].append(timed(way(each), options.device) / n)
            gc.collect()
    return found


def timed(train: Callable[[], None], device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    clock = time.perf_counter if device == "cuda" else time.process_time
    start = clock()
    train()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


# --- several processes -----------------------------------------------------------------------------------------------


class Worker:
    """A process that trains when told to."""

    def __init__(self, name: str, threads: int, options: argparse.Namespace) -> None:
        words = [sys.executable, __file__, "--worker", "--threads", str(threads), "--device", options.device]
        words += ["--precision", options.precision, "--epochs", str(options.epochs), "--sizes", name]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.wait()

    def start(self) -> None:
        """Tell it to train once."""
        assert self.process.stdin is not None
        print("go", file=self.process.stdin, flush=True)

    def wait(self) -> None:
        """Wait until it has."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "done\n"

    def end(self) -> None:
        """Let it go."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def work(options: argparse.Namespace) -> None:
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    each = _task(options.sizes[0], options)
    with suited_threads(each.dataset.input_shape):
        ours(each.with_epochs(1))()
        print("done", flush=True)
        for _ in sys.stdin:
            ours(each)()
            print("done", flush=True)


def beside_each_other(each: Task, options: argparse.Namespace) -> list[str]:
    """Trainings a minute with one process and with several, which take turns."""
    crews = ((1, 1), (2, 1), (4, 1), (8, 1)) if options.device == "cuda" else ((1, 2), (1, 1), (2, 1))
    found: dict[tuple[int, int], list[float]] = {crew: [] for crew in crews}
    workers = {crew: [Worker(each.name, crew[1], options) for _ in range(crew[0])] for crew in crews}
    for _ in range(options.repeats):
        for crew, members in workers.items():
            start = time.perf_counter()
            for member in members:
                member.start()
            for member in members:
                member.wait()
            found[crew].append(60 * len(members) / (time.perf_counter() - start))
    for member in (member for members in workers.values() for member in members):
        member.end()
    lines = [f"{each.name}: processes beside each other, trainings a minute by the wall clock"]
    for (n, threads), rates in found.items():
        ratios = spread([own / first for own, first in zip(rates, found[crews[0]], strict=True)])
        lines.append(f"  {n} x {threads} threads{'':<14}{spread(rates, '.1f'):<26}{ratios} of the first row's")
    return [*lines, ""]


def _task(name: str, options: argparse.Namespace) -> Task:
    epochs = EPOCHS.get(name, options.epochs)
    return task(name, epochs=epochs, device=options.device, precision=options.precision)


def _arguments() -> argparse.Namespace:
    on_gpu = torch.cuda.is_available()
    computes_in_bf16 = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", default=["digits", "28x28", "32x32"], help="digits, or HEIGHTxWIDTH")
    parser.add_argument("--data", nargs="*", default=[], help="data sets as the search takes them")
    parser.add_argument("--epochs", type=int, default=2, help="of all but digits, which has 16")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if on_gpu else "cpu")
    parser.add_argument("--precision", default="bf16" if computes_in_bf16 else "32")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
