"""``package.module:attribute``: found in the current folder, called, and its errors told with their line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from torch.utils.data import DataLoader

from ordersearch.errors import DataError, NetworkError, OrdersearchError, SpecError, UnknownNameError
from ordersearch.user_code import call_user, find_user_code, names_user_code, signature_of, told

HERE = Path(__file__).name
Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the current folder; what was imported from there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    known = set(sys.modules)

    def write_module(name: str, code: str) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)

    yield write_module
    for name in set(sys.modules) - known:
        del sys.modules[name]


def find(name: str, error: type[OrdersearchError] = DataError) -> Any:
    return find_user_code(name, at=f"Pets {name!r}", noun="keeper", error=error)


def call(function: Callable[[], Any], error: type[OrdersearchError] = DataError) -> Any:
    return call_user(function, at="mine:load", error=error)


def fail() -> NoReturn:
    raise ValueError("no files.\n")


@pytest.mark.parametrize(
    ("text", "is_code"),
    [
        ("mine:load", True),
        ("package.module:Class.method", True),
        ("mine.py:load", True),
        ("größe:lade", True),
        ("./mine.py:load", False),
        ("C:/data", False),
        ("mine:", False),
        (":load", False),
        ("mine:load:more", False),
        ("hf:user/name", False),
        ("mine.npz", False),
        ("9mine:load", False),
        ("my net:load", False),
        (".mine:load", False),
    ],
)
def test_the_form(text: str, is_code: bool) -> None:
    assert names_user_code(text) is is_code


def test_an_attribute_of_a_module_in_the_current_folder(write: Write) -> None:
    write("pets.py", "class Pets:\n    names = ['cat', 'dog']\n")
    assert find("pets:Pets.names") == ["cat", "dog"]


def test_a_module_in_a_package_and_what_it_imports_later(write: Write) -> None:
    write("shop/__init__.py", "")
    write("shop/cats.py", "def load():\n    import dogs\n    return dogs.n\n")
    write("dogs.py", "n = 3\n")
    assert find("shop.cats:load")() == 3


def test_a_console_script_finds_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "run.py").write_text(
        "from ordersearch.user_code import find_user_code\n"
        "print(find_user_code('pets:n', at='', noun='', error=ValueError))\n"
    )
    (tmp_path / "pets.py").write_text("n = 3\n")
    done = subprocess.run(
        [sys.executable, "bin/run.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("3\n", "")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        (
            "flower:load",
            r"no module is named 'flower'\. Did you mean 'flowers'\? Looked in {folder} and among the inst",
        ),
        ("shpo.cats:load", r"no module is named 'shpo\.cats'\. Did you mean 'shop\.cats'\? Looked in"),
        ("shop.cast:load", r"no module is named 'shop\.cast'\. Did you mean 'shop\.cats'\? Looked in"),
        ("zebra.data:load", r"no module is named 'zebra\.data'\. Looked in {folder}"),
        ("flowers.py:load", r"no module is named 'flowers\.py'\. Leave out the ending: flowers:load\. Looked in"),
    ],
)
def test_a_module_that_is_not_there_is_told_with_the_nearest(
    write: Write, tmp_path: Path, name: str, match: str
) -> None:
    write("flowers.py", "")
    write("shop/__init__.py", "")
    write("shop/cats.py", "")
    with pytest.raises(UnknownNameError, match=rf"^Pets '{name}': {match.format(folder=tmp_path)}") as caught:
        find(name)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_an_attribute_that_is_not_there_is_told_with_the_nearest_public_name(write: Write) -> None:
    write(
        "pets.py",
        "from __future__ import annotations\n"
        "import json\n"
        "class Pets:\n"
        "    @property\n"
        "    def all(self):\n"
        "        raise AssertionError('not read')\n"
        "def load():\n    pass\n"
        "_hidden = 1\n"
        "some = Pets()\n",
    )
    match = (
        r"^Pets 'pets:laod' \(pets\.py\): no keeper is named 'laod'\. Did you mean 'load'\? Known: Pets, load, some\.$"
    )
    with pytest.raises(UnknownNameError, match=match):
        find("pets:laod")
    with pytest.raises(UnknownNameError, match=r"no keeper is named 'al'\. Did you mean 'all'\? Known: all\.$"):
        find("pets:some.al")


@pytest.mark.parametrize("error", [DataError, NetworkError])
@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("import numpy\nimport nothing_of_this_name\n", r"ModuleNotFoundError: No module named .* \(broken\.py:2\)"),
        ("x = 1\ndef load(:\n", r"SyntaxError: .* \(broken\.py:2\)"),
        ("\n\n1 / 0\n", r"ZeroDivisionError: division by zero \(broken\.py:3\)"),
        ("import sys\nsys.exit('usage: broken')\n", r"SystemExit: usage: broken \(broken\.py:2\)"),
        ("open('no file')\n", r"FileNotFoundError: .*'no file' \(broken\.py:1\)"),
    ],
)
def test_an_error_of_the_module_is_one_message_with_its_line(
    write: Write, error: type[OrdersearchError], code: str, match: str
) -> None:
    write("broken.py", code)
    with pytest.raises(error, match=rf"^Pets 'broken:load' raised {match}\.$") as caught:
        find("broken:load", error)
    assert caught.value.__cause__ is not None


def test_what_the_code_returns_comes_back() -> None:
    assert call(lambda: 3) == 3


def test_an_error_names_the_line_it_was_raised_in(monkeypatch: pytest.MonkeyPatch) -> None:
    line = fail.__code__.co_firstlineno + 1
    monkeypatch.chdir(Path(__file__).parents[1])
    match = rf"ValueError: no files \(tests/{HERE}:{line}\)\.$"
    with pytest.raises(DataError, match=rf"^mine:load raised {match}") as caught:
        call(fail)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(NetworkError, match=rf"^Network 'mine' cannot be built: {match}"):
        call_user(fail, at="Network 'mine'", error=NetworkError, failed="cannot be built:")


@pytest.mark.parametrize("library", [lambda: json.loads("{"), lambda: torch.nn.Linear(2, 2)(torch.zeros(3))])
def test_the_last_line_of_the_persons_own_code_is_named_not_that_of_a_library(library: Callable[[], Any]) -> None:
    line = library.__code__.co_firstlineno
    with pytest.raises(DataError, match=rf"^mine:load raised \w+Error: .+ \(.*{HERE}:{line}\)\.$"):
        call(library)


def test_what_is_installed_elsewhere_is_a_library(write: Write, tmp_path: Path) -> None:
    write("site-packages/installed.py", "def fail():\n    raise OSError('gone')\n")
    write("pets.py", "import installed\n\ninstalled.fail()\n")
    sys.path.append(str(tmp_path / "site-packages"))
    with pytest.raises(DataError, match=r"^Pets 'pets:load' raised OSError: gone \(pets\.py:3\)\.$"):
        find("pets:load")


def test_a_library_is_named_where_no_line_is_the_persons_own() -> None:
    code = compile("import json\njson.loads('{')", "<template>", "exec")
    match = r"^mine:load raised JSONDecodeError: Expecting .*: line 1 column 2 \(char 1\) \(.*decoder\.py:\d+\)\.$"
    with pytest.raises(DataError, match=match):
        call(partial(exec, code))


def test_a_syntax_error_names_its_own_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"raised SyntaxError: '\(' was never closed \(.*mine\.py, line 2\) \(/.*:2\)"):
        call(lambda: compile("x = 1\ny = (\n", str(tmp_path / "mine.py"), "exec"))


def test_leaving_the_interpreter_is_an_error_and_an_interrupt_is_not() -> None:
    with pytest.raises(DataError, match=r"mine:load raised SystemExit: 2 \("):
        call(lambda: sys.exit(2))

    def interrupt() -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        call(interrupt)


def test_our_own_errors_stay_as_they_are() -> None:
    def load() -> NoReturn:
        raise SpecError("says all by itself")

    with pytest.raises(SpecError, match=r"^says all by itself$"):
        call(load)


class Broken(torch.utils.data.Dataset[int]):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        raise OSError("image 3 is broken")


def test_an_error_in_another_process_names_the_line_there() -> None:
    line = Broken.__getitem__.__code__.co_firstlineno + 1
    with pytest.raises(DataError, match=rf"^mine:load raised OSError: image 3 is broken \(.*{HERE}:{line}\)\.$"):
        call(lambda: list(DataLoader(Broken(), num_workers=1)))


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (ValueError(), "ValueError"),
        (ValueError("sizes differ\nat 3"), "ValueError: sizes differ"),
        (RuntimeError("RuntimeError: twice."), "RuntimeError: twice"),
    ],
)
def test_an_error_is_told_in_one_line(cause: Exception, text: str) -> None:
    assert told(cause) == text


def test_what_tells_no_signature_has_none() -> None:
    assert str(signature_of(fail)) == "() -> 'NoReturn'"
    assert signature_of(type) is None
