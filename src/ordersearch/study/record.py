"""What a study keeps about itself besides its trials, so that its data set may be gone when it is reported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from ordersearch.data.dataset import DIMS
from ordersearch.data.description import few_notes
from ordersearch.errors import OrdersearchError, StudyMismatchError
from ordersearch.results import Attribute
from ordersearch.space import SearchSpace
from ordersearch.space.kept import from_plain, to_plain
from ordersearch.study.packs import Packs
from ordersearch.training.settings import TrainingSettings

if TYPE_CHECKING:
    from optuna import Study

    from ordersearch.data import Dataset
    from ordersearch.study.search import Search

LONGEST = 60_000
"""Characters of an attribute's JSON: MySQL's texts end at 64 kB."""

MOST_NAMES = 200
MOST_COMMANDS = 20

Direction = Literal["minimize", "maximize"]


class DataFacts(Protocol):
    """What is asked of the data set of a search that is over."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def dims(self) -> int: ...  # noqa: D102
    @property
    def has_own_validation(self) -> bool: ...  # noqa: D102

    def n_train(self) -> int: ...  # noqa: D102


class Named(Protocol):
    """What is asked of a network."""

    @property
    def name(self) -> str: ...  # noqa: D102


class Searched(Protocol):
    """What a verdict needs of a search: a ``Search`` has it, and so has the ``Record`` of one."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def direction(self) -> Direction: ...  # noqa: D102
    @property
    def training(self) -> TrainingSettings: ...  # noqa: D102
    @property
    def network(self) -> Named: ...  # noqa: D102
    @property
    def dataset(self) -> DataFacts: ...  # noqa: D102
    @property
    def space(self) -> SearchSpace | None: ...  # noqa: D102
    @property
    def packs(self) -> Packs: ...  # noqa: D102

    def identity(self) -> dict[str, Any]: ...  # noqa: D102


@dataclass(frozen=True)
class DataRecord:
    """A data set as its study keeps it.

    Attributes:
        name: Short name.
        input: What one sample is: table, signal, image or volume.
        fingerprint: Of its arrays.
        task: What the targets are; empty where the study does not say.
        shape: Of one sample.
        n_outputs: Classes, labels or numbers to predict.
        n_training: How many samples train; 0 where the study does not say.
        has_own_validation: Whether the source defines the validation part.
        class_names: The first 200.
        lines: What is printed of it before a search.
    """

    name: str
    input: str = "image"
    fingerprint: str = ""
    task: str = ""
    shape: tuple[int, ...] = ()
    n_outputs: int = 0
    n_training: int = 0
    has_own_validation: bool = False
    class_names: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def dims(self) -> int:
        """The number of spatial dimensions."""
        return DIMS.get(self.input, 2)

    def n_train(self) -> int:
        """How many samples train in every split."""
        return self.n_training


@dataclass(frozen=True)
class NetworkRecord:
    """A network as its study keeps it: the name and the options that were chosen."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A command that was given for a study, and with which versions it ran."""

    text: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Record:
    """A search as its study keeps it.

    Attributes:
        name: Of the study.
        seed: First of the search's seeds, and its split.
        direction: ``minimize`` or ``maximize``.
        training: How a candidate was trained.
        network: Where the blocks sat.
        dataset: The data.
        space: The orders; None where the study does not hold them in a form that this version reads.
        packs: How many seeds were trained together.
        commands: What was given, first to last; none of a search that a program started.
        kept: The study's identity, as it stands there.
        notes: What could not be read.
    """

    name: str
    seed: int
    direction: Direction
    training: TrainingSettings
    network: NetworkRecord
    dataset: DataRecord
    space: SearchSpace | None
    packs: Packs
    commands: tuple[Command, ...]
    kept: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def identity(self) -> dict[str, Any]:
        """What must be the same for two runs to be compared, by name."""
        return dict(self.kept)


def keep_record(study: Study, search: Search) -> None:
    """Write into a study what its data set and its space are, unless it is there."""
    _keep_once(study, Attribute.DATA, _data(search.dataset))
    _keep_once(study, Attribute.SPACE, to_plain(search.space))


def keep_command(study: Study, text: str, versions: Mapping[str, str]) -> None:
    """Add a command to those that were given for a study, with the versions that it ran with, unless it is there."""
    kept = study.user_attrs.get(Attribute.COMMANDS, [])
    given = {"command": text, "versions": dict(versions)}
    if given not in kept:
        study.set_user_attr(Attribute.COMMANDS, [*kept, given][-MOST_COMMANDS:])


