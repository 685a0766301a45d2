"""The orders that have a name: what each is, what it means, and which of them a block equals."""

from __future__ import annotations

import re

import pytest

from ordersearch.advice import CATALOGUE, NamedOrder, find_reference, well_known
from ordersearch.advice.library_orders import LIBRARY_ORDERS
from ordersearch.advice.literature_orders import LITERATURE_ORDERS
from ordersearch.advice.residual_orders import RESIDUAL_ORDERS
from ordersearch.errors import UnknownNameError
from ordersearch.identities import equivalent, members
from ordersearch.ops import OpSpec
from ordersearch.spec import BlockSpec

parse = BlockSpec.parse
ROWS = (*LITERATURE_ORDERS, *LIBRARY_ORDERS, *RESIDUAL_ORDERS)

# What each name means, in the letters of those who compare libraries: W weight, N norm, A activation, P pool,
# D dropout, + the shortcut's joint. In front of the colon, the ops that a letter stands for.
MEANINGS = {
    "convention": "W N A P D",
    "norm after activation": "W A N P D",
    "norm only": "W N A P",
    "dropout only": "W A P D",
    "neither": "W A P",
    "forum order": "W A P D N",
    "forum's second order": "W N A P D",
    "fast.ai lesson 7": "W A N P",
    "fast.ai lesson 3": "W=linear: W A D N",
    "spatial dropout after conv": "D=spatial_dropout: W D N A P",
    "two weights before the norm": "W A W N A P D",
    "group norm": "N=group_norm: W N A P",
    "layer norm": "N=layer_norm: W N A P",
    "pool before norm": "W P N A",
    "record CIFAR-10 networks": "A=gelu: W P N A",
    "IC layer": "D=dropout(p=0.05): A N D W",
    "pre-activation": "N A W",
    "MONAI NDA": "W N D A",
    "nnU-Net": "W D N A",
    "nnU-Net nonlin_first": "W D A N",
    "timm": "W N D A",
    "timm Mlp": "W=linear A=gelu N=layer_norm: W A D N W D",
    "torchvision": "W N A",
    "torchvision MLP": "W=linear: W N A D",
    "mmcv": "W N A",
    "smp": "W N A",
    "fastai ConvLayer": "W N A",
    "fastai ConvLayer bn_1st=False": "W A N",
    "fastai LinBnDrop": "W=linear: N D W A",
    "fastai LinBnDrop lin_first": "W=linear: W A N D",
    "pytorch_tabular": "W=linear: N W A D",
    "rtdl MLP": "W=linear: W A D",
    "deeplay LAND": "W A N D",
    "pytorch-3dunet gcr": "N=group_norm: N W A",
    "ReLUConvBN": "A W N",
    "original residual": "W N A W N + A",
    "BN after addition": "W N A W + N A",
    "ReLU before addition": "W N A W N A +",
    "ReLU-only pre-activation": "A W N A W N +",
    "full pre-activation": "N A W N A W +",
    "Wide ResNet": "D=dropout(p=0.3): N A W N A D W +",
    "dropout after the last norm": "N A W N D A W +",
    "dropout before the last norm": "N A W D N A W +",
    "rtdl ResNet": "W=linear: N W A D W D +",
}
OPS = {"W": "conv", "N": "batch_norm", "A": "relu", "P": "max_pool", "D": "dropout", "+": "add"}


def meant(text: str, ops: dict[str, str] = OPS) -> BlockSpec:
    chosen, _, letters = text.rpartition(": ")
    own = dict(part.split("=", 1) for part in chosen.split())
    return parse(" > ".join({**ops, **own}[letter] for letter in letters.split()))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_order_is_what_its_name_means_and_is_known_by_it(row: NamedOrder) -> None:
    assert str(row.spec) == row.order
    assert equivalent(row.spec, meant(MEANINGS[row.name]))
    assert row.name in [known.name for known in well_known(row.spec)]
    assert find_reference(row.name) is row


def test_names_are_distinct_and_all_have_a_meaning() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) == len(CATALOGUE)
    assert set(MEANINGS) == set(CATALOGUE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_order_says_who_and_what(row: NamedOrder) -> None:
    assert row.source
    assert row.claim.endswith(".")
    assert len(row.claim) <= 160
    assert "\n" not in row.claim


def test_a_figure_says_of_how_many_runs_it_is() -> None:
    counted = {row.name for row in ROWS if re.search(r"\bn = \d", row.claim)}
    with_figures = {row.name for row in ROWS if re.search(r"\d %|\d\.\d|\d points", row.claim)}
    assert with_figures - counted == {"dropout after the last norm", "group norm"}, "their sources do not say it"


LETTERS = {"c": "conv", "r": "relu", "g": "group_norm", "N": "batch_norm", "D": "dropout", "A": "relu"}
WORDS = {"layer": "conv", "norm": "batch_norm", "normalization": "batch_norm", "act": "relu", "activation": "relu"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("MONAI NDA", ["conv", *"NDA"]),
        ("pytorch-3dunet gcr", [*"gcr"]),
        ("mmcv", ["conv", "norm", "act"]),
        ("deeplay LAND", ["layer", "activation", "normalization", "dropout"]),
    ],
)
def test_the_string_that_a_library_takes_means_the_order(name: str, parts: list[str]) -> None:
    assert equivalent(parse(" > ".join({**LETTERS, **WORDS}.get(part, part) for part in parts)), CATALOGUE[name].spec)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("torchvision", "nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()"),
        ("fastai LinBnDrop", "nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 4, bias=False), nn.ReLU()"),
        ("forum order", "Conv1D(64, 5, activation='relu'), MaxPooling1D(), Dropout(0.2), BatchNormalization()"),
        ("forum's second order", "Conv1D -> BatchNormalization -> Activation('relu') -> MaxPooling1D -> Dropout"),
    ],
)
def test_code_that_is_pasted_is_known_by_the_name(name: str, code: str) -> None:
    assert name in [known.name for known in well_known(parse(code))]


