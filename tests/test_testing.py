"""The checks of networks, data sets and packages: built-in ones pass, and what is planted is caught."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ordersearch.errors import PluginError
from ordersearch.networks import network_names
from ordersearch.testing import Check, dataset_checks, network_checks, plugin_checks
from tests.plugged import Install

NARROW = {"cnn": 4, "mlp": 8, "resnet": 4, "resnet9": 4, "wide_resnet": 1, "inception": 8}
NETWORK_CHECKS = [
    check
    for name in network_names()
    for check in network_checks(name, **({"width": NARROW[name]} if name in NARROW else {}))
]
IN_PROCESS = [check for name in ("digits", "wine", "diabetes") for check in dataset_checks(name)]
"""Another process takes seconds, and what is read there is the same code."""


@pytest.mark.parametrize("check", NETWORK_CHECKS, ids=str)
def test_builtin_networks_pass(check: Check) -> None:
    check()


@pytest.mark.parametrize("check", [check for check in IN_PROCESS if check.name != "fingerprint"], ids=str)
def test_builtin_data_sets_pass(check: Check) -> None:
    check()


def complaint(checks: list[Check], what: str) -> str:
    """What a check complains about."""
    (check,) = [check for check in checks if check.name == what]
    with pytest.raises(AssertionError, match=check.about) as caught:
        check()
    return str(caught.value)


NETWORKS = """
import random
import torch
from torch import nn
from ordersearch.networks import Network

def head(n_outputs, *layers, n=8):
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n, n_outputs))

def uneven(blocks, input_shape, n_outputs, *, width=8):
    block = blocks["conv"](input_shape[0], width)
    _ = [torch.rand(1) for _ in block]
    return head(n_outputs, block, n=width)

def drawn(blocks, input_shape, n_outputs):
    made = head(n_outputs, blocks["conv"](input_shape[0], 8))
    nn.init.constant_(made[-1].bias, random.random())
    return made

class Unused(nn.Module):
    def __init__(self, blocks, input_shape, n_outputs):
        super().__init__()
        self.used = head(n_outputs, blocks["conv"](input_shape[0], 8))
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.used(x)

class Centred(Unused):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        del self.unused

    def forward(self, x):
        y = self.used(x)
        return y - y.mean(0) if len(y) > 1 else y

class Kept(Centred):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.shift = random.random()

    def forward(self, x):
        return self.used(x) + self.shift

def stubborn(blocks, input_shape, n_outputs, *, width=8):
    return head(n_outputs, blocks["conv"](input_shape[0], 8))

def large(blocks, input_shape, n_outputs):
    return head(n_outputs, nn.Conv2d(input_shape[0], 8, 999), blocks["conv"](8, 8))

class Twofold(Centred):
    def forward(self, x):
        return self.used(x).repeat(1 if len(x) == 1 else 2, 1)

def row(name, build, **options):
    return Network(name, "for a test", ("conv",), (2,), build, options=options)

uneven_row, stubborn_row = row("uneven", uneven, width=8), row("stubborn", stubborn, width=8)
drawn_row, unused_row, centred_row = row("drawn", drawn), row("unused", Unused), row("centred", Centred)
kept_row, large_row, twofold_row = row("kept", Kept), row("large", large), row("twofold", Twofold)
"""


@pytest.mark.parametrize(
    ("name", "what", "told"),
    [
        (
            "uneven",
            "weights",
            r"two orders of conv: .* start unlike\. Weights are drawn when a layer is made: make the",
        ),
        ("drawn", "weights", r"Building drawn draws from random's global generator or seeds it, which would make one"),
        ("unused", "trains", r"unused on samples of shape \(3, 16, 16\): no gradient reaches unused\.weight, unused\."),
        ("centred", "evaluation", r"in evaluation the values of a sample depend on the others of its batch"),
        ("kept", "evaluation", r"with the state_dict loaded it gives other values"),
        ("stubborn", "options", r"width=16 builds the same network as width=8"),
        ("large", "builds", r"large takes 2-D maps, but fits none of the shapes \(3, 16, 16\), .*: Network 'large' of"),
        ("twofold", "builds", r"it gives \(16, 1\) for 8 samples and 1 outputs"),
    ],
)
def test_what_is_wrong_in_a_network_is_caught(install: Install, name: str, what: str, told: str) -> None:
    install(NETWORKS, group="ordersearch.networks", **{name: f"{name}_row"})
    assert re.search(told, complaint(network_checks(name), what))


DATASETS = """
import os
import numpy as np
from ordersearch.data import Dataset

