"""The checks of ops: built-in ones pass, and what is planted is caught."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ordersearch.ops import OpSpec, Role, Trait, op_kind
from ordersearch.ops.bounds import number
from ordersearch.ops.table import BUILTIN_OPS
from ordersearch.testing import Check, op_checks
from ordersearch.testing.layers import PLACES
from ordersearch.testing.traits import CLAIMS
from ordersearch.testing.variants import values, variants
from tests.plugged import Install

HELD_ELSEWHERE = ("swaps", "biases")
"""``test_identities_layers`` looks at every pair, and at what is not claimed, too."""
OPS = [name for name, kind in BUILTIN_OPS.items() if kind.role is not Role.MERGE]
BUILTIN_CHECKS = [check for name in OPS for check in op_checks(name) if check.name not in HELD_ELSEWHERE]


@pytest.mark.parametrize("check", BUILTIN_CHECKS, ids=str)
def test_builtin_ops_pass(check: Check) -> None:
    check()


def test_the_identities_of_an_op_are_checked_where_it_has_any() -> None:
    names = {name: [check.name for check in op_checks(name)] for name in ("relu", "gelu", "batch_norm", "group_norm")}
    assert [[what for what in HELD_ELSEWHERE if what in found] for found in names.values()] == [
        ["swaps"],
        [],
        ["biases"],
        [],
    ]
    for check in [*op_checks("relu"), *op_checks("linear")]:
        if check.name in HELD_ELSEWHERE:
            check()


def test_every_trait_has_a_claim() -> None:
    assert set(CLAIMS) == set(Trait)


def told(name: str, what: str) -> str:
    """What a check of an op complains about."""
    (check,) = [check for check in op_checks(name) if check.name == what]
    with pytest.raises(AssertionError, match=f"^(On .*)?'?{name}|^conv|^linear") as caught:
        check()
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "trait", "complaint"),
    [
        (
            "gelu",
            Trait.MONOTONE,
            r"it makes -?[\d.e-]+ of -[\d.]+ and -0\.\d+ of -[\d.]+, which is larger",
        ),
        ("tanh", Trait.HOMOGENEOUS, r"f\(0\.3 x\) is not 0\.3 f\(x\): they differ by"),
        ("relu", Trait.LINEAR, r"f\(x \+ y\) is not f\(x\) \+ f\(y\)"),
        ("relu", Trait.SELF_NORMALISING, r"it makes mean 0\.\d+ and variance 0\.\d+ of mean 0 and variance 1"),
        ("alpha_dropout", Trait.SCALING, r"in training with one draw, f\(x\) is not x f\(1\)"),
        ("dropout", Trait.PER_CHANNEL, r"the values of a constant map come out unlike each other"),
        ("dropout", Trait.SELF_NORMALISING, r"in training it makes mean -?0\.\d+ and variance"),
        ("avg_pool", Trait.TAKES_MAX, r"the largest of the tanh is not the tanh of the largest"),
        ("max_pool", Trait.TAKES_MEAN, r"f\(x \+ y\) is not f\(x\) \+ f\(y\)"),
        ("group_norm", Trait.CENTRES_CHANNELS, r"what is added to a channel does not go"),
        ("group_norm", Trait.BATCH_STATISTICS, r"in training the values of a sample do not depend on the others"),
    ],
)
def test_a_false_trait_is_caught(plant: pytest.MonkeyPatch, name: str, trait: Trait, complaint: str) -> None:
    plant.setitem(BUILTIN_OPS, name, replace(BUILTIN_OPS[name], traits=BUILTIN_OPS[name].traits | {trait}))
    message = told(name, str(trait))
    assert re.search(rf"^{name}.* claims '{trait}', but on .*{complaint}", message), message


@pytest.mark.parametrize(
    ("name", "trait", "op"),
    [
        ("leaky_relu", Trait.MONOTONE, "leaky_relu(negative_slope=-0.5)"),
        ("avg_pool", Trait.KEEPS_CONSTANTS, "avg_pool(kernel=3, stride=2, padding=1)"),
        ("conv", Trait.POINTWISE, "conv"),
    ],
)
def test_a_trait_without_its_condition_is_caught(plant: pytest.MonkeyPatch, name: str, trait: Trait, op: str) -> None:
    plant.setitem(BUILTIN_OPS, name, replace(BUILTIN_OPS[name], conditions={}))
    assert told(name, str(trait)).startswith(f"{op} claims '{trait}', but on ")


@pytest.mark.parametrize(
    ("name", "change", "what", "complaint"),
    [
        (
            "batch_norm",
            {"traits": frozenset({Trait.CENTRES_CHANNELS})},
            "sample_statistics",
            "a sample depend on",
        ),
        ("sigmoid", {"at_zero": 0.0}, "at_zero", r"sigmoid has at_zero=0, but on features it makes 0"),
        (
            "relu",
            {"is_identity": lambda params: True},
            "identity",
            "relu is said to do nothing, but on features",
        ),
        (
            "max_pool",
            {"spelling": lambda params: {"kernel": 2}},
            "spelling",
            r"max_pool\(.*\) is spelled max_pool",
        ),
        ("tanh", {"summary": ""}, "row", "tanh: its summary is not one line"),
        (
            "group_norm",
            {"traits": frozenset({Trait.CENTRES_CHANNELS})},
            "biases",
            "cancels the bias, says the code",
        ),
        (
            "silu",
            {"traits": frozenset({Trait.MONOTONE})},
            "swaps",
            "silu > max_pool commutes, says the code",
        ),
    ],
)
def test_what_is_wrong_in_a_row_is_caught(
    plant: pytest.MonkeyPatch, name: str, change: dict[str, Any], what: str, complaint: str
) -> None:
    plant.setitem(BUILTIN_OPS, name, replace(BUILTIN_OPS[name], **change))
    assert re.search(complaint, told(name, what))


PLUGIN = """
import random
import numpy as np
import torch
from torch import nn
from ordersearch.ops import Call, OpKind, Param, Role, Trait
from ordersearch.ops.bounds import integer, number