def test_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^No reference is named 'convntion'\. Did you mean 'convention'\?"):
        find_reference("convntion")


def test_the_two_ways_to_put_one_dropout_behind_the_last_norm_are_one_network() -> None:
    late, early = (CATALOGUE[name].spec.at_rate() for name in ("Wide ResNet", "dropout after the last norm"))
    assert equivalent(late, early)
    assert not equivalent(late, CATALOGUE["dropout before the last norm"].spec)


# What a block is known as


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("conv > batch_norm > relu > max_pool > dropout(p=0.1)", ["convention", "forum's second order"]),
        ("conv > batch_norm > max_pool > relu > dropout", ["convention", "forum's second order"]),
        ("conv > batch_norm > dropout > max_pool > relu", ["MONAI NDA"]),
        ("conv > batch_norm > dropout > max_pool > gelu", []),
        ("conv > batch_norm > dropout > relu > max_pool", ["MONAI NDA"]),
        (
            "conv > batch_norm > max_pool > relu > spatial_dropout(p=0.2)",
            ["convention", "forum's second order", "MONAI NDA"],
        ),
        ("conv > relu > batch_norm > max_pool > dropout", ["norm after activation"]),
        ("conv > relu > max_pool > dropout > batch_norm", ["forum order"]),
        ("conv > max_pool > relu > dropout > batch_norm", ["forum order"]),
        ("conv > spatial_dropout > batch_norm > relu > max_pool", ["spatial dropout after conv", "nnU-Net"]),
        ("conv > batch_norm > dropout > tanh", ["MONAI NDA", "timm"]),
        ("conv > dropout > relu > group_norm", ["forum order", "nnU-Net nonlin_first"]),
        ("conv > group_norm > gelu > dropout", ["convention", "group norm"]),
        ("group_norm > conv > relu", ["pytorch-3dunet gcr"]),
        ("batch_norm > dropout > linear > relu", ["fastai LinBnDrop"]),
        (
            "linear > relu > batch_norm > dropout",
            ["norm after activation", "fastai LinBnDrop lin_first", "deeplay LAND"],
        ),
        ("linear > relu > dropout", ["dropout only", "torchvision MLP", "pytorch_tabular", "rtdl MLP"]),
        ("linear > relu > dropout > batch_norm", ["forum order", "fast.ai lesson 3"]),
        ("conv > max_pool > batch_norm > gelu", ["pool before norm", "record CIFAR-10 networks"]),
        ("conv > max_pool > batch_norm > relu", ["pool before norm"]),
        ("relu > batch_norm > dropout(p=0.05) > conv", ["IC layer"]),
        ("batch_norm > relu > conv", ["pre-activation"]),
        ("batch_norm > relu > conv > batch_norm > relu > conv > add", ["full pre-activation"]),
        (
            "batch_norm > relu > conv > batch_norm > dropout > relu > conv > add",
            ["Wide ResNet", "dropout after the last norm"],
        ),
        ("batch_norm > gelu > conv > batch_norm > gelu > dropout > conv > add", ["Wide ResNet"]),
        ("conv > batch_norm > relu > conv > batch_norm > add > relu", ["original residual"]),
        ("linear > gelu > dropout(p=0.1) > linear > dropout(p=0.1)", ["timm Mlp"]),
        ("conv > relu > max_pool > dropout(p=0)", ["neither"]),
        ("conv > conv > conv", []),
    ],
)
def test_well_known(text: str, names: list[str]) -> None:
    assert [known.name for known in well_known(parse(text))] == names


def test_plain_convolution_is_known_by_many_names() -> None:
    names = {known.name for known in well_known(parse("conv > batch_norm > relu"))}
    libraries = {"MONAI NDA", "nnU-Net", "timm", "torchvision", "mmcv", "smp", "fastai ConvLayer"}
    assert names == {"convention", "norm only", *libraries}


def test_members_of_a_class_have_the_same_names() -> None:
    spec = parse("conv > batch_norm > relu > max_pool > spatial_dropout")
    assert len({tuple(well_known(member)) for member in members(spec)}) == 1


def test_rates_and_kernels_do_not_count() -> None:
    row = CATALOGUE["IC layer"]
    other = BlockSpec(op.replace(kernel=5) if op.name == "conv" else op for op in row.spec.at_rate(0.4))
    assert OpSpec("conv", kernel=5) in other.ops
    assert well_known(other) == well_known(row.spec)