def _keep_once(study: Study, name: Attribute, values: Mapping[str, Any]) -> None:
    if name not in study.user_attrs and len(json.dumps(values)) <= LONGEST:
        study.set_user_attr(name, values)


def _data(dataset: Dataset) -> dict[str, Any]:
    return {
        "task": dataset.task,
        "shape": list(dataset.input_shape),
        "n_outputs": dataset.n_outputs,
        "n_training": dataset.n_train(),
        "has_own_validation": dataset.has_own_validation,
        "class_names": [name[:MOST_NAMES] for name in dataset.class_names[:MOST_NAMES]],
        "lines": [*dataset.describe(), *few_notes(dataset), *dataset.notes],
    }


def read_record(study: Study) -> Record:
    """The search that a study is of.

    What an older version did not keep is left empty; what cannot be read is told in ``notes``.

    Raises:
        StudyMismatchError: ordersearch did not make the study, or it is no search of its own.
    """
    attributes = study.user_attrs
    kept = attributes.get(Attribute.SEARCH)
    if not isinstance(kept, dict):
        raise StudyMismatchError(f"Study {study.study_name!r} exists, but ordersearch did not make it.")
    if Attribute.CONFIRMATION in attributes:
        raise StudyMismatchError(
            f"Study {study.study_name!r} holds further runs of another study's search: report on that one."
        )
    notes: list[str] = []
    network = {key.removeprefix("network "): value for key, value in kept.items() if key.startswith("network ")}
    return Record(
        name=study.study_name,
        seed=_whole(kept.get("seed")),
        direction=cast("Direction", study.direction.name.lower()),
        training=_training(kept, study.metric_names, notes),
        network=NetworkRecord(str(kept.get("network", "unknown")), network),
        dataset=_read_data(kept, attributes.get(Attribute.DATA), notes),
        space=_read_space(kept, attributes.get(Attribute.SPACE), notes),
        packs=Packs.from_dict(kept),
        commands=_read_commands(attributes.get(Attribute.COMMANDS)),
        kept=kept,
        notes=tuple(notes),
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _training(kept: Mapping[str, Any], metrics: Sequence[str] | None, notes: list[str]) -> TrainingSettings:
    known = {own.name: kept[own.name] for own in fields(TrainingSettings) if own.name in kept}
    if metrics:
        known.setdefault("metric", metrics[0])
    try:
        return TrainingSettings.from_dict(known)
    except (OrdersearchError, TypeError) as cause:
        notes.append(f"How the candidates were trained cannot be read here ({cause}).")
        return TrainingSettings(metric=str(known.get("metric", "val/loss")))


def _read_data(kept: Mapping[str, Any], values: object, notes: list[str]) -> DataRecord:
    name, kind = str(kept.get("data set", "unknown data")), str(kept.get("kind of input", "image"))
    plain = DataRecord(name, kind, str(kept.get("data fingerprint", "")))
    if values is None:
        return plain
    try:
        own = cast("Mapping[str, Any]", values)
        return DataRecord(
            name,
            kind,
            plain.fingerprint,
            str(own["task"]),
            tuple(map(int, own["shape"])),
            int(own["n_outputs"]),
            int(own["n_training"]),
            bool(own["has_own_validation"]),
            tuple(map(str, own["class_names"])),
            tuple(map(str, own["lines"])),
        )
    except (KeyError, TypeError, ValueError):
        notes.append("What the study says of its data is written in a way that this version does not read.")
        return plain


def _read_space(kept: Mapping[str, Any], values: object, notes: list[str]) -> SearchSpace | None:
    """The kept space; else the shipped one of the same name, if it is still the same."""
    if isinstance(values, dict):
        try:
            return from_plain(values)
        except OrdersearchError as cause:
            notes.append(str(cause))
            return None
    with suppress(OrdersearchError):
        shipped = SearchSpace.load(str(kept.get("space", "")))
        if shipped.fingerprint() == kept.get("space fingerprint"):
            return shipped
    notes.append(f"The study does not hold its search space {str(kept.get('space', ''))!r}, so its size is not told.")
    return None


def _read_commands(values: object) -> tuple[Command, ...]:
    if not isinstance(values, list):
        return ()
    told = [value for value in values if isinstance(value, dict) and isinstance(value.get("command"), str)]
    return tuple(
        Command(value["command"], {str(key): str(v) for key, v in value["versions"].items()})
        for value in told
        if isinstance(value.get("versions"), dict)
    )
