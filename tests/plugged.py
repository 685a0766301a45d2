"""Packages with plugins, laid out as pip would install them."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Install = Callable[..., str]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The op table may be patched; what was cached of it is forgotten before and after."""
    from ordersearch.ops import op_kind

    op_kind.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    op_kind.cache_clear()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package of one module for a test; the tables of plugins are as in a new process before and after.

    ``install(source, package=..., version=..., group=..., name="ATTRIBUTE")`` gives the name of its module.
    """
    # Here, so that tests which need none of it do not wait for torch.
    from ordersearch.data.sources import DATASETS
    from ordersearch.networks.registry import NETWORKS
    from ordersearch.ops import op_kind
    from ordersearch.ops.op_spec import OPS

    numbers, modules = itertools.count(1), list[str]()
    for registry in (OPS, NETWORKS, DATASETS):
        monkeypatch.setattr(registry, "_loaded", {})
    op_kind.cache_clear()

    def installed(
        source: str, /, *, package: str = "", version: str = "1.0", group: str = "ordersearch.ops", **names: str
    ) -> str:
        module = f"plugin_{tmp_path.name.replace('-', '_')}_{next(numbers)}"
        folder = tmp_path / "installed" / module
        metadata = folder / f"{(package or module).replace('-', '_')}-{version}.dist-info"
        metadata.mkdir(parents=True)
        (folder / f"{module}.py").write_text(source)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package or module}\nVersion: {version}\n")
        lines = [f"{name} = {module}:{attribute}" for name, attribute in names.items()]
        (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
        monkeypatch.syspath_prepend(folder)
        modules.append(module)
        return module

    yield installed
    for module in modules:
        sys.modules.pop(module, None)
    op_kind.cache_clear()
