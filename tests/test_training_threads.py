from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ordersearch.training.threads import available_cores, limited_threads, suited_threads


def cores_here() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def group(root: Path, membership: str, **files: str) -> Path:
    """A machine's files in which this process is in a control group."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(membership)
    for path, text in files.items():
        file = root / "sys/fs/cgroup" / path.replace("__", "/").replace("--", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_small_samples_take_one_thread_and_large_ones_what_the_process_has() -> None:
    with limited_threads(3):
        with suited_threads((1, 8, 8)):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with suited_threads((1, 28, 28)):
            assert torch.get_num_threads() == 3


def test_threads_are_as_before_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError, match="division"), limited_threads(before + 1):
        _ = 1 / 0
    assert torch.get_num_threads() == before


def test_cores_are_those_that_the_process_may_run_on(tmp_path: Path) -> None:
    assert available_cores({}, root=tmp_path) == cores_here()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can be taken away on Linux only")
def test_a_core_that_is_taken_away_does_not_count(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available_cores({}, root=tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("asked", "holds"), [("1", 1), ("1,4", 1), ("0", 1), ("many", None), ("4096", None)])
def test_the_users_own_limit_of_threads_counts(tmp_path: Path, asked: str, holds: int | None) -> None:
    assert available_cores({"OMP_NUM_THREADS": asked}, root=tmp_path) == (holds or cores_here())


@pytest.mark.parametrize(
    ("membership", "files"),
    [
        ("0::/job/step\n", {"job__cpu--max": "100000 100000\n", "job__step__cpu--max": "max 100000\n"}),
        ("0::/not/to/be/seen\n", {"cpu--max": "150000 100000\n"}),
        ("4:cpu,cpuacct:/job\n", {"cpu__job__cpu--cfs_quota_us": "50000\n", "cpu__job__cpu--cfs_period_us": "50000\n"}),
        ("4:cpu,cpuacct:/job\n", {"cpu__job__cpu--cfs_quota_us": "20000\n", "cpu__job__cpu--cfs_period_us": "90000\n"}),
    ],
    ids=["a group around it", "of the host", "version 1", "less than a core"],
)
def test_a_control_groups_limit_counts(tmp_path: Path, membership: str, files: dict[str, str]) -> None:
    assert available_cores({}, root=group(tmp_path, membership, **files)) == 1


@pytest.mark.parametrize(
    ("membership", "files"),
    [
        ("0::/job\n", {"job__cpu--max": "max 100000\n"}),
        ("4:cpu:/job\n", {"cpu__job__cpu--cfs_quota_us": "-1\n", "cpu__job__cpu--cfs_period_us": "100000\n"}),
        ("4:memory:/job\n", {"cpu__job__cpu--cfs_quota_us": "1\n", "cpu__job__cpu--cfs_period_us": "100000\n"}),
        ("0::/job\n", {"job__cpu--max": "nonsense\n"}),
    ],
    ids=["none", "none of version 1", "of something else", "unreadable"],
)
def test_without_a_limit_all_cores_count(tmp_path: Path, membership: str, files: dict[str, str]) -> None:
    assert available_cores({}, root=group(tmp_path, membership, **files)) == cores_here()
