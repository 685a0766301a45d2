"""The control groups of Linux that this process is in (of a container or a job): they allow less than the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[tuple[Path, bool]]:
    """The folder of each group that may have a limit, and whether it is of version 2: this process's and those around.

    Args:
        controller: ``"memory"`` or ``"cpu"``.
        root: Where ``/proc`` and ``/sys`` are.
    """
    for line in file_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from ((folder, True) for folder in _upwards(root / "sys/fs/cgroup", path))
        elif controller in controllers.split(","):
            yield from ((folder, False) for folder in _upwards(root / "sys/fs/cgroup" / controller, path))


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    # Inside of a container the path may be that of the host, of which only the mount itself is to be seen.
    group = mount / path.strip("/")
    for folder in (group, *group.parents):
        yield folder
        if folder == mount:
            return


def file_text(path: Path) -> str:
    """What a file holds; nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
