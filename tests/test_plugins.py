"""Plugins: rows that cannot be used are told with their package; the example package works wherever a name is taken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ordersearch.block import build_block
from ordersearch.data import load_dataset
from ordersearch.data.embedded import EMBEDDED
from ordersearch.data.sources import DATASETS
from ordersearch.errors import DataError, ExportError, NetworkError, PluginError, UnknownNameError
from ordersearch.export import export_blocks
from ordersearch.networks import build_network, find_network
from ordersearch.ops import OpSpec, Role, op_kind, op_names
from ordersearch.ops.plugins import FROM_PLACE, READ_OVER, row_fault
from ordersearch.ops.table import BUILTIN_OPS
from ordersearch.report.listing import listed, listing_lines
from ordersearch.spec import BlockSpec
from ordersearch.spec.notation import _ELSEWHERE
from tests.plugged import Install

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "plugin"
PACKAGE = "ordersearch-example 0.1.0"

SQUARE = """
from torch import nn
from ordersearch.ops import Call, KerasCall, KerasOp, OpKind, Param, Role, Trait
from ordersearch.ops.bounds import number

class Square(nn.Module):
    def forward(self, x):
        return x.square()

CALL = Call(f"{__name__}.Square")
KERAS = KerasCall("keras.ops.square")
SQUARE = OpKind("square", Role.ACTIVATION, "x times x", CALL, CALL, keras=KerasOp(KERAS, KERAS))
CUBE = OpKind("cube", Role.ACTIVATION, "x times x times x", CALL, CALL)
NO_OP = "square"
LOST = OpKind("lost", Role.ACTIVATION, "no layer", Call(f"{__name__}.Nothing"))
"""


def test_an_op_of_a_plugin_is_an_op_like_any_other(install: Install) -> None:
    module = install(SQUARE, square="SQUARE")
    assert op_names() == (*BUILTIN_OPS, "square")
    spec = BlockSpec.parse("conv > batch_norm > square > max_pool")
    assert spec.ops[2].role is Role.ACTIVATION
    assert BlockSpec.parse(str(spec)) == spec
    assert [name for name, _ in build_block(spec, 3, 4).named_children()][2] == "square"
    assert BlockSpec.parse(f"nn.Conv2d(3, 4, 3) -> nn.BatchNorm2d(4) -> {module}.Square() -> nn.MaxPool2d(2)") == spec


def test_an_op_of_a_plugin_is_exported_to_keras_where_it_says_how(install: Install) -> None:
    install(SQUARE, square="SQUARE", cube="CUBE")
    assert "x = keras.ops.square(x)\n" in export_blocks({"conv": BlockSpec.parse("conv > square")}, "keras")
    with pytest.raises(ExportError, match=r"cannot be written for keras: .*op 2, cube\."):
        export_blocks({"conv": BlockSpec.parse("conv > cube")}, "keras")


@pytest.mark.parametrize("name", [name for name, row in BUILTIN_OPS.items() if row.role is not Role.MERGE])
def test_builtin_rows_keep_to_what_those_of_plugins_do(name: str) -> None:
    assert row_fault(name, replace(BUILTIN_OPS[name], aliases=())) == ""


def test_names_of_plugins_that_fold_alike_are_not_guessed_at(install: Install) -> None:
    install(SQUARE.replace('"square"', '"squ_are"'), squ_are="SQUARE")
    assert op_kind("SquAre").name == "squ_are"
    install(SQUARE, square="SQUARE")
    assert op_kind("square").name == "square"
    with pytest.raises(
        UnknownNameError, match=r"^'SquaRE' may be any of the ops squ_are, square, of plugins\. Write wh"
    ):
        op_kind("SquaRE")


def test_builtin_ops_and_their_aliases_stay_what_they_are_and_the_list_tells_it(install: Install) -> None:
    install(SQUARE, package="bold-ops", relu="SQUARE", bn="SQUARE", conv2d="SQUARE", nothing="NO_OP")
    assert op_kind("relu") is BUILTIN_OPS["relu"]
    assert op_kind("bn") is BUILTIN_OPS["batch_norm"]
    assert op_kind("conv2d") is BUILTIN_OPS["conv"]
    rows = {row["name"]: row["summary"] for row in listed("ops") if row["package"] == "bold-ops 1.0"}
    assert "cannot replace a built-in. Give it another name" in rows["relu"]
    assert "cannot replace a built-in ('bn' is 'batch_norm')" in rows["bn"]
    assert "('conv2d' is 'conv')" in rows["conv2d"]
    assert "is of type str, where an op is an ordersearch.ops.OpKind" in rows["nothing"]
    text = " ".join(" ".join(listing_lines("ops", listed("ops"))).split())
    assert "('conv2d' is 'conv')" in text


ROW = "OpKind('square', Role.ACTIVATION, 'x times x', CALL)"
BETA = "params=({},), on_maps=Call('layers.Square', {{'b': '${}'}})"


def with_param(param: str, name: str = "beta", role: str = "ACTIVATION") -> str:
    return f"OpKind('square', Role.{role}, 'x', {BETA.format(param, name)})"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("OpKind('sqr', Role.ACTIVATION, 'x times x', CALL)", r"its row is named 'sqr': both have one name"),
        (
            "OpKind('square', Role.ACTIVATION, 'x', CALL, aliases=('sq',))",
            r"it has aliases \(sq\), which are found only",
        ),
        (
            "OpKind('square', 'activation', 'x', CALL)",
            r"its role is 'activation', where a plugin adds a Role of activa",
        ),
        ("OpKind('square', Role.MERGE, 'x', CALL)", r"its role is <Role\.MERGE: 'merge'>, where a plugin adds a Role"),
        (
            "OpKind('square', Role.ACTIVATION, 'x')",
            r"on_maps and on_features are an .*Call or None, and one of them is",
        ),
        ("OpKind('square', Role.WEIGHT, 'x', CALL, CALL)", r"a weight is on maps or on features, .*: make two rows"),
        (
            "OpKind('square', Role.NORM, 'x', CALL, traits={Trait.LINEAR})",
            r"it claims 'linear', a trait of activation op",
        ),
        (
            "OpKind('square', Role.POOL, 'x', CALL, conditions={Trait.TAKES_MAX: bool})",
            r"it has conditions for takes_max",
        ),
        ("OpKind('square', Role.ACTIVATION, 'x', CALL, keras='x')", r"its keras is of type str, where it is an"),
        ("OpKind('square', Role.ACTIVATION, 'x', CALL, at_zero=float('nan'))", r"at_zero is nan, where it is a finite"),
        (
            "OpKind('square', Role.ACTIVATION, 'x', Call('l.S', {'b': '$beta'}))",
            r"its call takes \$beta, which is neither",
        ),
        (
            "OpKind('square', Role.ACTIVATION, 'x', CALL, params=(number('b', 1.0, '', bool),))",
            r"'b' changes no layer: no",
        ),
        (
            "OpKind('square', Role.ACTIVATION, 'x', Call('Square'))",
            r"its call's target is 'Square', where it is a class w",
        ),
        (with_param("number('beta', 1.0, '', lambda v: v > 2)"), r"'beta' does not accept its default, 1\.0"),
        (with_param("Param('beta', [1], '', bool)"), r"the default of 'beta' is \[1\], where it is a number"),
        (with_param("number('Beta', 1.0, '', bool)", "Beta"), r"its parameter 'Beta' is not made of small letters"),
        (with_param("number('beta', 1.0, '', bool, 'beta')"), r"two of its parameters are called 'beta'"),
        (with_param("number('channels', 1.0, '', bool)", "channels"), r"its parameter 'channels' would be the place's"),
        (
            with_param("number('axis', 1.0, '', bool)", "axis"),
            r"its parameter 'axis' would be the place's in the network",
        ),
        (
            with_param("number('kernel', 1.0, '', bool)", "kernel"),
            r"'kernel' is one of pool and weight ops: call it oth",
        ),
        (with_param("number('bias', 1.0, '', bool)", "bias", "WEIGHT"), r"its parameter 'bias' does not accept 'auto'"),
        (with_param("number('padding', 1.0, '', bool)", "padding", "WEIGHT"), r"a padding without kernel and dilation"),
        ("OpKind('square', Role.ACTIVATION, 'x', CALL, traits=3)", r"cannot be read: TypeError: 'int' object is not"),
    ],
)
def test_a_row_that_would_not_work_everywhere_is_told(install: Install, row: str, fault: str) -> None:
    install(f"{SQUARE}\nROW = {row}", package="odd-ops", square="ROW")
    match = (
        rf"^The op 'square' comes from the plugin odd-ops 1\.0 \(.*:ROW\), .*{fault}.*Repair or remove that package\.$"
    )
    with pytest.raises(PluginError, match=match):
        BlockSpec.parse("conv > square")
    assert str(OpSpec("relu")) == "relu"


def test_an_op_that_leaves_ops_out_is_told(install: Install) -> None:
    install(SQUARE.replace('"square"', '"none"'), none="SQUARE")
    with pytest.raises(
        PluginError, match=r"'none' comes from .* that name leaves an op out in search spaces: take another"
    ):
        OpSpec("none")


def test_what_the_notation_reads_over_is_no_parameter_of_a_plugin() -> None:
    assert _ELSEWHERE | {"activation"} == READ_OVER | (FROM_PLACE & _ELSEWHERE)


def test_a_layer_that_cannot_be_made_is_told_with_its_package(install: Install) -> None:
    install(SQUARE, package="odd-ops", lost="LOST")
    spec = BlockSpec.parse("conv > lost")
    with pytest.raises(
        PluginError, match=r"^The op 'lost' comes from the plugin odd-ops 1\.0, whose layer plugin_.*\.Not"
    ):
        build_block(spec, 3, 4)


NETWORKS = """
from torch import nn
from ordersearch.networks import Network