class InPlace(nn.Module):
    def forward(self, x):
        return x.mul_(2)

class Elsewhere(nn.Module):
    def forward(self, x):
        return x * float(np.random.default_rng().random())

class Turning(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p
    def forward(self, x):
        return x * (torch.rand_like(x) - self.p) if self.training else x

class Bent(Turning):
    def forward(self, x):
        return torch.where(torch.rand_like(x) < self.p, 0, x * x) if self.training else x

class Unreset(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.rand(1))
    def forward(self, x):
        return x * self.slope

class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.n = 0
    def forward(self, x):
        self.n += self.training
        return x + self.n

class Wide(nn.Module):
    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel
    def forward(self, x):
        return getattr(nn.functional, f"max_pool{x.ndim - 2}d")(x, self.kernel, 1)

class Lucky(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = random.random()
    def forward(self, x):
        return x * self.factor

class Images(nn.Module):
    def forward(self, x):
        n, channels, height, width = x.shape
        return x

class Doubles(nn.Module):
    def forward(self, x):
        return x.double()

def row(name, role, *traits, params=(), **arguments):
    call = Call(f"{__name__}.{name}", arguments)
    return OpKind(name.lower(), role, "for a test", call, None, params=params, traits=frozenset(traits))

INPLACE = row("InPlace", Role.ACTIVATION)
ELSEWHERE = row("Elsewhere", Role.ACTIVATION)
TURNING = row("Turning", Role.DROPOUT, Trait.SCALING, Trait.INCREASING)
BENT = row("Bent", Role.DROPOUT, Trait.AFFINE)
UNRESET = row("Unreset", Role.ACTIVATION)
COUNTING = row("Counting", Role.ACTIVATION)
WIDE = row("Wide", Role.POOL, kernel="$kernel", params=(integer("kernel", 2, 2),))
LUCKY = row("Lucky", Role.ACTIVATION)
IMAGES = row("Images", Role.ACTIVATION)
DOUBLES = row("Doubles", Role.ACTIVATION)

def beta(accepts):
    return {"params": (Param("beta", 1.0, "beta is good", accepts),), "beta": "$beta"}

NOWHERE = row("Nowhere", Role.ACTIVATION)
CARELESS = row("Careless", Role.ACTIVATION, **beta(lambda v: v > 0))
NOTANUMBER = row("NotANumber", Role.ACTIVATION, **beta(lambda v: v != 2))
"""


@pytest.mark.parametrize(
    ("row", "what", "complaint"),
    [
        (
            "InPlace",
            "layers",
            r"inplace on 1-D maps: in training it changes the tensor that it is given",
        ),
        ("Elsewhere", "layers", r"in training with one draw, it gives something else the second time"),
        (
            "Turning",
            "increasing",
            r"turning claims 'increasing', but on 1-D maps .* which is larger",
        ),
        (
            "Bent",
            "affine",
            r"bent claims 'affine', but on 1-D maps in training with one draw, f\(x\) is not",
        ),
        (
            "Unreset",
            "layers",
            r"unreset on 1-D maps: Unreset has weights but no reset_parameters\(\), which",
        ),
        ("Counting", "layers", r"counting on 1-D maps: in training with one draw, it gives something else the"),
        ("Lucky", "layers", r"lucky on 1-D maps: a layer with the same state_dict gives something else"),
        ("Images", "layers", r"images on 1-D maps: its layer raises ValueError: not enough values to unpack"),
        ("Wide", "layers", r"wide on 1-D maps: it makes \(8, 12, 63\), where \(8, 12, 32\) follows"),
        ("Doubles", "layers", r"doubles on 1-D maps: it makes torch.float64 of torch.float32"),
        ("Nowhere", "row", r"nowhere: its layer \w+\.Nowhere cannot be imported: module '\w+' has no attribute"),
        ("Careless", "row", r"careless: beta\.accepts\('no such word'\) raises TypeError"),
        ("NotANumber", "row", r"notanumber: beta accepts 'no such word'"),
    ],
)
def test_what_is_wrong_in_a_plugins_op_is_caught(install: Install, row: str, what: str, complaint: str) -> None:
    install(PLUGIN, **{row.lower(): row.upper()})
    assert re.search(complaint, told(row.lower(), what))


def test_an_op_is_looked_at_with_other_values_of_its_parameters() -> None:
    assert [str(op) for op in variants(op_kind("leaky_relu"))] == [
        "leaky_relu",
        "leaky_relu(negative_slope=-0.5)",
        *(f"leaky_relu(negative_slope={value})" for value in ("0.0", "1.0", "0.25", "2.0")),
    ]
    assert OpSpec("gelu", approximate="tanh") in variants(op_kind("gelu"))
    assert "max_pool(padding=2)" not in [str(op) for op in variants(op_kind("max_pool"))]
    assert values(number("beta", 1.0, "beta is at least 1", lambda v: v >= 1), 2) == [2]
    assert set(PLACES) == {0, 1, 2, 3}
