"""What is public is what is said to be."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import ordersearch

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(ordersearch.__path__, "ordersearch.")
    if info.name != "ordersearch.__main__"
)


@pytest.mark.parametrize("name", ordersearch.__all__)
def test_what_is_announced_is_there(name: str) -> None:
    assert getattr(ordersearch, name).__doc__


def test_what_is_announced_is_all_that_is_lazy() -> None:
    assert sorted(ordersearch.__all__) == sorted(ordersearch._HOMES)
    assert set(ordersearch.__all__) <= set(dir(ordersearch))


def test_another_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"module 'ordersearch' has no attribute 'orders'"):
        ordersearch.orders  # noqa: B018


@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports_and_keeps_its_promise(module: str) -> None:
    found = importlib.import_module(module)
    assert found.__doc__
    assert all(hasattr(found, name) for name in getattr(found, "__all__", ()))


@pytest.mark.parametrize("module", ["ordersearch", "ordersearch.space", "ordersearch.advice", "ordersearch.results"])
def test_values_are_imported_without_torch_and_optuna(module: str) -> None:
    code = f"import {module}, sys; sys.exit(bool({{'torch', 'optuna', 'pytorch_lightning'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