def broken(blocks, input_shape, n_outputs):
    return blocks["conv"](1, 2) + {}["nothing"]

def narrow(blocks, input_shape, n_outputs):
    return nn.Sequential(blocks["conv"](1, 2), nn.Linear(3, 3))

def row(name, build, **changes):
    return Network(**{**dict(name=name, summary="", roles=("conv",), dims=(2,), build=build), **changes})

BROKEN, NARROW = row("broken", broken), row("narrow", narrow)
RENAMED = row("other", broken)
FLAT = row("flat", broken, dims=())
UNCALLED = row("uncalled", "build")
BARE = row("bare", broken, roles=("gate",))
SPARE = row("spare", broken, blocks={"dense": "linear"})
UNREAD = row("unread", broken, blocks={"conv": "conv > rleu"})
ODD = row("odd", broken, constants={"conv": {"kernels": 3}})
"""


@pytest.mark.parametrize(
    ("name", "attribute", "fault"),
    [
        ("plain", "broken", r"it is of type function, where a network is an ordersearch\.networks\.Network"),
        ("renamed", "RENAMED", r"its row is named 'other': both have one name"),
        ("flat", "FLAT", r"its dims are \(\), where they are some of 0, 1, 2, 3"),
        ("uncalled", "UNCALLED", r"its build is of type str, which cannot be called"),
        ("bare", "BARE", r"its role 'gate' has no block where it is not searched: add one to blocks"),
        ("spare", "SPARE", r"its blocks have one for 'dense', which is none of its roles"),
        ("unread", "UNREAD", r"cannot be read: UnknownNameError: No op is named 'rleu'\. Did you mean 'relu'"),
        ("odd", "ODD", r"cannot be read: SpecError: Op 'conv' has no parameter 'kernels'"),
    ],
)
def test_a_network_that_would_not_work_is_told(install: Install, name: str, attribute: str, fault: str) -> None:
    install(NETWORKS, package="odd-nets", group="ordersearch.networks", **{name: attribute})
    with pytest.raises(PluginError, match=rf"^The network '{name}' comes from the plugin odd-nets 1\.0 .*{fault}"):
        find_network(name)
    assert find_network("cnn").name == "cnn"
    assert next(row for row in listed("networks") if row["name"] == name)["package"] == "odd-nets 1.0"


def test_what_goes_wrong_in_a_plugins_network_is_told_with_its_package(install: Install) -> None:
    install(NETWORKS, package="odd-nets", group="ordersearch.networks", broken="BROKEN", narrow="NARROW")
    specs = {"conv": BlockSpec.parse("conv > relu")}
    with pytest.raises(
        NetworkError, match=r"^Network 'broken' of the plugin odd-nets 1\.0 cannot be built: KeyError: 'n"
    ):
        build_network("broken", specs, (1, 8, 8), 3)
    with pytest.raises(
        ValueError, match=r"^Network 'narrow' of the plugin odd-nets 1\.0 does not fit samples of shape"
    ):
        build_network("narrow", specs, (1, 8, 8), 3)


MORE_DATA = """
import numpy as np

