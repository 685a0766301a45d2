from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersearch import errors
from ordersearch.errors import OrdersearchError, UnknownNameError, nearest, unknown_name

KINDS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and name.endswith("Error")}
BUILTINS = {
    "SpecError": ValueError,
    "NotEquivalentError": ValueError,
    "ShapeError": ValueError,
    "UnknownNameError": LookupError,
    "PluginError": ImportError,
    "SpaceError": ValueError,
    "DataError": ValueError,
    "NetworkError": ValueError,
    "MissingMetricError": LookupError,
    "TrainingSettingError": ValueError,
    "DivergedError": ArithmeticError,
    "StorageError": OSError,
    "StudyMismatchError": ValueError,
    "BlocksFileError": ValueError,
    "ExportError": ValueError,
    "ReadingError": ValueError,
}


def test_every_error_has_its_builtin() -> None:
    assert set(KINDS) == {"OrdersearchError", *BUILTINS}


@pytest.mark.parametrize(("name", "builtin"), BUILTINS.items())
def test_error_is_caught_as_ours_and_as_the_builtin(name: str, builtin: type[Exception]) -> None:
    for caught in (OrdersearchError, builtin):
        with pytest.raises(caught, match=r"^the message alone$"):
            raise KINDS[name]("the message alone")


@pytest.mark.parametrize("name", BUILTINS)
def test_error_survives_the_way_back_from_a_worker(name: str) -> None:
    back = pickle.loads(pickle.dumps(KINDS[name]("what was got")))
    assert type(back) is KINDS[name]
    assert str(back) == "what was got"


@pytest.mark.parametrize(
    ("got", "close"),
    [("rleu", "relu"), ("RELU", "relu"), ("batchnorm", "batch_norm"), ("max_pol", "max_pool"), ("Tanh ", "tanh")],
)
def test_nearest_name_comes_first(got: str, close: str) -> None:
    assert nearest(got, ["batch_norm", "max_pool", "avg_pool", "prelu", "relu", "tanh"])[0] == close


def test_nearest_gives_at_most_three_and_none_for_what_is_far() -> None:
    assert len(nearest("aaaa", ["aaaa", "aaab", "aaba", "abaa", "baaa"])) == 3
    assert nearest("xylophone", ["relu", "tanh"]) == []


def test_unknown_name_says_the_place_the_nearest_and_all_known() -> None:
    assert str(unknown_name("key", "lrr", ["nuisance", "lr"], where="mine.yaml: nuisance")) == (
        "mine.yaml: nuisance: no key is named 'lrr'. Did you mean 'lr'? Known: lr, nuisance."
    )
    assert str(unknown_name("op", "x", [])) == "No op is named 'x'. Known: none."


def test_unknown_name_prefers_spelling_to_the_callers_guess() -> None:
    assert "Did you mean 'relu'?" in str(unknown_name("op", "rleu", ["relu"], close=["tanh"]))
    assert "Did you mean 'tanh'?" in str(unknown_name("op", "qqq", ["relu"], close=["tanh"]))


@given(st.one_of(st.text(), st.integers(), st.none()), st.lists(st.text(max_size=20), max_size=5))
def test_unknown_name_takes_anything_and_stays_short(name: object, known: list[str]) -> None:
    error = unknown_name("op", name, known)
    assert isinstance(error, UnknownNameError)
    assert len(str(error)) < 1000
