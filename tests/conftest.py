"""Options and fixtures that every test shares."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.browser import browser  # noqa: F401
from tests.plugged import install, plant  # noqa: F401
from tests.postgres import database, opened, postgres  # noqa: F401

GOLDEN = Path(__file__).parent / "golden"

# A machine that does other work as well makes any deadline a lottery.
settings.register_profile("ordersearch", deadline=None, print_blob=True)
settings.load_profile("ordersearch")

# A shell that starts the tests in the background has them ignore Ctrl-C, which several of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew from what the code does")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with the golden file of this name, or writes that file with ``--update-golden``."""
    update = request.config.getoption("--update-golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path} is missing: run pytest --update-golden once, and read what it wrote."
        assert text == path.read_text(encoding="utf-8"), f"{path} differs: run pytest --update-golden if that is meant."

    return compare