def broken():
    return {}["nothing"]

def uneven():
    return [[0.5], [1.5]] * 4, [0, 1]

def drawn():
    return np.random.rand(8, 2), [0, 1] * 4
"""


def test_what_goes_wrong_in_a_plugins_data_set_is_told_with_its_package(install: Install) -> None:
    module = install(MORE_DATA, package="odd-data", group="ordersearch.datasets", broken="broken", uneven="uneven")
    told = rf"^broken raised KeyError: 'nothing' \(.*{module}\.py:5\)\. It comes from the plugin odd-data 1\.0\.$"
    with pytest.raises(DataError, match=told):
        load_dataset("broken")
    with pytest.raises(DataError, match=r"8 samples .* 2.*\. It comes from the plugin odd-data 1\.0\.$"):
        load_dataset("uneven")


def test_a_plugins_data_set_that_draws_from_the_global_generators_is_the_same_every_time(install: Install) -> None:
    install(MORE_DATA, group="ordersearch.datasets", drawn="drawn", digits="drawn")
    assert load_dataset("drawn").fingerprint == load_dataset("drawn").fingerprint
    assert DATASETS["digits"] is EMBEDDED["digits"]
    assert "cannot replace a built-in. Give it another name" in listed("datasets")[-1]["summary"]


# What follows is done with the example package as pip installs it.

RUN = """
import contextlib, io, json, sys
from ordersearch.cli import main

