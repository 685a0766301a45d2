"""The dashboard in a real browser: the real server on a real run with hostile names; and the command that starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ordersearch.cli.dashboard_command import PORT, Watched, watched_run
from ordersearch.cli.runs import RunError
from ordersearch.objective import Trainer
from ordersearch.report.dashboard import DashboardObserver
from ordersearch.space import SearchSpace
from ordersearch.space.references import Reference
from ordersearch.study import Search
from ordersearch.study.baseline import default_baseline, tuned_baseline
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import finalists
from ordersearch.study.storage import open_storage
from tests.kept_studies import HOSTILE
from tests.searches import small_search, small_space

STARTED_SECONDS = 120
N_CLASSES = 10
CONFIRMED = f"{HOSTILE}-confirm"


def hostile(search: Search) -> Search:
    """The search with the worst names that a person could give."""
    space, dataset = search.space, search.dataset
    reference = Reference(HOSTILE, HOSTILE, HOSTILE, space.references()[0].blocks)
    named = SearchSpace(HOSTILE, space.roles, nuisance=space.nuisance, references=(reference,))
    names = tuple(f"{n} {HOSTILE}" for n in range(N_CLASSES))
    return replace(search, name=HOSTILE, space=named, dataset=replace(dataset, name=HOSTILE, class_names=names))


@dataclass(frozen=True)
class Served:
    """A run whose dashboard is up.

    Attributes:
        folder: The run's.
        address: The dashboard's.
        process: Its server.
    """

    folder: Path
    address: str
    process: subprocess.Popen[str]

    def study(self, name: str) -> int:
        """The number of a study in the dashboard's addresses."""
        with urllib.request.urlopen(f"{self.address}api/studies", timeout=60) as answer:
            listed = json.load(answer)["study_summaries"]
        return next(int(study["study_id"]) for study in listed if study["study_name"] == name)

    def opened(self, browser: Browser, path: str) -> Page:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"{self.address}dashboard/{path}")
        return page


