"""What can go wrong, named: every error says where, what was got, what holds and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class OrdersearchError(Exception):
    """Root of every error that a caller or their input can cause; the command line prints it and exits with 2."""


class SpecError(OrdersearchError, ValueError):
    """A block that is no valid spec: a bad parameter, ops that do not go together, a line that cannot be read."""


class NotEquivalentError(OrdersearchError, ValueError):
    """Two blocks that are asked to be one network and are not."""


class ShapeError(OrdersearchError, ValueError):
    """A valid block that does not fit the shape it is given (too small for its pooling, say)."""


class UnknownNameError(OrdersearchError, LookupError):
    """A name (of an op, network, search space, data set) that nothing is known by."""


class PluginError(OrdersearchError, ImportError):
    """A plugin that cannot be loaded, or that claims the name of a built-in."""


class SpaceError(OrdersearchError, ValueError):
    """A search-space file that breaks its schema, or a block or parameter that lies outside of a space."""


class DataError(OrdersearchError, ValueError):
    """A data set that cannot be read, or that cannot be learnt from as it is."""


class NetworkError(OrdersearchError, ValueError):
    """A network that cannot be made of the blocks or for the data that it is given."""


class TrainingSettingError(OrdersearchError, ValueError):
    """A training setting lies outside of its range."""


class MissingMetricError(OrdersearchError, LookupError):
    """The monitored metric was not logged, so nothing could be compared or pruned."""


class DivergedError(OrdersearchError, ArithmeticError):
    """A training whose loss is no longer finite."""


class StorageError(OrdersearchError, OSError):
    """A study's storage or a run's folder that cannot be opened or written."""


class StudyMismatchError(OrdersearchError, ValueError):
    """A study of this name exists, but was made with another space, data set, seed or setting."""


class ExportError(OrdersearchError, ValueError):
    """A block that a library cannot express, or a library's terms that are no block."""


class ReadingError(OrdersearchError, ValueError):
    """A module whose order cannot be read from what it does."""


class BlocksFileError(OrdersearchError, ValueError):
    """A blocks file that breaks its schema or comes from a newer version."""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The known names that look most like ``name``, nearest first (at most three).

    Example:
        >>> nearest("rleu", ["prelu", "relu", "tanh"])
        ['relu', 'prelu']
    """
    folded = {candidate.lower(): candidate for candidate in known}
    return [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)]


def unknown_name(
    kind: str, name: object, known: Iterable[str], *, where: str = "", close: Iterable[str] = ()
) -> UnknownNameError:
    """The error for a name that is not known, with the nearest known name first.

    Args:
        kind: What the name should be the name of, such as ``"op"``.
        name: What was got.
        known: All names that would do.
        where: The file and place in it, where there is one.
        close: The nearest names, where the caller knows better than their spelling tells.

    Example:
        >>> str(unknown_name("op", "rleu", ["relu", "tanh"]))
        "No op is named 'rleu'. Did you mean 'relu'? Known: relu, tanh."
    """
    names = sorted(known)
    close = nearest(str(name), names) or list(close)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    prefix = f"{where}: no" if where else "No"
    return UnknownNameError(f"{prefix} {kind} is named {str(name)[:80]!r}.{hint} Known: {', '.join(names) or 'none'}.")


def without_password(text: str) -> str:
    """The text with the passwords of the URLs in it replaced.

    Example:
        >>> without_password("postgresql://ada:secret@localhost/studies")
        'postgresql://ada:***@localhost/studies'
        >>> without_password("postgresql://localhost/studies?user=ada&password=secret")
        'postgresql://localhost/studies?user=ada&password=***'
    """
    # Up to the last @ of the word: a password may hold one, though it ought to be written %40.
    text = re.sub(r"(\w+://[^:/@\s]*):\S*@", r"\1:***@", text)
    return re.sub(r"(?i)\b(password|passwd|pwd)=[^&\s'\"]*", r"\1=***", text)
