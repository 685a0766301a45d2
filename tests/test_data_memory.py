from __future__ import annotations

from pathlib import Path

import pytest

from ordersearch.data.memory import SHARE, free_memory, memory_budget
from ordersearch.errors import DataError


def machine(root: Path, files: dict[str, str], *, available_kb: int = 10_000_000, cgroup: str = "") -> Path:
    """A root folder with what Linux tells there, and these files in its folder of control groups."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable:   {available_kb} kB\n")
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000", 1000),
        ("2G", 2 * 2**30),
        ("2GB", 2 * 2**30),
        ("64M", 64 * 2**20),
        ("64 MiB", 64 * 2**20),
        (".5k", 512),
        ("0.5T", 2**39),
        ("0", 0),
    ],
)
def test_the_variable_is_a_number_of_bytes_with_or_without_a_unit(text: str, expected: int) -> None:
    assert memory_budget({"ORDERSEARCH_MEMORY": text}) == expected


@pytest.mark.parametrize("text", ["lots", "-1", "2X", "1e9", "G", "50%"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=rf"^ORDERSEARCH_MEMORY: got '{text}', but it is a number of bytes, or .* '2G'"):
        memory_budget({"ORDERSEARCH_MEMORY": text})


@pytest.mark.parametrize("environ", [{}, {"ORDERSEARCH_MEMORY": " "}])
def test_without_it_a_share_of_what_is_free_is_taken(tmp_path: Path, environ: dict[str, str]) -> None:
    root = machine(tmp_path, {}, available_kb=1000)
    assert memory_budget(environ, root=root) == int(SHARE * 1000 * 1024)


def test_this_machine_has_memory() -> None:
    assert 2**20 < free_memory() < 2**50


def test_a_control_group_of_version_2_limits_it_and_cached_files_do_not_count(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "job/step/memory.max": "5000\n",
            "job/step/memory.current": "3000\n",
            "job/step/memory.stat": "anon 100\ninactive_file 700\nactive_file 900\n",
        },
        cgroup="0::/job/step\n",
    )
    assert free_memory(root) == 2700


def test_the_narrowest_group_around_it_counts(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "job/step/memory.max": "max\n",
            "job/step/memory.current": "10\n",
            "job/memory.max": "900\n",
            "job/memory.current": "100\n",
        },
        cgroup="0::/job/step\n",
    )
    assert free_memory(root) == 800


def test_a_control_group_of_version_1_limits_it(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {"memory/memory.limit_in_bytes": "6000\n", "memory/memory.usage_in_bytes": "1000\n"},
        cgroup="7:blkio:/\n4:cpu,memory:/docker/abc\n0::/\n",
    )
    assert free_memory(root) == 5000


def test_a_group_that_is_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    root = machine(tmp_path, {"memory.max": "100\n", "memory.current": "150\n"}, cgroup="0::/\n")
    assert free_memory(root) == 0


def test_a_machine_that_tells_nothing_is_given_a_guess(tmp_path: Path) -> None:
    assert free_memory(tmp_path) > 2**28
