"""Names to things: the built-in ones, and those that installed plugins add by entry points."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from ordersearch.errors import PluginError, unknown_name

T = TypeVar("T")

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Registry(Generic[T]):
    """Things of one kind by name: built-ins first, then the plugins of one entry-point group.

    Plugins are listed from package metadata and imported only when their name is asked for, so a broken one fails only
    the run that names it. None can take the name of a built-in. A built-in may be given as ``"module:attribute"``,
    which is imported when asked for, too.

    Args:
        kind: What the things are called in errors, such as ``"op"``.
        group: The entry-point group of their plugins, such as ``"ordersearch.ops"``.
        builtins: The built-in things, or where to import them from.
        builtin_of: The built-in that a name stands for, or None; by default, the one of this very name.
        fault: Why what a plugin gives under a name is no such thing, as the end of a sentence; "" if nothing is wrong.

    Example:
        >>> Registry("colour", "example.colours", {"red": 1})["red"]
        1
    """

    def __init__(
        self,
        kind: str,
        group: str,
        builtins: Mapping[str, T | str],
        *,
        builtin_of: Callable[[str], str | None] | None = None,
        fault: Callable[[str, Any], str] | None = None,
    ) -> None:
        self.kind = kind
        self.group = group
        self._builtins = dict(builtins)
        self._builtin_of = builtin_of or (lambda name: name if name in self._builtins else None)
        self._fault = fault or (lambda _name, _found: "")
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """The thing of this name, imported if need be.

        Raises:
            UnknownNameError: Neither a built-in nor a plugin has this name.
            PluginError: The plugin that has it cannot be imported, is no such thing, or is one of two.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._builtins or name in self.plugin_names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> tuple[str, ...]:
        """Every known name, built-ins in the order of their table, then plugins in alphabetical order."""
        return (*self._builtins, *self.plugin_names())

    def builtin_names(self) -> tuple[str, ...]:
        """The names of the built-ins alone, which takes no look at installed packages."""
        return tuple(self._builtins)

    def plugin_names(self) -> tuple[str, ...]:
        """The names that plugins add, in alphabetical order; those that are built-ins' are not among them."""
        return tuple(sorted(name for name in self._claims() if self._builtin_of(name) is None))

    def package(self, name: str) -> str:
        """The package, with its version, whose plugin claims this name; "" where none does."""
        return " and ".join(sorted(_package(point) for point in self._claims().get(name, [])))

    def refused(self) -> dict[str, str]:
        """The names of built-ins that plugins claim in vain, and in a sentence each why."""
        claims = self._claims().items()
        return {
            name: self._builtin_claimed(name, builtin, points)
            for name, points in sorted(claims)
            if (builtin := self._builtin_of(name)) is not None
        }

    def _builtin_claimed(self, name: str, builtin: str, points: list[EntryPoint]) -> str:
        also = "" if name == builtin else f" ({name!r} is {builtin!r})"
        return (
            f"The {self.kind} {name!r} of {_plugins(points)} is not used: a plugin cannot replace a built-in{also}. "
            "Give it another name there, or remove that package."
        )

    def _claims(self) -> dict[str, list[EntryPoint]]:
        claims: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            claims.setdefault(point.name, []).append(point)
        return claims

    def _load(self, name: str) -> T:
        if name in self._builtins:
            found = self._builtins[name]
            if not isinstance(found, str):
                return found
            module, _, attribute = found.partition(":")
            return cast(T, getattr(import_module(module), attribute))
        points = self._claims().get(name, [])
        if not points or self._builtin_of(name) is not None:
            raise unknown_name(self.kind, name, self.names())
        return self._load_plugin(name, points)

    def _load_plugin(self, name: str, points: list[EntryPoint]) -> T:
        if len(points) > 1:
            raise PluginError(
                f"The {self.kind} {name!r} comes from {_plugins(points)}, so it is not told which is meant. Remove all "
                "but one of these packages."
            )
        at = f"The {self.kind} {name!r} comes from {_plugins(points)}"
        if not _NAME.fullmatch(name):
            raise PluginError(
                f"{at}, but a name is made of small letters, digits and _, a letter first. Rename its entry point."
            )
        try:
            found = points[0].load()
        except (Exception, SystemExit) as cause:
            raise PluginError(
                f"{at}, which cannot be imported: {type(cause).__name__}: {cause}. Repair or remove that package."
            ) from cause
        try:
            fault = self._fault(name, found)
        except Exception as cause:
            raise PluginError(
                f"{at}, which cannot be read: {type(cause).__name__}: {cause}. Repair or remove that package."
            ) from cause
        if fault:
            raise PluginError(f"{at}, but {fault}. Repair or remove that package.")
        return cast(T, found)


def _plugins(points: list[EntryPoint]) -> str:
    told = sorted(f"{_package(point)} ({point.value})" for point in points)
    return f"the plugin{'s' * (len(told) > 1)} {' and '.join(told)}"


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
