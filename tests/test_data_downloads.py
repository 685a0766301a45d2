"""Names that torchvision downloads; a package of its name that writes small real files stands in for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ordersearch.data import load_dataset
from ordersearch.data.downloads import DOWNLOADS, cache_folder
from ordersearch.errors import DataError
from tests.images import cut
from tests.test_data_idx import write_idx_folder

TORCHVISION = """
from pathlib import Path

from tests.test_data_cifar import write_version
from tests.test_data_idx import write_idx_folder
from tests.test_data_svhn import write_svhn


def made(name, write):
    def __init__(self, root, download=False, **options):
        assert download
        print(f"{name} is fetched")
        with (Path(root) / "calls.txt").open("a") as file:
            file.write(f"{name} {options}\\n")
        write(Path(root))

    return type(name, (), {"__init__": __init__})


MNIST, FashionMNIST, KMNIST = (
    made(name, lambda root, name=name: write_idx_folder(root / name / "raw", suffix=".gz"))
    for name in ("MNIST", "FashionMNIST", "KMNIST")
)


def write_emnist(root):
    for split in ("balanced", "letters"):
        write_idx_folder(root / "EMNIST" / "raw", prefix=f"emnist-{split}-")


EMNIST = made("EMNIST", write_emnist)
CIFAR10 = made("CIFAR10", lambda root: write_version(root / "cifar-10-batches-py", "cifar-10-batches-py"))
CIFAR100 = made("CIFAR100", lambda root: write_version(root / "cifar-100-python", "cifar-100-python"))
SVHN = made("SVHN", write_svhn)
"""
FAILING = """
class MNIST:
    def __init__(self, root, download=False):
        print("MNIST is fetched")
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and an empty current folder."""
    monkeypatch.setenv("ORDERSEARCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "cache"


@pytest.fixture
def torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes ``import torchvision.datasets`` run this text."""

    def install(text: str) -> None:
        (tmp_path / "packages" / "torchvision").mkdir(parents=True)
        (tmp_path / "packages" / "torchvision" / "__init__.py").touch()
        (tmp_path / "packages" / "torchvision" / "datasets.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path / "packages")

    # Recorded as absent (or as it was), so that it is gone when the test ends.
    for name in ("torchvision", "torchvision.datasets"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)
    return install


@pytest.mark.parametrize("name", DOWNLOADS)
def test_every_name_is_downloaded_once_and_then_read_from_the_cache(
    cache: Path, torchvision: Callable[[str], None], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torchvision(TORCHVISION)
    dataset = load_dataset(name)
    assert (dataset.name, dataset.input) == (name, "image")
    assert dataset.x_test is not None
    assert dataset.notes[0].startswith(f"Read from {cache}")
    calls = (cache / "calls.txt").read_text()
    assert len(calls.splitlines()) == (2 if name == "svhn" else 1)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"Downloading {name} into {cache} through torchvision.\n" in shown.err
    assert " is fetched\n" in shown.err
    assert load_dataset(name).fingerprint == dataset.fingerprint
    assert (cache / "calls.txt").read_text() == calls
    assert capsys.readouterr().err == ""


def test_emnist_is_its_balanced_split(cache: Path, torchvision: Callable[[str], None]) -> None:
    torchvision(TORCHVISION)
    assert load_dataset("emnist").class_names == ("0", "1")
    assert (cache / "calls.txt").read_text() == "EMNIST {'split': 'balanced'}\n"


@pytest.mark.usefixtures("cache")
def test_files_of_tutorials_in_the_folder_data_need_no_torchvision(torchvision: Callable[[str], None]) -> None:
    torchvision("raise ImportError('not needed')")
    write_idx_folder(Path("data") / "MNIST" / "raw")
    dataset = load_dataset("mnist")
    assert dataset.notes[0] == "Read from data/MNIST/raw.".replace("/raw", "")
    assert len(dataset.x) == 4


@pytest.mark.usefixtures("cache")
def test_broken_files_in_the_folder_data_are_told_and_not_replaced(torchvision: Callable[[str], None]) -> None:
    torchvision(TORCHVISION)
    cut(write_idx_folder(Path("data") / "MNIST" / "raw") / "train-images-idx3-ubyte")
    with pytest.raises(DataError, match=r"its header says 4x8x8 .* are removed from data/MNIST, mnist is downloaded"):
        load_dataset("mnist")


def test_a_download_that_was_interrupted_goes_on(cache: Path, torchvision: Callable[[str], None]) -> None:
    torchvision(TORCHVISION)
    folder = write_idx_folder(cache / "MNIST" / "raw", suffix=".gz")
    cut(folder / "t10k-images-idx3-ubyte.gz")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert load_dataset("mnist").x_test is not None
    assert (cache / "calls.txt").read_text() == "MNIST {}\n"


def test_a_test_part_that_is_missing_is_fetched(cache: Path, torchvision: Callable[[str], None]) -> None:
    torchvision(TORCHVISION)
    write_idx_folder(cache / "KMNIST" / "raw", test=False)
    assert load_dataset("kmnist").x_test is not None


@pytest.mark.usefixtures("cache")
def test_a_download_that_leaves_no_files_is_told(torchvision: Callable[[str], None]) -> None:
    torchvision(TORCHVISION.replace('root / name / "raw"', 'root / "elsewhere"'))
    with pytest.raises(DataError, match=r"mnist: torchvision has downloaded it, but .*MNIST holds no train-images"):
        load_dataset("mnist")


def test_a_missing_torchvision_is_told_with_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(
        DataError, match=r"svhn: it is neither in .*cache nor in \./data\..*'ordersearch\[vision\]', or"
    ):
        load_dataset("svhn")
    assert not cache.exists()


@pytest.mark.usefixtures("cache")
def test_a_broken_torchvision_is_told(torchvision: Callable[[str], None]) -> None:
    torchvision("raise RuntimeError('operator torchvision::nms does not exist')")
    with pytest.raises(DataError, match=r"cannot be imported \(RuntimeError: operator torchvision::nms does not exist"):
        load_dataset("cifar10")


@pytest.mark.usefixtures("cache")
def test_a_download_that_fails_is_told(torchvision: Callable[[str], None]) -> None:
    torchvision(FAILING)
    match = r"mnist: the download into .*cache failed: RuntimeError: Error downloading .*Try again, or give the path of"
    with pytest.raises(DataError, match=match):
        load_dataset("mnist")


def test_a_cache_that_cannot_be_made_is_told(
    tmp_path: Path, torchvision: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision(TORCHVISION)
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORDERSEARCH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match=r"the download into .*file/cache failed: NotADirectoryError"):
        load_dataset("mnist")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"ORDERSEARCH_CACHE": "/big/disk", "XDG_CACHE_HOME": "/xdg"}, "/big/disk"),
        ({"ORDERSEARCH_CACHE": "~/sets"}, "~/sets"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/ordersearch"),
        ({"XDG_CACHE_HOME": "relative"}, "~/.cache/ordersearch"),
        ({"XDG_CACHE_HOME": "", "ORDERSEARCH_CACHE": ""}, "~/.cache/ordersearch"),
        ({}, "~/.cache/ordersearch"),
    ],
)
def test_the_cache_folder(environ: dict[str, str], expected: str) -> None:
    assert cache_folder(environ) == Path(expected).expanduser()


def test_files_are_read_as_torchvision_reads_them(cache: Path, torchvision: Callable[[str], None]) -> None:
    torchvision(TORCHVISION)
    emnist, mnist = load_dataset("emnist"), load_dataset("mnist")
    # The files hold the same images, of which EMNIST's lie on their side.
    np.testing.assert_array_equal(emnist.x.transpose(0, 1, 3, 2), mnist.x)
    assert cache.is_dir()