@contextmanager
def command(*words: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A command line of ordersearch, ended at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ordersearch", *words],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def address_of(process: subprocess.Popen[str]) -> str:
    """The address that the command prints first."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.match(r"Dashboard: (http://\S+/)", line)
    assert found, line + str(process.communicate(timeout=5)[1])
    return found[1]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    parent = tmp_path_factory.mktemp("parent")
    folder = parent / "runs" / "hostile"
    folder.mkdir(parents=True)
    storage = open_storage(str(folder / "study.journal"))
    search = hostile(small_search(small_space(parent)))
    observer = DashboardObserver(storage, folder / "artifacts")
    result = search.run(search.open_study(storage), n_trials=4, observers=[observer])
    trainer = Trainer(search.dataset, search.network, search.training)
    baseline, _ = tuned_baseline(search, result, default_baseline(search, result), trainer, storage)
    confirmation, study = Confirmation(search, finalists(result, baseline), max_pairs=5).opened(storage)
    confirmation.run(study, trainer, observers=[observer])
    assert observer.problem == ""
    with command("dashboard", "--port", str(free_port()), folder=parent) as process:
        yield Served(folder, address_of(process), process)


@pytest.mark.slow
def test_the_study_s_note_is_shown_with_names_as_text(served: Served, browser: Browser) -> None:
    page = served.opened(browser, "studies/0/note")
    expect(page.get_by_role("heading", name="Leaderboard of the search")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("heading", name="Verdict", exact=True)).to_be_visible()
    assert page.locator("h1").inner_text().strip() == HOSTILE
    # The head of each table, and a row for each of two orders.
    assert page.locator("table tr").count() == 6
    assert HOSTILE in page.locator("table").first.inner_text()
    assert_only_text(page)


@pytest.mark.slow
def test_the_plots_are_drawn(served: Served, browser: Browser) -> None:
    for study, names in ((HOSTILE, {"leaderboard", "curves", "cost"}), (CONFIRMED, {"leaderboard", "curves"})):
        page = served.opened(browser, f"studies/{served.study(study)}")
        for name in names:
            plot = page.locator(f'[id="user-defined-plot:ordersearch-{name}"] .main-svg').first
            expect(plot).to_be_visible(timeout=60_000)
        # The title, too, is drawn: plotly leaves out whatever it takes for a tag.
        title = page.locator('[id="user-defined-plot:ordersearch-leaderboard"] .gtitle')
        expect(title).to_contain_text("difference of val/loss to your order")
        assert_only_text(page)
    page = served.opened(browser, "studies/0")
    names_of_points = page.locator('[id="user-defined-plot:ordersearch-cost"] .textpoint')
    expect(names_of_points.first).to_contain_text("<script>alert(1)</script>", timeout=60_000)


@pytest.mark.slow
def test_a_finalist_s_trial_shows_its_order_curve_and_confusion_matrix(served: Served, browser: Browser) -> None:
    page = served.opened(browser, f"studies/{served.study(CONFIRMED)}/trials?numbers=0")
    expect(page.get_by_text("may be swapped").first).to_be_visible(timeout=60_000)
    for file in ("learning-curve.svg", "confusion-matrix.svg"):
        image = page.locator(f'img[alt="{file}"]').first
        expect(image).to_be_visible()
        assert image.evaluate("image => image.complete && image.naturalWidth > 100")
    for file in ("learning-curve.svg", "confusion-matrix.svg", "confusion-matrix.csv", "block.txt"):
        expect(page.get_by_text(file, exact=True).first).to_be_visible()
    assert_only_text(page)


@pytest.mark.slow
def test_the_list_of_studies_shows_names_as_text(served: Served, browser: Browser) -> None:
    page = served.opened(browser, "")
    expect(page.get_by_text(CONFIRMED).first).to_be_visible(timeout=60_000)
    assert_only_text(page)


def assert_only_text(page: Page) -> None:
    """Nothing of the hostile names became markup: no script ran, none is there, no link was made of them."""
    assert page.locator("script:not([src])").count() == 0
    assert page.locator("main b, main a[href^='javascript']").count() == 0


@pytest.mark.slow
def test_ctrl_c_ends_the_dashboard_with_a_line(served: Served) -> None:
    with command("dashboard", str(served.folder), "--port", str(free_port()), folder=served.folder) as process:
        address = address_of(process)
        assert process.stdout is not None
        assert "Ctrl-C ends it" in process.stdout.readline()
        assert urllib.request.urlopen(f"{address}api/meta", timeout=60).status == 200
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err.strip() == "The dashboard has ended."


@pytest.mark.slow
def test_a_taken_port_is_said_and_another_one_is_taken(served: Served) -> None:
    port = int(served.address.rstrip("/").rpartition(":")[2])
    with command("dashboard", "hostile", "--port", str(port), folder=served.folder.parents[1]) as process:
        _, err = process.communicate(timeout=STARTED_SECONDS)
    assert process.returncode == 2
    assert f"--port {port}: cannot be listened on (Address already in use)" in err
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", PORT))
            taken.listen()
        except OSError:
            # Something else has it, which is as good.
            pass
        with command("dashboard", "hostile", folder=served.folder.parents[1]) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert f"(port {PORT} is taken)" in line, line
            assert f":{PORT}/" not in line


def test_the_newest_run_is_watched_unless_another_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"runs: holds no run\. Search first, or name the folder of a run"):
        watched_run("")
    for age, name in ((20, "older"), (10, "newer")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "study.journal").touch()
        stamp = (folder / "study.journal").stat().st_mtime - age
        os.utime(folder / "study.journal", (stamp, stamp))
    newer, older = Path("runs/newer"), Path("runs/older")
    assert watched_run("") == Watched(str(newer / "study.journal"), newer / "artifacts")
    assert watched_run("older") == watched_run(str(older)) == Watched(str(older / "study.journal"), older / "artifacts")
    assert watched_run("older", "sqlite:///s.db") == Watched("sqlite:///s.db", older / "artifacts")
    with pytest.raises(RunError, match=r"odler: there is no such run\. Did you mean 'runs/older'\?"):
        watched_run("odler")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"empty: holds no study\.journal, so it is no run's folder\. If the study"):
        watched_run("empty")


def test_a_password_is_not_printed() -> None:
    watched = Watched("postgresql://ada:secret@db/studies", Path("runs/x/artifacts"))
    assert "secret" not in watched.command + watched.own_command(Path("runs/x"))
    assert "--storage" in watched.own_command(Path("runs/x"))
