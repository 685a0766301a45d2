"""What is handed to another process, and that it is the same there."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ordersearch.data.rows import ImageRows
from ordersearch.networks import Network, find_network
from ordersearch.workers import Workers, WorkersError
from ordersearch.workers.handover import hand_over, obstacle, take_over
from tests.searches import small_search, small_space

POSIX = pytest.mark.skipif(os.name != "posix", reason="workers need POSIX")
JOURNAL = "runs/few/study.journal"


def build_plain(blocks: Any, input_shape: tuple[int, ...], n_outputs: int) -> nn.Module:
    """A network as a user writes it."""
    return nn.Sequential(blocks["conv"](input_shape[0], 4), nn.Flatten(), nn.LazyLinear(n_outputs))


build_named = lambda *given: build_plain(*given[:3])  # noqa: E731


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two cores, whatever this one has."""
    monkeypatch.setattr("ordersearch.workers.sharing.available_cores", lambda *_, **__: 2)


def handed(value: Any) -> Any:
    """The value as another process would have it."""
    with tempfile.TemporaryFile() as file:
        return take_over(hand_over(value, file), file.fileno())


def test_a_search_is_the_same_after_it_was_handed_over(tmp_path: Path) -> None:
    search = small_search(small_space(tmp_path), network=find_network("cnn").with_options(width=8))
    again = handed(search)
    assert again.identity() == search.identity()
    assert again.network == search.network
    np.testing.assert_array_equal(again.dataset.x, search.dataset.x)


def test_arrays_are_shared_pages_that_may_be_written_without_the_other_side_seeing_it() -> None:
    array = np.arange(5000.0)
    with tempfile.TemporaryFile() as file:
        parcel = hand_over({"a": array, "none": np.zeros((0, 3)), "turned": np.ones((3, 4)).T}, file)
        assert len(parcel.pickled) < 1000, "the arrays are in the file"
        one, other = take_over(parcel, file.fileno()), take_over(parcel, file.fileno())
    one["a"][:] = 0
    np.testing.assert_array_equal(other["a"], array)
    assert torch.from_numpy(other["a"]).sum() == array.sum()
    assert one["none"].shape == (0, 3)
    assert one["turned"].shape == (4, 3)


def test_an_array_that_lies_in_a_file_is_read_from_there(tmp_path: Path) -> None:
    path = tmp_path / "large.npy"
    np.save(path, np.arange(40_000, dtype=np.int32).reshape(10_000, 4))
    mapped = np.load(path, mmap_mode="r")
    with tempfile.TemporaryFile() as file:
        parcel = hand_over({"whole": mapped, "part": mapped[3000:7000].view()}, file)
        assert sum(n for _, n in parcel.spans) == 0
        again = take_over(parcel, file.fileno())
    np.testing.assert_array_equal(again["whole"], mapped)
    np.testing.assert_array_equal(again["part"], mapped[3000:7000])
    steps = handed({"steps": mapped[::7]})["steps"]
    np.testing.assert_array_equal(steps, mapped[::7])


def test_images_that_were_decoded_are_not_decoded_again(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.new("L", (9, 8), 200).save(path)
    rows = ImageRows([path, path], mode="L")
    rows.keep()
    path.unlink()
    again = handed(rows)
    assert not again.decodes
    assert again[np.array([1])][0, 0, 0, 0] == 200


def test_a_network_of_ones_own_is_found_by_its_name() -> None:
    for name in ("tests.test_workers_handover:build_plain", "tests.test_workers_handover:build_named"):
        network = find_network(name)
        assert not obstacle(network), "a lambda that has a name in a module is found by it"
        assert handed(network) == network


def test_what_cannot_be_found_again_is_said() -> None:
    network = Network("mine", "", (), (2,), build=lambda blocks, input_shape, n_outputs: nn.Identity())
    assert "cannot be handed to another process" in obstacle(network)
    assert "has to stand in a module, under its own name." in obstacle(network)
    script: dict[str, Any] = {"__name__": "__main__"}
    exec("def build(): pass", script)
    assert "build is defined in the script that runs" in obstacle(script["build"])
    changed = replace(find_network("cnn"), build=build_plain)
    assert handed(changed) == changed, "another network of the same name is not taken for it"


@POSIX
@pytest.mark.usefixtures("two_cores")
def test_what_cannot_be_handed_over_has_one_process_and_says_so(tmp_path: Path) -> None:
    network = Network("mine", "", (), (2,), build=lambda *_: nn.Identity())
    search = small_search(small_space(tmp_path), network=network)
    with pytest.raises(WorkersError, match="got 2, but this search cannot be handed to another process"):
        Workers(search, JOURNAL, workers=2)
    team = Workers(search, JOURNAL, n_trials=100)
    assert team.sharing.n == 1
    assert "One process instead of 2: this search cannot be handed" in team.sharing.note
