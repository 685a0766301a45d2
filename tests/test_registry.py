from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ordersearch.errors import PluginError, UnknownNameError
from ordersearch.ops import OpKind, OpSpec, Role, op_kind, op_names, op_spec
from ordersearch.ops.table import BUILTIN_OPS
from ordersearch.registry import Registry
from ordersearch.spec import BlockSpec

GROUP = "ordersearch.ops"
SQUARE = """
from ordersearch.ops import Call, OpKind, Role
CALL = Call("plugin_layers.Square")
SQUARE = OpKind("square", Role.ACTIVATION, "x times x", CALL, CALL)
NO_OP = "square"
"""

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lays an installed package out, as pip would: one module, and a dist-info folder with its entry points."""
    numbers, modules = itertools.count(1), []

    def installed(source: str, /, *, package: str = "", version: str = "1.0", group: str = GROUP, **ops: str) -> str:
        module = f"plugin_{tmp_path.name.replace('-', '_')}_{next(numbers)}"
        folder = tmp_path / module
        metadata = folder / f"{module}-{version}.dist-info"
        metadata.mkdir(parents=True)
        (folder / f"{module}.py").write_text(source)
        name = package or module
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [f"{op} = {module}:{attribute}" for op, attribute in ops.items()]
        (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
        monkeypatch.syspath_prepend(folder)
        modules.append(module)
        return module

    yield installed
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def registry() -> Registry[object]:
    return Registry("op", GROUP, {"relu": 1, "tanh": "math:tanh"})


@pytest.fixture
def _fresh_ops(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The op table as a new process has it, and no trace of this test's plugins behind it."""
    monkeypatch.setattr(op_spec, "OPS", Registry("op", GROUP, BUILTIN_OPS))
    op_kind.cache_clear()
    yield
    op_kind.cache_clear()


def test_builtins_come_as_they_are_or_are_imported_when_asked_for(registry: Registry[object]) -> None:
    import math

    assert registry["relu"] == 1
    assert registry["tanh"] is math.tanh
    assert registry.builtin_names() == registry.names() == ("relu", "tanh")


def test_unknown_name_gives_the_nearest(registry: Registry[object]) -> None:
    with pytest.raises(UnknownNameError, match=r"^No op is named 'rleu'\. Did you mean 'relu'\? Known: relu, tanh\.$"):
        registry["rleu"]


def test_plugin_is_listed_from_metadata_and_imported_only_when_asked_for(
    install: Install, registry: Registry[object]
) -> None:
    module = install("VALUE = 42", square="VALUE", cube="VALUE")
    assert registry.names() == ("relu", "tanh", "cube", "square")
    assert list(registry) == list(registry.names())
    assert "square" in registry
    assert module not in sys.modules
    assert registry["square"] == 42
    assert module in sys.modules


def test_plugins_of_another_group_do_not_count(install: Install, registry: Registry[object]) -> None:
    install("VALUE = 42", group="ordersearch.networks", square="VALUE")
    assert "square" not in registry


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("raise RuntimeError('no GPU')", "RuntimeError: no GPU"),
        ("OTHER = 1", "AttributeError: module .* has no attribute 'VALUE'"),
        ("def", "SyntaxError: invalid syntax"),
    ],
)
def test_broken_plugin_fails_only_when_it_is_named(
    install: Install, registry: Registry[object], source: str, cause: str
) -> None:
    install(source, package="broken-ops", version="2.7", square="VALUE")
    install("VALUE = 42", cube="VALUE")
    assert registry["relu"] == 1
    assert registry["cube"] == 42
    assert "square" in registry.names()
    message = rf"^The op 'square' comes from the plugin broken-ops 2\.7 \(plugin_.*:VALUE\), .*: {cause}"
    with pytest.raises(PluginError, match=message) as caught:
        registry["square"]
    assert caught.value.__cause__ is not None
    assert str(caught.value).endswith("Repair or remove that package.")


def test_plugin_that_is_repaired_loads_without_a_new_registry(install: Install, registry: Registry[object]) -> None:
    module = install("raise ValueError('not yet')", square="VALUE")
    with pytest.raises(PluginError, match="not yet"):
        registry["square"]
    path = next(Path(entry) for entry in sys.path if (Path(entry) / f"{module}.py").is_file()) / f"{module}.py"
    path.write_text("VALUE = 'repaired, and of another length'")
    assert registry["square"] == "repaired, and of another length"


def test_plugin_cannot_replace_a_builtin(install: Install, registry: Registry[object]) -> None:
    module = install("raise RuntimeError('never imported')", relu="VALUE")
    assert registry["relu"] == 1
    assert registry.names() == ("relu", "tanh")
    assert module not in sys.modules


@pytest.mark.usefixtures("_fresh_ops")
def test_op_of_a_plugin_is_an_op_like_any_other(install: Install) -> None:
    install(SQUARE, square="SQUARE")
    assert op_names() == (*BUILTIN_OPS, "square")
    spec = BlockSpec.parse("conv > batch_norm > square > max_pool")
    assert spec.ops[2].role is Role.ACTIVATION
    assert BlockSpec.parse(str(spec)) == spec


@pytest.mark.usefixtures("_fresh_ops")
def test_builtin_ops_and_their_aliases_stay_what_they_are(install: Install) -> None:
    install(SQUARE, relu="SQUARE", bn="SQUARE", nothing="NO_OP")
    assert op_kind("relu") is BUILTIN_OPS["relu"]
    assert op_kind("bn") is BUILTIN_OPS["batch_norm"]


@pytest.mark.usefixtures("_fresh_ops")
def test_plugin_that_is_no_op_says_so(install: Install) -> None:
    install(SQUARE, nothing="NO_OP")
    with pytest.raises(PluginError, match=r"^The op 'nothing' of a plugin is 'str', but an op is an OpKind\.$"):
        BlockSpec.parse("conv > nothing")
    assert OpSpec("relu").kind is BUILTIN_OPS["relu"]


@pytest.mark.usefixtures("_fresh_ops")
def test_broken_op_leaves_other_blocks_alone(install: Install) -> None:
    install("import a_module_that_is_not_there", package="broken-ops", square="SQUARE")
    assert isinstance(op_kind("gelu"), OpKind)
    assert str(BlockSpec.parse("conv > relu")) == "conv > relu"
    with pytest.raises(PluginError, match=r"'square' comes from the plugin broken-ops 1\.0"):
        BlockSpec.parse("conv > square")
