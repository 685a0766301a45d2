"""``package.module:attribute``: found in the current folder, run, and read whatever it gives."""

from __future__ import annotations

import random
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ordersearch.data import Dataset, dataset_from_arrays, load_dataset
from ordersearch.data.arrays import SourceArrays
from ordersearch.data.user_code import read_value
from ordersearch.errors import DataError, UnknownNameError

X, Y = np.arange(24.0).reshape(8, 3), np.array([0, 1] * 4)
Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the current folder; what was imported from there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])

    def write_module(name: str, code: str) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(code))

    yield write_module
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_a_function_in_the_current_folder(write: Write) -> None:
    write("pets.py", "def load():\n    return [[0.5], [1.5]] * 4, ['cat', 'dog'] * 4\n")
    dataset = load_dataset("pets:load")
    assert (dataset.name, dataset.class_names, dataset.x_test) == ("pets.load", ("cat", "dog"), None)
    assert dataset.x[:2].tolist() == [[0.5], [1.5]]


@pytest.mark.parametrize("library", ["pytorch_lightning", "lightning.pytorch"])
def test_a_lightning_data_module_in_a_package(write: Write, library: str) -> None:
    pytest.importorskip(library)
    write("shop/__init__.py", "")
    write(
        "shop/data.py",
        f"""
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        from {library} import LightningDataModule

        class Images(LightningDataModule):
            def __init__(self, n=12):
                super().__init__()
                self.n = n

            def setup(self, stage):
                self.data = TensorDataset(torch.rand(self.n, 3, 8, 8), torch.arange(self.n) % 3)

            def train_dataloader(self):
                return DataLoader(self.data, batch_size=5, shuffle=True)

            val_dataloader = train_dataloader

        small = Images(6)
        """,
    )
    dataset = load_dataset("shop.data:Images")
    assert (dataset.input, dataset.input_shape, dataset.n_outputs) == ("image", (3, 8, 8), 3)
    assert dataset.y_val is not None
    assert sorted(dataset.y_val.tolist()) == sorted(dataset.y.tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    assert len(load_dataset("shop.data:small").x) == 6


def test_random_code_gives_the_same_data_every_time_and_leaves_the_generators_alone(write: Write) -> None:
    write(
        "noise.py",
        """
        import random
        import numpy as np
        import torch

        def load():
            random_column = [random.random() for _ in range(8)]
            return np.stack([random_column, np.random.rand(8), torch.rand(8).numpy()], 1), [0, 1] * 4
        """,
    )
    first = load_dataset("noise:load")
    drawn: list[tuple[float, ...]] = []
    for _ in range(2):
        random.seed(5)
        np.random.seed(5)
        torch.manual_seed(5)
        if drawn:
            assert load_dataset("noise:load").fingerprint == first.fingerprint
        drawn.append((random.random(), np.random.rand(), torch.rand(()).item()))
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("value", "n_test"),
    [
        ((X, Y), None),
        ([X, Y], None),
        ((X, Y, X[:2], Y[:2]), 2),
        ({"x_train": X, "y_train": Y, "x_test": X[:2], "y_test": Y[:2]}, 2),
        ({"X": X, "Y": Y}, None),
        ((torch.tensor(X), torch.tensor(Y), X[:2], Y[:2].tolist()), 2),
    ],
)
def test_arrays_in_every_form(value: Any, n_test: int | None) -> None:
    for given in (value, lambda: value):
        source = read_value(given, at="mine:load")
        assert isinstance(source, SourceArrays)
        np.testing.assert_array_equal(np.asarray(source.train.x), X)
        np.testing.assert_array_equal(source.train.y, Y)
        assert (None if source.test is None else len(source.test.y)) == n_test


