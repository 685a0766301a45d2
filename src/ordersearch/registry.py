"""Names to things: the built-in ones, and those that installed plugins add by entry points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from ordersearch.errors import PluginError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name: built-ins first, then the plugins of one entry-point group.

    Plugins are listed from package metadata and imported only when their name is asked for, so a broken one fails only
    the run that names it. A built-in may be given as ``"module:attribute"``, which is imported when asked for, too.

    Args:
        kind: What the things are called in errors, such as ``"op"``.
        group: The entry-point group of their plugins, such as ``"ordersearch.ops"``.
        builtins: The built-in things, or where to import them from.

    Example:
        >>> Registry("colour", "example.colours", {"red": 1})["red"]
        1
    """

    def __init__(self, kind: str, group: str, builtins: Mapping[str, T | str]) -> None:
        self.kind = kind
        self.group = group
        self._builtins = dict(builtins)
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """The thing of this name, imported if need be.

        Raises:
            UnknownNameError: Neither a built-in nor a plugin has this name.
            PluginError: The plugin that has it cannot be imported.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._builtins or name in self._plugins()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> tuple[str, ...]:
        """Every known name, built-ins in the order of their table, then plugins in alphabetical order."""
        return (*self._builtins, *sorted(set(self._plugins()) - set(self._builtins)))

    def builtin_names(self) -> tuple[str, ...]:
        """The names of the built-ins alone, which takes no look at installed packages."""
        return tuple(self._builtins)

    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def _load(self, name: str) -> T:
        if name in self._builtins:
            found = self._builtins[name]
            if not isinstance(found, str):
                return found
            module, _, attribute = found.partition(":")
            return cast(T, getattr(import_module(module), attribute))
        plugins = self._plugins()
        if name not in plugins:
            raise unknown_name(self.kind, name, self.names())
        return self._load_plugin(plugins[name])

    def _load_plugin(self, point: EntryPoint) -> T:
        try:
            return cast(T, point.load())
        except Exception as cause:
            package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
            raise PluginError(
                f"The {self.kind} {point.name!r} comes from the plugin {package} ({point.value}), which cannot be "
                f"imported: {type(cause).__name__}: {cause}. Repair or remove that package."
            ) from cause