def ended(words):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["ordersearch", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
    return [code, out.getvalue(), err.getvalue()]

print(json.dumps([ended(words) for words in json.loads(sys.argv[1])]))
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(site: Path) -> dict[str, str]:
    """The variables of a process that finds what is installed in a folder."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "src")])}


def commands(site: Path, folder: Path, *lines: Sequence[str]) -> list[Ended]:
    """What several command lines give, one after the other in one process, for torch takes seconds to import."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(lines)],
        cwd=folder,
        env=environment(site),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [Ended(*found) for found in json.loads(ended.stdout.splitlines()[-1])]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example package."""
    folder = tmp_path_factory.mktemp("site")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", folder, EXAMPLE], check=True)
    return folder


def test_the_example_is_listed_explained_searched_and_exported(site: Path, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "space.yaml", tmp_path)
    search = ("stripes", "--network", "two_blocks", "--space", "space.yaml", "--trials", "4", "--max-epochs", "1")
    ops, networks, datasets, explained, searched, source = commands(
        site,
        tmp_path,
        *(("list", kind, "--json") for kind in ("ops", "networks", "datasets")),
        ("explain", "conv > squared_relu(scale=0.5) > max_pool"),
        (*search, "--workers", "2", "--confirm", "off"),
        ("export", "runs/stripes-space", "--to", "torch"),
    )
    for kind, listing, name in (
        ("ops", ops, "squared_relu"),
        ("networks", networks, "two_blocks"),
        ("datasets", datasets, "stripes"),
    ):
        (row,) = [row for row in json.loads(listing.out)[kind] if row["name"] == name]
        assert row["package"] == PACKAGE
    assert "squared_relu(scale=0.5) never decreases, so the largest value of a window" in explained.out
    assert searched.code == 0, searched.err
    assert "2 processes of " in searched.out
    assert "squared_relu" in (tmp_path / "runs" / "stripes-space" / "trials.csv").read_text()
    assert "squared_relu" in (tmp_path / "runs" / "stripes-space" / "report.html").read_text()
    assert source.code == 0, source.err
    assert "import ordersearch_example.layers" in source.out
    assert "ordersearch_example.layers.SquaredReLU(" in source.out


def test_the_examples_own_tests_pass(site: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    words = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    ended = subprocess.run(words, cwd=tmp_path, env=environment(site), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    assert "17 passed" in ended.stdout


def test_a_broken_example_breaks_the_runs_that_name_it_alone(site: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(site, broken)
    (broken / "ordersearch_example" / "ops.py").write_text("raise RuntimeError('out of order')\n")
    listing, other, named = commands(
        broken, tmp_path, ("list", "ops"), ("explain", "conv > relu"), ("explain", "conv > squared_relu")
    )
    told = f"comes from the plugin {PACKAGE} (ordersearch_example.ops:SQUARED_RELU), which cannot be imported: "
    assert (listing.code, other.code, named.code) == (0, 0, 2)
    assert told in " ".join(listing.out.split())
    assert (
        named.err == f"Error: The op 'squared_relu' {told}RuntimeError: out of order. Repair or remove that package.\n"
    )
