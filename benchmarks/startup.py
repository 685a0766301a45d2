"""How long the command line takes to answer before anything is trained: help, version, explain, classes.

Repeat it with ``python benchmarks/startup.py``. A bare ``python -c pass`` stands beside the commands, since every one
pays for the interpreter, and ``import torch``, since that is what they do without.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time

N_REPEATS = 11
ORDER = "conv > spatial_dropout > batch_norm > relu > max_pool"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "--help": ["-m", "ordersearch", "--help"],
    "search --help": ["-m", "ordersearch", "search", "--help"],
    "--version": ["-m", "ordersearch", "--version"],
    "explain ORDER": ["-m", "ordersearch", "explain", ORDER],
    "classes conv": ["-m", "ordersearch", "classes", "conv"],
}


def seconds(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    # One pass over all commands after the other, so that a slow moment of the machine meets all of them.
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(N_REPEATS):
        for name, words in COMMANDS.items():
            times[name].append(seconds(words))
    print(f"Python {platform.python_version()}, {platform.machine()}, n = {N_REPEATS} each")
    print(f"{'command':<16} {'median s':>9} {'min':>7} {'max':>7}")
    for name, found in times.items():
        print(f"{name:<16} {statistics.median(found):>9.3f} {min(found):>7.3f} {max(found):>7.3f}")


if __name__ == "__main__":
    main()