def made(x, y, n=2, **more):
    held = {"input": "table", "task": "classification", "class_names": tuple("abcdef"[:n]), **more}
    return Dataset("made", np.asarray(x), np.asarray(y), None, None, **held)

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = np.arange(20) % 2

def unseeded():
    return np.random.default_rng().normal(size=(20, 3)), Y

def hashed():
    return X + hash("seed") % 1000, Y

def double():
    return made(X.astype(float), Y)

def flat():
    return made(X, Y, input="image")

def unlabelled():
    return made(X, Y + 1)

def unseen():
    return made(X, Y, n=3)

def single():
    return made(X, np.zeros(20, np.int64), n=1)

def floats():
    return made(X, Y.astype(np.float32))

def same():
    return made(np.ones((20, 3), np.float32), Y)

def elsewhere():
    if os.environ.get("PYTHONHASHSEED") == "1":
        raise OSError("no such disk")
    return made(X, Y)

def endless():
    return made(X, X * np.inf, task="regression", class_names=())
"""


@pytest.mark.parametrize(
    ("name", "what", "told"),
    [
        (
            "unseeded",
            "loads",
            r"unseeded: loaded twice, it holds other samples\. Draw from a generator with a fixed seed",
        ),
        ("hashed", "fingerprint", r"hashed: in another process it holds other samples: \w{16} instead of \w{16}"),
        (
            "elsewhere",
            "fingerprint",
            r"^elsewhere: in another process it cannot be loaded: ordersearch\.errors\.DataError: .*no such disk",
        ),
        ("double", "samples", r"made: x is of float64, where it is uint8 or float32"),
        ("flat", "samples", r"made: x has shape \(20, 3\), where image samples make 4 dimensions"),
        ("unlabelled", "samples", r"made: the targets of x lie between 1 and 2, where 2 classes are counted from 0"),
        ("unseen", "samples", r"unseen: 2 of its 3 classes have samples to train on"),
        ("single", "samples", r"made: its classes are \('a',\), where at least two have one name each"),
        (
            "floats",
            "samples",
            r"made: the targets of x are float32 of shape \(20,\), where they are int64, one a sample",
        ),
        ("same", "samples", r"made: x holds the same sample over and over"),
        ("endless", "samples", r"made: the targets of x are not finite"),
    ],
)
def test_what_is_wrong_in_a_data_set_is_caught(install: Install, name: str, what: str, told: str) -> None:
    install(DATASETS, group="ordersearch.datasets", **{name: name})
    (check,) = [check for check in dataset_checks(name) if check.name == what]
    with pytest.raises(AssertionError, match=told):
        check()


def test_a_package_has_the_checks_of_all_that_it_adds(install: Install) -> None:
    install(NETWORKS, package="nets", group="ordersearch.networks", large="large_row", stubborn="stubborn_row")
    assert [str(check) for check in plugin_checks("nets") if check.name == "row"] == ["large-row", "stubborn-row"]


def test_a_package_that_takes_the_name_of_a_builtin_is_told_so(install: Install) -> None:
    install(NETWORKS, package="nets", group="ordersearch.networks", cnn="large_row")
    (check,) = plugin_checks("nets")
    with pytest.raises(
        AssertionError, match=r"^The network 'cnn' of the plugin nets 1\.0 .* cannot replace a built-in"
    ):
        check()


def test_a_package_that_is_not_there_or_adds_nothing_is_told(install: Install) -> None:
    with pytest.raises(PluginError, match=r"^No package is installed as 'no-such-package': pip install -e \. in its"):
        plugin_checks("no-such-package")
    install("", package="empty-one", group="something.else")
    with pytest.raises(
        PluginError, match=r"^The package 'empty-one' adds nothing: .* ordersearch\.ops, ordersearch\.n"
    ):
        plugin_checks("empty-one")


def test_the_checks_need_no_pytest() -> None:
    sources = (Path(__file__).parents[1] / "src" / "ordersearch" / "testing").glob("*.py")
    assert not [path for path in sources if re.search(r"^(import|from) pytest", path.read_text(), re.MULTILINE)]
