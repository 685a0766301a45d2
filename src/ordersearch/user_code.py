"""A person's own code, ``package.module:attribute``: found, called, and what goes wrong in it told with its line."""

from __future__ import annotations

import inspect
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from ordersearch.errors import OrdersearchError, UnknownNameError, nearest, unknown_name

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_PACKAGE = f"{Path(__file__).parent}{os.sep}"
_STANDARD_LIBRARY = tuple(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib"))
_INSTALLED = frozenset(("site-packages", "dist-packages"))
_IN_WORKER = re.compile(r'^ +File "(.+)", line (\d+), in ', re.MULTILINE)

T = TypeVar("T")


def names_user_code(text: str) -> bool:
    """Whether this text is of the form ``package.module:attribute``; the attribute may have dots, too.

    Example:
        >>> names_user_code("mine.data:Digits"), names_user_code("./mine.npz"), names_user_code("C:/mine")
        (True, False, False)
    """
    return _NAME.fullmatch(text) is not None


def find_user_code(name: str, *, at: str, noun: str, error: type[OrdersearchError], failed: str = "raised") -> Any:
    """What ``package.module:attribute`` names; the current folder counts as importable.

    Args:
        name: Of the form that ``names_user_code`` tells.
        at: What messages begin with.
        noun: What the attribute is called in them.
        error: What an error of the module becomes.
        failed: As for ``call_user``.

    Example:
        >>> find_user_code("string:digits", at="string:digits", noun="text", error=OrdersearchError)
        '0123456789'

    Raises:
        UnknownNameError: There is no such module or attribute; the message gives the nearest.
        OrdersearchError: ``error`` when the module cannot be imported, or one of ours that it raises itself.
    """
    module_name, _, path = name.partition(":")
    module = call_user(lambda: _module(module_name, name, at), at=at, error=error, failed=failed)
    where = f"{at} ({_short(module.__file__)})" if module.__file__ else at
    found: Any = module
    for attribute in path.split("."):
        if not hasattr(found, attribute):
            raise unknown_name(noun, attribute, _public_names(found), where=where)
        found = getattr(found, attribute)
    return found


def call_user(function: Callable[[], T], *, at: str, error: type[OrdersearchError], failed: str = "raised") -> T:
    """What ``function()`` returns; its error becomes one message with the last line of the person's own code in it.

    Args:
        function: Runs the person's code.
        at: What of theirs it is.
        error: What its error becomes.
        failed: Stands between the two.

    Example:
        >>> call_user(lambda: 1 / 0, at="mine:load", error=OrdersearchError)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ordersearch.errors.OrdersearchError: mine:load raised ZeroDivisionError: division by zero (<doctest ...>:1).

    Raises:
        OrdersearchError: ``error`` when it raised an error or asked the interpreter to exit; or one of ours that it
            raised, which says what is wrong by itself.
    """
    try:
        return function()
    except OrdersearchError:
        raise
    except (Exception, SystemExit) as cause:
        raise error(f"{at} {failed} {told(cause)}.") from cause


def told(cause: BaseException) -> str:
    """An exception in one line, with the last file and line of the person's own code that it came through.

    Example:
        >>> told(KeyError("width"))
        "KeyError: 'width'"
    """
    lines = str(cause).strip().splitlines() or [""]
    # The error of a DataLoader's worker holds the traceback from there, which ends with that error.
    line = lines[-1] if "Traceback (most recent call last)" in str(cause) else lines[0]
    text = line.rstrip(".").removeprefix(f"{type(cause).__name__}: ")
    return f"{type(cause).__name__}{f': {text}' if text else ''}{_place(cause)}"


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """What it takes; None for what is written in C and does not tell.

    Example:
        >>> str(signature_of(lambda blocks, width=8: None))
        '(blocks, width=8)'
    """
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _module(name: str, source: str, at: str) -> ModuleType:
    folder = str(Path.cwd())
    # `python -m` has the current folder there, a console script its own. It stays, since the code may import later.
    if folder not in sys.path and "" not in sys.path:
        sys.path.insert(0, folder)
    invalidate_caches()
    try:
        return import_module(name)
    except ModuleNotFoundError as cause:
        if not f"{name}.".startswith(f"{cause.name}."):
            raise
        raise _missing_module(name, str(cause.name), source, at) from cause


def _missing_module(name: str, missing: str, source: str, at: str) -> UnknownNameError:
    """The error for a module of which the part up to ``missing`` cannot be found."""
    parent, _, last = missing.rpartition(".")
    folder = Path.cwd().joinpath(*parent.split("."))
    own = [path.stem for path in folder.glob("*.py")] + [path.parent.name for path in folder.glob("*/__init__.py")]
    hint = ""
    if name.endswith(".py"):
        hint = f" Leave out the ending: {source.replace('.py:', ':', 1)}."
    elif close := nearest(last, own):
        start = f"{parent}." if parent else ""
        hint = f" Did you mean {f'{start}{close[0]}{name.removeprefix(missing)}'!r}?"
    return UnknownNameError(
        f"{at}: no module is named {name!r}.{hint} Looked in {Path.cwd()} and among the installed packages."
    )


def _public_names(found: Any) -> list[str]:
    # Read without running any of them; what a module imports from __future__, and modules, nobody asks for.
    return [
        name
        for name, value in inspect.getmembers_static(found)
        if not name.startswith("_") and not isinstance(value, ModuleType) and type(value).__module__ != "__future__"
    ]


def _place(cause: BaseException) -> str:
    if isinstance(cause, SyntaxError) and cause.filename:
        return f" ({_short(cause.filename)}:{cause.lineno})"
    places: list[tuple[str, int | str | None]] = [
        *((frame.filename, frame.lineno) for frame in traceback.extract_tb(cause.__traceback__)),
        *_IN_WORKER.findall(str(cause)),
    ]
    outside = [place for place in places if not place[0].startswith(_PACKAGE)]
    # The last line that the person wrote, not the one of a library that it called.
    own = [place for place in outside if not _is_library(place[0])]
    file, line = next(reversed(own or outside), ("", None))
    return f" ({_short(file)}:{line})" if file else ""


def _is_library(file: str) -> bool:
    return file.startswith(("<", *_STANDARD_LIBRARY)) or not _INSTALLED.isdisjoint(Path(file).parts)


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
