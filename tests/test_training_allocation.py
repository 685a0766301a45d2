from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
from ordersearch.training.allocation import keep_freed_memory
kept = sys.argv[1] == "kept"
assert not kept or keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(2**24)
before = faults()
for _ in range(5):
    torch.ones(2**24)
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_large_blocks_are_handed_out_again_without_asking_the_system() -> None:
    faults = {}
    for way in ("kept", "given back"):
        shown = subprocess.run([sys.executable, "-c", PROGRAM, way], check=True, capture_output=True, text=True).stdout
        faults[way] = int(shown)
    assert faults["kept"] < 100
    # 64 MB are 16384 pages, or 32 large ones.
    assert faults["given back"] >= 5 * 32
