"""What a measurement was made on, and how its figures are written: medians with their spread."""

from __future__ import annotations

import os
import platform
import shlex
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def described(device: str = "cpu") -> list[str]:
    """The command, the hardware and the versions, one a line."""
    import torch

    words = shlex.join(["python", str(Path(sys.argv[0])), *sys.argv[1:]])
    lines = [f"command   {words}", f"machine   {_processor()}, {os.cpu_count()} cores"]
    if device == "cuda":
        of = torch.cuda.get_device_properties(0)
        lines.append(f"GPU       {of.name}, {of.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}")
    lines.append(f"versions  Python {platform.python_version()}, " + ", ".join(map(_versioned, _packages())))
    return lines


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """A median with the lowest and the highest value: ``1.02 (0.98 to 1.05)``."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def written(lines: Sequence[str], name: str) -> None:
    """Print a table, and keep it in ``benchmarks/results``."""
    text = "\n".join(lines) + "\n"
    print(text, end="", flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(text, encoding="utf-8")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def _packages() -> list[str]:
    lightning = "pytorch_lightning" if "pytorch_lightning" in sys.modules else "lightning"
    return [name for name in ("torch", lightning, "optuna") if name.partition(".")[0] in sys.modules]


def _versioned(name: str) -> str:
    return f"{name} {version(name.replace('_', '-'))}"
