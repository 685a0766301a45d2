"""What the processes of a team tell each other, in the words of Python's values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ordersearch.workers.handover import Parcel


@dataclass(frozen=True)
class Start:
    """The first message to a worker.

    Attributes:
        number: Of the worker; this process is 0.
        parcel: The search.
        location: Of the study's storage.
        threads: How many it may use.
    """

    number: int
    parcel: Parcel
    location: str
    threads: int


@dataclass(frozen=True)
class SearchAlong:
    """Take part in the search, with the arguments of ``Search.run``, until it is over or ``Stop`` comes."""

    phase: int
    n_trials: int | None
    n_expected: int | None
    timeout: float | None


@dataclass(frozen=True)
class TrainQueued:
    """Train what waits in a study until ``Stop`` comes."""

    phase: int
    study: str
    timeout: float | None
    is_final: bool


@dataclass(frozen=True)
class Stop:
    """Begin nothing more in the phase that is on; what is under way is finished."""


@dataclass(frozen=True)
class Ready:
    """A worker has read the search and opened the study."""


@dataclass(frozen=True)
class Idle:
    """A worker has nothing under way; it has ended its part of this phase."""

    phase: int


@dataclass(frozen=True)
class Failed:
    """A worker ends because of an error."""

    reason: str


Phase: TypeAlias = SearchAlong | TrainQueued
