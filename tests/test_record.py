"""What a study keeps about itself, and what is read back of it."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage

from ordersearch.errors import SpaceError, StudyMismatchError
from ordersearch.results import Attribute
from ordersearch.space import SearchSpace
from ordersearch.space.kept import from_plain, to_plain
from ordersearch.space.shipped import shipped_spaces
from ordersearch.study import Search
from ordersearch.study.record import LONGEST, DataRecord, keep_command, keep_record, read_record
from tests.searches import small_search, small_space


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return small_search(small_space(tmp_path))


@pytest.mark.parametrize("name", shipped_spaces())
def test_a_kept_space_is_the_space(name: str) -> None:
    space = SearchSpace.load(name)
    kept = from_plain(to_plain(space))
    assert kept.fingerprint() == space.fingerprint()
    assert kept.references() == space.references()
    assert (kept.n_specs, kept.n_classes, kept.block_roles) == (space.n_specs, space.n_classes, space.block_roles)
    assert (kept.name, kept.description, kept.network) == (space.name, space.description, space.network)


def test_a_space_of_another_kind_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"The kept search space cannot be read \(KeyError: 'roles'\)\."):
        from_plain({"name": "small"})


def test_a_search_is_read_back_from_its_study(search: Search) -> None:
    study = search.open_study(InMemoryStorage())
    record = read_record(study)
    assert (record.name, record.seed, record.direction) == (search.name, search.seed, search.direction)
    assert record.training == search.training
    assert record.packs == search.packs
    assert record.identity() == search.identity()
    assert (record.network.name, record.network.options) == ("cnn", {"width": 16, "depth": 1, "stem": False})
    assert record.space is not None
    assert record.space.fingerprint() == search.space.fingerprint()
    own, dataset = record.dataset, search.dataset
    assert (own.name, own.dims, own.n_train(), own.fingerprint) == ("digits", 2, dataset.n_train(), dataset.fingerprint)
    assert own.lines[: len(dataset.describe())] == tuple(dataset.describe())
    assert own.class_names == dataset.class_names
    assert record.notes == ()


def test_what_is_kept_fits_into_every_database(search: Search) -> None:
    names = tuple(f"{place} {'long' * 100}" for place in range(5000))
    study = optuna.create_study()
    keep_record(study, replace(search, dataset=replace(search.dataset, class_names=names, notes=("n" * LONGEST,))))
    assert Attribute.DATA not in study.user_attrs
    keep_record(study, replace(search, dataset=replace(search.dataset, class_names=names)))
    kept = study.user_attrs[Attribute.DATA]
    assert len(kept["class_names"]) == 200
    assert max(map(len, kept["class_names"])) == 200


def test_commands_are_kept_once_each_and_the_last_twenty(search: Search) -> None:
    study = search.open_study(InMemoryStorage())
    for number in (0, 0, *range(30)):
        keep_command(study, f"python -m ordersearch digits --trials {number}", {"torch": "2.13"})
    commands = read_record(study).commands
    assert len(commands) == 20
    assert commands[-1].text == "python -m ordersearch digits --trials 29"
    assert commands[-1].versions == {"torch": "2.13"}


def test_a_study_that_is_no_search_is_refused(search: Search) -> None:
    with pytest.raises(StudyMismatchError, match=r"Study 'other' exists, but ordersearch did not make it\."):
        read_record(optuna.create_study(study_name="other"))
    study = search.open_study(InMemoryStorage())
    study.set_user_attr(str(Attribute.CONFIRMATION), {})
    with pytest.raises(StudyMismatchError, match="holds further runs of another study's search: report on that one"):
        read_record(study)


def test_a_study_that_kept_nothing_but_its_identity_is_read(search: Search) -> None:
    study = optuna.create_study(study_name="bare", direction="maximize")
    study.set_user_attr(str(Attribute.SEARCH), {"metric": "val/accuracy", "max_epochs": "many"})
    record = read_record(study)
    assert record.direction == "maximize"
    assert record.training.metric == "val/accuracy"
    assert record.dataset == DataRecord("unknown data")
    assert record.commands == ()
    assert record.notes[0].startswith("How the candidates were trained cannot be read here (")


def test_a_record_has_no_field_that_a_report_could_miss(search: Search) -> None:
    record = read_record(search.open_study(InMemoryStorage()))
    assert all(getattr(record, own.name) is not None for own in fields(record))