@pytest.mark.parametrize("key", ["classes", "class_names"])
def test_a_dict_may_name_classes_and_a_validation_part(key: str) -> None:
    source = read_value({"x": X, "y": Y, "x_val": X[:4], "y_val": Y[:4], key: ["a", "b"]}, at="mine:load")
    assert isinstance(source, SourceArrays)
    assert source.class_names == ("a", "b")
    assert source.validation is not None
    assert len(source.validation.y) == 4


def test_a_dataset_is_taken_as_it_is_and_cannot_be_read_otherwise(write: Write) -> None:
    dataset = dataset_from_arrays(X, Y)
    assert read_value(lambda: dataset, at="mine:load") is dataset
    write(
        "ready.py",
        "from ordersearch.data import dataset_from_arrays\n"
        "data = dataset_from_arrays([[0.5], [1.5]] * 4, [0, 1] * 4)\n",
    )
    assert isinstance(load_dataset("ready:data", input="table", task="classification"), Dataset)
    with pytest.raises(DataError, match=r"ready:data: gives a Dataset of input='table', which input='signal' cannot"):
        load_dataset("ready:data", input="signal")
    with pytest.raises(DataError, match=r"gives a Dataset of task='classification', which task='regression' cannot"):
        load_dataset("ready:data", task="regression")


def test_a_class_with_a_method_that_makes_arrays(write: Write) -> None:
    write("pets.py", "class Pets:\n    @staticmethod\n    def load():\n        return [[0.5], [1.5]] * 4, [0, 1] * 4\n")
    assert len(load_dataset("pets:Pets.load").x) == 8


class NeedsPath:
    def __init__(self, path: str, size: int, *, seed: int = 0, **options: int) -> None:
        raise AssertionError("not called")


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (None, r"gives None, but it has to be a LightningDataModule, or a function without arguments that returns one"),
        (lambda: (X, Y, X), r"gives a tuple of 3: a ndarray of shape \(8, 3\), a ndarray of shape \(8,\), a ndarray"),
        (lambda: torch.zeros(3), r"gives a Tensor of shape \(3,\), but it has to be"),
        (NeedsPath, r"needs the arguments path, size, but it is called with none\. Give them defaults, or write"),
        ({"images": X, "labels": Y}, r"gives a dict with the keys 'images', 'labels', but the keys are x_train and"),
        ({"x_train": X}, "gives x_train without y_train, but each part needs both"),
        ({"x": X, "y": Y, "y_test": Y}, "gives y_test without x_test"),
        (([[1.0], [2.0, 3.0]], [0, 1]), r"x_train is no array: .*inhomogeneous"),
    ],
)
def test_what_is_no_data_set_is_told(value: Any, match: str) -> None:
    with pytest.raises(DataError, match=rf"^mine:load: {match}"):
        read_value(value, at="mine:load")


def test_a_module_or_an_attribute_that_is_not_there_is_told_with_the_nearest(write: Write) -> None:
    write("pets.py", "def load():\n    pass\n")
    with pytest.raises(
        UnknownNameError, match=r"^pet:load: no module is named 'pet'\. Did you mean 'pets'\? Looked in"
    ):
        load_dataset("pet:load")
    with pytest.raises(UnknownNameError, match=r"^pets:laod \(pets\.py\): no attribute is named 'laod'\. .* 'load'\?"):
        load_dataset("pets:laod")


@pytest.mark.parametrize("code", ["\n1 / 0\n", "def load():\n    return 1 / 0\n"])
def test_an_error_of_the_code_is_one_message_with_its_line(write: Write, code: str) -> None:
    write("broken.py", code)
    match = r"^broken:load raised ZeroDivisionError: division by zero \(broken\.py:2\)\.$"
    with pytest.raises(DataError, match=match) as caught:
        load_dataset("broken:load")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_target_is_for_columns(write: Write) -> None:
    write("pets.py", "1 / 0\n")
    with pytest.raises(DataError, match=r"^pets:load: got target='kind', but only tables .* and hf:NAME have columns"):
        load_dataset("pets:load", target="kind")
