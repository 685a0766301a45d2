"""A storage that waits out a database that is away: restarted, or behind a network that is gone for a while."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

PATIENCE_SECONDS = 90.0
"""How long a storage may be away before what it is needed for fails."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0


def patient(
    storage: BaseStorage, *, seconds: float = PATIENCE_SECONDS, reopened: Callable[[], BaseStorage] | None = None
) -> BaseStorage:
    """The storage, each call of which is repeated while what is behind it is away.

    A call whose answer was lost is made again, so that a trial may be created twice: the second time it belongs to
    nobody, and is ended as other abandoned trials are.

    Args:
        storage: A database or a proxy.
        seconds: How long to wait for it.
        reopened: Opens it anew after a failure, where it does not find back by itself as fast.
    """
    return cast(BaseStorage, _PATIENT_STORAGE(storage, seconds, reopened))


def is_away(error: BaseException) -> bool:
    """Whether an error says that a database or a proxy cannot be reached now.

    Example:
        >>> is_away(OperationalError("SELECT 1", {}, Exception("connection refused"))), is_away(ValueError())
        (True, False)
    """
    return any(map(_says_away, _causes(error)))


def _says_away(error: BaseException) -> bool:
    if isinstance(error, OperationalError | InterfaceError):
        return True
    if isinstance(error, DBAPIError):
        return bool(error.connection_invalidated)
    # Of grpc, which need not be installed.
    code = getattr(error, "code", None)
    return type(error).__module__.partition(".")[0] == "grpc" and callable(code) and code().name == "UNAVAILABLE"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class _Patience:
    """What a patient storage is made of, besides a method for each of a storage's."""

    def __init__(self, storage: BaseStorage, seconds: float, reopened: Callable[[], BaseStorage] | None) -> None:
        self._storage, self._seconds, self._reopened = storage, seconds, reopened

    def _persist(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call a method of the storage until it is there."""
        started, pause, is_again = time.monotonic(), FIRST_PAUSE_SECONDS, False
        while True:
            try:
                return getattr(self._storage, name)(*arguments, **named)
            except UpdateFinishedTrialError:
                # The first call came through; its answer did not.
                if is_again and name == "set_trial_state_values" and self._has_state(*arguments, **named):
                    return True
                raise
            except Exception as error:
                if not is_away(error) or time.monotonic() - started >= self._seconds:
                    raise
            time.sleep(pause)
            if self._reopened is not None:
                self._storage = self._reopened()
            pause, is_again = min(LONGEST_PAUSE_SECONDS, 2 * pause), True

    def _has_state(self, trial_id: int, state: Any, values: Any = None) -> bool:
        return bool(self._storage.get_trial(trial_id).state == state)


def _method(name: str) -> Callable[..., Any]:
    def call(self: _Patience, *arguments: Any, **named: Any) -> Any:
        return self._persist(name, arguments, named)

    return call


_METHODS = {name: _method(name) for name, _ in inspect.getmembers(BaseStorage, inspect.isfunction) if name[0] != "_"}

_PATIENT_STORAGE = type("PatientStorage", (_Patience, BaseStorage), _METHODS)
