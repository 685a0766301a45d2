"""Everything that an installed package adds, checked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution
from typing import Any

from ordersearch.data.sources import DATASETS
from ordersearch.errors import PluginError
from ordersearch.networks.registry import NETWORKS
from ordersearch.ops.op_spec import OPS
from ordersearch.registry import Registry
from ordersearch.testing.check import Check, fail
from ordersearch.testing.datasets import dataset_checks
from ordersearch.testing.networks import network_checks
from ordersearch.testing.ops import op_checks

_KINDS: tuple[tuple[Registry[Any], Callable[[str], list[Check]]], ...] = (
    (OPS, op_checks),
    (NETWORKS, network_checks),
    (DATASETS, dataset_checks),
)


def plugin_checks(package: str) -> list[Check]:
    """The checks of all that an installed package adds: of its ops, its networks and its data sets.

    Args:
        package: The name under which it is installed: ``name`` in its ``pyproject.toml``.

    Raises:
        PluginError: No such package is installed, it adds nothing, or something that it adds cannot be imported.
    """
    try:
        found = distribution(package)
    except PackageNotFoundError as cause:
        raise PluginError(f"No package is installed as {package!r}: pip install -e . in its folder.") from cause
    checks = [
        check
        for registry, of in _KINDS
        for point in _points(found, registry.group)
        for check in _of(registry, of, point)
    ]
    if not checks:
        groups = ", ".join(registry.group for registry, _ in _KINDS)
        raise PluginError(f"The package {package!r} adds nothing: it has no entry point of the groups {groups}.")
    return checks


def _points(found: Distribution, group: str) -> list[EntryPoint]:
    return sorted(found.entry_points.select(group=group))


def _of(registry: Registry[Any], of: Callable[[str], list[Check]], point: EntryPoint) -> list[Check]:
    refused = registry.refused().get(point.name)
    if refused:
        return [Check(point.name, "name", partial(fail, refused))]
    return of(point.name)
