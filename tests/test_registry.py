from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ordersearch.errors import PluginError, UnknownNameError
from ordersearch.registry import Registry
from tests.plugged import Install

GROUP = "ordersearch.ops"


@pytest.fixture
def registry() -> Registry[object]:
    return Registry("op", GROUP, {"relu": 1, "tanh": "math:tanh"})


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


def test_a_builtin_that_plugins_claim_is_told_of(install: Install, registry: Registry[object]) -> None:
    module = install("", package="bold-ops", version="3.1", relu="VALUE", cube="VALUE")
    assert registry.refused() == {
        "relu": f"The op 'relu' of the plugin bold-ops 3.1 ({module}:VALUE) is not used: a plugin cannot replace a "
        "built-in. Give it another name there, or remove that package."
    }
    assert registry.plugin_names() == ("cube",)
    assert (registry.package("cube"), registry.package("tanh")) == ("bold-ops 3.1", "")


def test_two_plugins_of_one_name_are_told_and_neither_is_taken(install: Install, registry: Registry[object]) -> None:
    modules = [install("VALUE = 42", package=f"ops-{n}", version=f"{n}.0", square="VALUE") for n in (1, 2)]
    both = rf"ops-1 1\.0 \({modules[0]}:VALUE\) and ops-2 2\.0 \({modules[1]}:VALUE\)"
    with pytest.raises(PluginError, match=rf"^The op 'square' comes from the plugins {both}, so it is not told which"):
        registry["square"]
    assert registry.names() == ("relu", "tanh", "square")
    assert registry.package("square") == "ops-1 1.0 and ops-2 2.0"
    assert not set(modules) & set(sys.modules)


@pytest.mark.parametrize("name", ["Square", "my-op", "2x", "a.b"])
def test_a_name_that_cannot_be_written_everywhere_is_told(
    install: Install, registry: Registry[object], name: str
) -> None:
    install("VALUE = 42", package="odd-ops", **{name: "VALUE"})
    with pytest.raises(
        PluginError, match=rf"{name}.* odd-ops 1\.0 .* small letters, digits and _.*Rename its entry poi"
    ):
        registry[name]


def test_a_plugin_that_exits_when_it_is_imported_is_one_that_is_broken(
    install: Install, registry: Registry[object]
) -> None:
    install("import sys; sys.exit(3)", package="rude-ops", square="VALUE")
    with pytest.raises(PluginError, match=r"rude-ops 1\.0 .* cannot be imported: SystemExit: 3"):
        registry["square"]


def test_what_is_wrong_with_a_plugin_is_told_with_its_package(install: Install) -> None:
    install("VALUE = 42\nWORD = ''", package="odd-ops", square="VALUE", cube="WORD")
    faults = Registry[int]("op", GROUP, {}, fault=lambda name, found: f"{name} is {found}" if found < 50 else "")
    with pytest.raises(
        PluginError, match=r"^The op 'square' comes from the plugin odd-ops 1\.0 .*, but square is 42\. R"
    ):
        faults["square"]
    with pytest.raises(PluginError, match=r"odd-ops 1\.0 .* cannot be read: TypeError: '<' not supported"):
        faults["cube"]
