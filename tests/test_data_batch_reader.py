from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from ordersearch.data.batch_reader import BatchReader, Request, suited_workers
from ordersearch.errors import DataError

REQUESTS: list[Request] = [("train", np.array([number])) for number in range(6)]


def read(request: Request) -> NDArray[np.float32]:
    """The number of the process's parent, or an error for a part that there is not."""
    part, rows = request
    if part == "broken":
        raise DataError(f"{part}: row {rows[0]} is broken.")
    if part == "bug":
        raise ZeroDivisionError("a mistake of ours")
    parent = multiprocessing.parent_process()
    return np.array([rows[0], 0 if parent is None else 1], np.float32)


@pytest.mark.parametrize("n_workers", [0, 1, 3])
def test_batches_come_in_order_from_processes_of_their_own(n_workers: int) -> None:
    reader = BatchReader(read, n_workers=n_workers, pin=False)
    try:
        for _ in range(2):
            found = [batch.tolist() for batch in reader.batches(REQUESTS)]
            assert found == [[number, min(n_workers, 1)] for number in range(6)]
            assert len(multiprocessing.active_children()) == n_workers
        assert list(reader.batches([])) == []
    finally:
        reader.close()
    assert multiprocessing.active_children() == []
    reader.close()


@pytest.mark.parametrize("n_workers", [0, 2])
def test_errors_of_the_data_come_as_they_were_raised_and_others_as_themselves(n_workers: int) -> None:
    reader = BatchReader(read, n_workers=n_workers, pin=False)
    try:
        with pytest.raises(DataError, match=r"^broken: row 7 is broken\.$"):
            list(reader.batches([*REQUESTS, ("broken", np.array([7]))]))
        with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
            list(reader.batches([("bug", np.array([0]))]))
        assert len(list(reader.batches(REQUESTS))) == 6
    finally:
        reader.close()
    assert multiprocessing.active_children() == []


def test_another_thread_may_read() -> None:
    def in_thread() -> int:
        assert threading.current_thread() is not threading.main_thread()
        reader = BatchReader(read, n_workers=1, pin=False)
        try:
            return len(list(reader.batches(REQUESTS)))
        finally:
            reader.close()

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(in_thread).result() == 6
    assert multiprocessing.active_children() == []


def test_a_process_that_may_have_no_children_reads_itself() -> None:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(suited_workers(decodes=True)), daemon=True)
    process.start()
    assert receiver.recv() == 0
    process.join()
    process.close()
    for pipe in (receiver, sender):
        pipe.close()
