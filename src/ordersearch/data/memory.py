"""How much memory a data set may take before it is streamed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ordersearch.data.control_groups import control_groups, file_text
from ordersearch.errors import DataError

VARIABLE = "ORDERSEARCH_MEMORY"
SHARE = 0.4
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_UNKNOWN_FREE = 4 * 2**30
_NEW_FILES = ("memory.max", "memory.current", "inactive_file")
_OLD_FILES = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def memory_budget(environ: Mapping[str, str] = os.environ, *, root: Path = Path("/")) -> int:
    """Bytes that the samples of one split may take: what ``ORDERSEARCH_MEMORY`` says, else 40 % of the free memory.

    Free is what the machine could give out now, or less when a control group (of a container or a job) allows less.

    Args:
        environ: The environment variables. ``ORDERSEARCH_MEMORY`` is a number of bytes, or one with K, M, G or T
            (powers of 1024) after it, such as ``"2G"`` or ``"0.5G"``; 0 streams whatever there is.
        root: Where ``/proc`` and ``/sys`` are.

    Example:
        >>> memory_budget({"ORDERSEARCH_MEMORY": "1.5G"}) / 2**30
        1.5

    Raises:
        DataError: The variable holds no such number.
    """
    text = environ.get(VARIABLE, "").strip()
    return _bytes(text) if text else int(SHARE * free_memory(root))


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that this process can still take, of the machine and of every control group that it is in."""
    return max(0, min([_machine_free(root), *_groups_free(root)]))


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*([KMGT]?)(?:I?B)?", text.upper())
    if match is None:
        raise DataError(
            f"{VARIABLE}: got {text!r}, but it is a number of bytes, or one with K, M, G or T after it, '2G' say."
        )
    return int(float(match[1]) * 1024 ** _UNITS[match[2]])


def _machine_free(root: Path) -> int:
    told = re.search(r"^MemAvailable:\s+(\d+) kB", file_text(root / "proc/meminfo"), re.MULTILINE)
    if told is not None:
        return int(told[1]) * 1024
    try:
        # Elsewhere than on Linux nobody says what is free without being asked in C: half of what there is.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN_FREE


def _groups_free(root: Path) -> Iterator[int]:
    """What each control group with a limit has left."""
    for folder, is_new in control_groups("memory", root):
        limit, usage, cached = _NEW_FILES if is_new else _OLD_FILES
        most, used = file_text(folder / limit).strip(), file_text(folder / usage).strip()
        if most.isdigit() and used.isdigit():
            # Files that were read count as used, and are given up first.
            stat = re.search(rf"^{cached} (\d+)$", file_text(folder / "memory.stat"), re.MULTILINE)
            yield int(most) - int(used) + (int(stat[1]) if stat else 0)
