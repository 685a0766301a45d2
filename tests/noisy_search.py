"""A small search during which others print: run by the tests of the terminal, in one of its own."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from optuna.storages import InMemoryStorage
from rich.console import Console

from ordersearch.cli.interrupts import answered_once
from ordersearch.report.terminal import screen_on
from ordersearch.study.observer import Observer
from tests.searches import small_search, small_space

LOGGER = logging.getLogger("library")
# As libraries do when they are imported: the handler keeps the stream.
LOGGER.addHandler(logging.StreamHandler())


class Noise(Observer):
    """Prints in all the ways that there are."""

    def epoch_finished(self, trial: int, epoch: int, value: float) -> None:
        """Print."""
        warnings.warn("python warns", stacklevel=1)
        with warnings.catch_warnings():
            # Leaving such a block makes Python forget which warnings it has shown.
            warnings.simplefilter("ignore")
        LOGGER.warning("a library logs")
        print(f"printed {trial}.{epoch} [red]as it is[/red] \x1b]0;title\x07\x1b[2J")
        print(f"half a line {trial}.{epoch}", end="", file=sys.stderr)
        print(" and the rest\r\x1b[31mover it\x1b[0m", file=sys.stderr)
        os.write(2, f"from C {trial}.{epoch}\n".encode())
        # PyTorch's C++ warns once a process.
        torch.range(0, 1)
        # So long that the screen is painted in between.
        time.sleep(0.3)


def main() -> None:
    """Search."""
    warnings.simplefilter("default")
    search = small_search(small_space(Path(tempfile.mkdtemp())))
    console = Console(highlight=False)
    with answered_once():
        result = search.run(
            search.open_study(InMemoryStorage()), n_trials=int(sys.argv[1]), observers=[screen_on(console), Noise()]
        )
    console.print(f"ended: {result.ended}")


if __name__ == "__main__":
    main()
