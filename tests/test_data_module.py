"""DataModules, read once into arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from ordersearch.data.arrays import SourceArrays, assemble
from ordersearch.data.data_module import read_data_module
from ordersearch.errors import DataError

FROZEN = "The loaders of mine:Data were read once: a random transform in them stays as it was drawn."


def samples(n: int, start: int = 0) -> TensorDataset:
    """Signals that all hold their own number, of two classes."""
    numbers = torch.arange(start, start + n)
    return TensorDataset(numbers[:, None, None].float().expand(n, 2, 5), numbers % 2)


class Data(pl.LightningDataModule):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def prepare_data(self) -> None:
        self.calls.append("prepare_data")

    def setup(self, stage: str) -> None:
        self.calls.append(stage)

    def train_dataloader(self) -> Any:
        return DataLoader(samples(10), batch_size=4)


class Full(Data):
    def val_dataloader(self) -> Any:
        return [DataLoader(samples(4, 100), batch_size=3)]

    def test_dataloader(self) -> Any:
        assert self.calls[-1] == "test"
        return DataLoader(samples(6, 200), batch_size=6)


def read(module: Any) -> SourceArrays:
    return read_data_module(module, at="mine:Data")


def test_loaders_become_parts() -> None:
    module = Full()
    source = read(module)
    assert module.calls == ["prepare_data", "fit", "test"]
    assert (source.name, source.notes) == ("mine.Data", (FROZEN,))
    dataset = assemble(source)
    assert (dataset.x.shape, dataset.x.dtype) == ((10, 2, 5), np.float32)
    assert dataset.y.tolist() == [0, 1] * 5
    for x, numbers in ((dataset.x, range(10)), (dataset.x_val, range(100, 104)), (dataset.x_test, range(200, 206))):
        assert isinstance(x, np.ndarray)
        assert x[:, 1, 4].tolist() == list(numbers)


def test_loaders_that_are_not_defined_leave_their_parts_to_be_drawn() -> None:
    source = read(Data())
    assert (source.validation, source.test) == (None, None)


def test_what_is_no_lightning_but_has_its_methods_does() -> None:
    class Plain:
        def train_dataloader(self) -> Iterator[tuple[Any, Any]]:
            yield from [(np.zeros((2, 3)), np.array([0, 1]))] * 2
            yield torch.zeros(1, 3), torch.tensor([1])

        def val_dataloader(self) -> None:
            return None

    source = read(Plain())
    assert (source.train.x.shape, source.train.y.tolist(), source.validation) == ((5, 3), [0, 1, 0, 1, 1], None)


def test_a_module_of_data_sets() -> None:
    # Its loaders pin their memory, of which PyTorch warns where there is no accelerator.
    module = pl.LightningDataModule.from_datasets(samples(9), test_dataset=samples(4), batch_size=2)
    torch.manual_seed(3)
    source = read(module)
    assert sorted(source.train.x[np.arange(9)][:, 0, 0].tolist()) == list(range(9))
    assert source.validation is None
    assert source.test is not None
    assert len(source.test.y) == 4
    torch.manual_seed(3)
    np.testing.assert_array_equal(np.asarray(read(module).train.x), np.asarray(source.train.x))


def test_samples_that_a_loader_leaves_out_are_told() -> None:
    class Dropping(Data):
        def train_dataloader(self) -> Any:
            return DataLoader(samples(10), batch_size=4, drop_last=True)

    assert read(Dropping()).notes[1:] == (
        "mine:Data: train_dataloader gives 8 samples of a data set of 10 (drop_last, or a sampler of its own).",
    )


def test_a_transfer_hook_that_is_not_called_is_told() -> None:
    class Augmenting(Data):
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            raise AssertionError("not called")

    assert read(Augmenting()).notes[1:] == ("on_after_batch_transfer of mine:Data is not called.",)


def test_class_names_come_from_the_data_set_of_the_training_loader() -> None:
    class Pets(TensorDataset):
        classes = ("cat", "dog")

    class Named(Data):
        def train_dataloader(self) -> Any:
            return DataLoader(Subset(Pets(*samples(10).tensors), range(8)), batch_size=4)

    assert assemble(read(Named())).class_names == ("cat", "dog")


def test_worker_processes() -> None:
    class Working(Data):
        def train_dataloader(self) -> Any:
            return DataLoader(samples(10), batch_size=4, num_workers=1)

    assert np.asarray(read(Working()).train.x)[:, 0, 0].tolist() == list(range(10))


class Items(Dataset[Any]):
    """Two samples, each this value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


