"""How long the command line takes to answer, from help to the end of a first trial, and its peak memory.

Repeat it with ``python benchmarks/startup.py``. A bare ``python -c pass`` stands beside the commands, since every one
pays for the interpreter, and ``import torch``, since that is what most do without. The last two rows train: one trial
on digits, with its start-up and its report, by one process and by as many as the search takes by itself. Memory is the
largest resident size of any one process.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

from machine import described, written

N_REPEATS = 11
N_TRAINED = 3
ORDER = "conv > spatial_dropout > batch_norm > relu > max_pool"
TRIAL = ["-m", "ordersearch", "digits", "--trials", "1", "--confirm", "off"]
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "--help": ["-m", "ordersearch", "--help"],
    "search --help": ["-m", "ordersearch", "search", "--help"],
    "--version": ["-m", "ordersearch", "--version"],
    "explain ORDER": ["-m", "ordersearch", "explain", ORDER],
    "classes conv": ["-m", "ordersearch", "classes", "conv"],
    "first trial, 1 worker": [*TRIAL, "--workers", "1"],
    "first trial": TRIAL,
}


def seconds_and_mb(words: list[str]) -> tuple[float, float]:
    """Wall-clock time and peak memory of a process and those that it waits for."""
    with tempfile.TemporaryDirectory() as folder:
        # The commands that write do so into the folder that they are started in.
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: ended with {process.returncode}.")
    # Kilobytes on Linux, bytes on macOS.
    return seconds, usage.ru_maxrss / (1000**2 if sys.platform == "darwin" else 1000)


def main() -> None:
    # One pass over all commands after the other, so that a slow moment of the machine meets all of them.
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for repeat in range(N_REPEATS):
        for name, words in COMMANDS.items():
            if repeat < N_TRAINED or not name.startswith("first"):
                found[name].append(seconds_and_mb(words))
    lines = [f"n = {N_REPEATS} each, {N_TRAINED} of those that train", ""]
    lines.append(f"{'command':<24}{'median s':>10}{'min':>8}{'max':>8}{'peak MB':>10}")
    for name, measured in found.items():
        seconds = [second for second, _ in measured]
        peak = max(mb for _, mb in measured)
        lines.append(
            f"{name:<24}{statistics.median(seconds):>10.3f}{min(seconds):>8.3f}{max(seconds):>8.3f}{peak:>10.0f}"
        )
    written([*described(), *lines], "startup.txt")


if __name__ == "__main__":
    main()