PIXELS = torch.zeros(3, 4)


@pytest.mark.parametrize(
    ("item", "match"),
    [
        ({"image": PIXELS, "label": 1}, r"a batch is a dict with the keys 'image', 'label', but it has to be \(x, y\)"),
        (PIXELS, r"a batch is a Tensor of shape \(2, 3, 4\), but it has to be"),
        ((PIXELS, 1, 2), r"a tuple|list of 3: a Tensor of shape \(2, 3, 4\), a Tensor of shape \(2,\), a Tensor"),
        ((PIXELS, "cat"), r"a list of 2: a Tensor of shape \(2, 3, 4\), a tuple, but it has to be"),
        ((PIXELS, {"label": 1}), r"a list of 2: a Tensor .*, a dict with the keys 'label', but it has to be"),
    ],
)
def test_batches_that_are_no_pairs_are_told(item: Any, match: str) -> None:
    class Other(Data):
        def val_dataloader(self) -> Any:
            return DataLoader(Items(item), batch_size=2)

    with pytest.raises(DataError, match=rf"^mine:Data: val_dataloader: .*{match}"):
        read(Other())


@pytest.mark.parametrize(
    ("loader", "match"),
    [
        (None, "train_dataloader gives None, but there have to be samples to train on"),
        (
            {"a": [], "b": []},
            "train_dataloader gives a dict with the keys 'a', 'b', but a part is read from one loader",
        ),
        ([[], []], "train_dataloader gives a list of 2: a list, a list, but a part"),
        ([{"image": 1}], "train_dataloader gives a dict with the keys 'image', but a part"),
        (iter(()), "train_dataloader: gives no batches"),
        (iter([(PIXELS, torch.zeros(2))]), "train_dataloader: a batch has 3 inputs and 2 targets"),
        (
            iter([(PIXELS, torch.zeros(3)), (torch.zeros(3, 9), torch.zeros(3))]),
            "train_dataloader: its batches hold samples of different shapes",
        ),
        (3, "train_dataloader raised TypeError: 'int' object is not iterable"),
    ],
)
def test_loaders_that_cannot_be_read_are_told(loader: Any, match: str) -> None:
    class Given(Data):
        def train_dataloader(self) -> Any:
            return loader

    with pytest.raises(DataError, match=rf"^mine:Data: {match}"):
        read(Given())


def test_what_does_not_fit_into_memory_is_told_even_when_it_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(IterableDataset[Any]):
        def __iter__(self) -> Iterator[tuple[Tensor, int]]:
            while True:
                yield PIXELS, 1

    class Streaming(Data):
        def train_dataloader(self) -> Any:
            return DataLoader(Endless(), batch_size=8)

    monkeypatch.setenv("ORDERSEARCH_MEMORY", "100K")
    with pytest.raises(DataError, match=r"train_dataloader: gives more than 0\.0 GiB, which is what data may take"):
        read(Streaming())


@pytest.mark.parametrize("stage", ["fit", "test"])
def test_an_error_of_a_hook_names_it_and_its_line(stage: str) -> None:
    class Failing(Data):
        def setup(self, stage: str) -> None:
            raise_at(stage)

    def raise_at(got: str) -> None:
        if got == stage:
            raise FileNotFoundError("no data/images")

    line = raise_at.__code__.co_firstlineno + 2
    match = (
        rf"^mine:Data: setup\('{stage}'\) raised FileNotFoundError: no data/images \(.*test_data_module\.py:{line}\)\.$"
    )
    with pytest.raises(DataError, match=match):
        read(Failing())


@pytest.mark.parametrize("n_workers", [0, 1])
def test_an_error_of_a_data_set_is_one_line(n_workers: int) -> None:
    class Failing(Data):
        def train_dataloader(self) -> Any:
            return DataLoader(Items(OSError("image 3 is broken")), num_workers=n_workers)

    line = Items.__getitem__.__code__.co_firstlineno + 2
    match = rf"^mine:Data: train_dataloader raised OSError: image 3 is broken \(.*test_data_module\.py:{line}\)\.$"
    with pytest.raises(DataError, match=match):
        read(Failing())
