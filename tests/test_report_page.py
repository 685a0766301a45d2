"""The report in a real browser: offline, sortable, copied from, on a phone, in the dark, with hostile names as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from playwright.sync_api import Browser, BrowserContext, Page

from ordersearch.cli.report_command import text_of
from ordersearch.results import State
from ordersearch.space import SearchSpace
from ordersearch.space.references import Reference
from ordersearch.study import Search
from ordersearch.study.kept_study import KeptStudy, read_study
from tests.kept_studies import HOSTILE, ORDERS, kept_confirmation, kept_search, setting_of, trial_of
from tests.searches import small_search, small_space

Opened = Callable[..., Page]

PHONE = {"viewport": {"width": 360, "height": 740}}


def hostile(search: Search) -> Search:
    """The search with the worst that a person could call its parts."""
    space, dataset = search.space, search.dataset
    reference = Reference(HOSTILE, HOSTILE, HOSTILE, space.references()[0].blocks)
    named = SearchSpace(HOSTILE, space.roles, nuisance=space.nuisance, references=(reference,), description=HOSTILE)
    names = tuple(f"{HOSTILE}{name}" for name in dataset.class_names)
    data = replace(dataset, name=HOSTILE, class_names=names, notes=(HOSTILE,))
    network = replace(search.network, name=HOSTILE)
    return replace(search, name=f"{HOSTILE} study", space=named, dataset=data, network=network)


def confirmed(search: Search) -> KeptStudy:
    """A study with finalists, failures and a verdict."""
    storage = InMemoryStorage()
    study = kept_search(search, storage, dict(zip(ORDERS, (0.5, 0.6, 0.7), strict=True)))
    failed = setting_of(search, f"{ORDERS[0]} > dropout(p=0.2)")
    study.add_trial(trial_of(failed, 9, None, state=State.CRASHED, REASON=f"ValueError: {HOSTILE}"))
    values = {ORDERS[0]: [0.5, 0.6, 0.55, 0.52, 0.58], ORDERS[1]: [0.4, 0.52, 0.44, 0.43, 0.47], ORDERS[2]: [0.9] * 5}
    kept_confirmation(search, storage, values, name=search.space.references()[0].name)
    return read_study(storage, search.name)


def searched(search: Search) -> KeptStudy:
    """A study without a confirmation."""
    storage = InMemoryStorage()
    kept_search(search, storage, dict(zip(ORDERS, (0.5, 0.6, 0.7), strict=True)))
    return read_study(storage, search.name)


def empty(search: Search) -> KeptStudy:
    """A study without trials."""
    storage = InMemoryStorage()
    search.open_study(storage)
    return read_study(storage, search.name)


def failed(search: Search) -> KeptStudy:
    """A study in which nothing trained."""
    storage = InMemoryStorage()
    study = search.open_study(storage)
    study.add_trial(trial_of(setting_of(search, ORDERS[0]), 0, None, state=State.DIVERGED, REASON=HOSTILE))
    return read_study(storage, search.name)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    path = folder / "report.html"
    path.write_text(text_of(confirmed(hostile(small_search(small_space(folder)))), "html"), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    """Opens the report without a network, and requires that it asked for nothing and complained about nothing."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    asked: list[str] = []
    opened_paths: list[str] = []

    def open_page(path: Path = report, **options: Any) -> Page:
        contexts.append(browser.new_context(offline=True, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        opened_paths.append(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith("data:")] == opened_paths


def letters(page: Page) -> list[str]:
    """The finalists' letters from top to bottom."""
    return page.locator("table.sortable").first.locator("tbody td:first-child").all_inner_texts()


def test_the_file_is_whole_and_small(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert len(text.encode()) < 3_000_000
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert "default-src &#39;none&#39;" in text


def test_it_says_the_verdict_first_and_shows_all_of_its_parts(opened: Opened) -> None:
    page = opened()
    assert page.locator("h1").inner_text() == "Another order is better than yours"
    headings = page.locator("h2").all_inner_texts()
    assert headings == [
        "Verdict",
        "The recommended block",
        "Leaderboard",
        "What the parts do",
        "Learning curves",
        "What equals what",
        "What failed, and why",
        "Advice",
        "Use it",
        "Repeat it",
    ]
    assert page.locator("svg.layers .layer .name").all_text_contents() == ["conv", "relu", "batch_norm", "max_pool"]
    assert page.locator("svg.chart polyline").count() == 3


def test_the_table_sorts_by_click_and_by_key_and_says_so(opened: Opened) -> None:
    page = opened()
    table = page.locator("table.sortable").first
    assert letters(page) == ["A", "B", "C"]
    heading = table.locator("th", has=page.locator("button", has_text="val/loss"))
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert letters(page) == ["A", "B", "C"]
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert letters(page) == ["C", "B", "A"]
    against = table.locator("button", has_text="against yours")
    against.click()
    against.click()
    # What has no figure stays at the end, whichever way the table is sorted.
    assert letters(page) == ["C", "A", "B"]
    assert heading.get_attribute("aria-sort") == "none"


def test_the_copy_button_copies(opened: Opened) -> None:
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    button = page.locator("button.copy", has_text="Copy").last
    shown = page.locator(f"#{button.get_attribute('data-copies')}").text_content()
    button.click()
    page.wait_for_function("document.getElementById('said').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == shown


def test_the_copy_button_copies_where_a_page_may_not_use_the_clipboard(opened: Opened) -> None:
    page = opened(permissions=["clipboard-read"])
    page.evaluate("delete Navigator.prototype.clipboard")
    page.locator("button.copy").first.click()
    page.wait_for_function("document.getElementById('said').textContent === 'Copied'")
    # Pasted into a field, since the page has no other way left to read it.
    page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), {id: 'field'}))")
    page.locator("#field").press("Control+V")
    assert page.locator("#field").input_value() == page.locator("pre").first.text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_no_sideways_scrolling(opened: Opened, scheme: str) -> None:
    page = opened(**PHONE, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.body.getBoundingClientRect().width") <= 360


@pytest.mark.parametrize("made", [searched, empty, failed])
def test_a_study_that_decided_nothing_is_a_page_as_well(
    opened: Opened, tmp_path: Path, made: Callable[[Search], KeptStudy]
) -> None:
    path = tmp_path / "report.html"
    path.write_text(text_of(made(small_search(small_space(tmp_path))), "html"), encoding="utf-8")
    page = opened(path, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("h1").inner_text() in ("The best so far, not confirmed", "No order was trained to the end")
    dead = """[...document.querySelectorAll("a[href^='#']")].map((link) => link.getAttribute("href").slice(1))
        .filter((id) => !document.getElementById(id))"""
    assert page.evaluate(dead) == []


def test_text_from_elsewhere_is_text(opened: Opened) -> None:
    page = opened()
    assert page.locator("header .over").inner_text() == f"{HOSTILE} study"
    assert page.title().startswith(f"{HOSTILE} study")
    text = page.locator("body").text_content() or ""
    # Study, data set, network, space and its description, reference, class names, note, reason.
    assert text.count("<script>alert(1)</script>") > 8
    assert page.locator("script").count() == 1
    assert page.locator("body b").count() == 0


CONTRAST = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * (top[3] ?? 1) + below[i] * (1 - (top[3] ?? 1)));
  const behind = (node) => {
    if (!node) return [255, 255, 255];
    const own = channels(getComputedStyle(node).backgroundColor);
    return own[3] === 0 ? behind(node.parentElement) : over(own, behind(node.parentElement));
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || ["SCRIPT", "STYLE", "TITLE", "DESC"].includes(node.tagName.toUpperCase())) continue;
    const style = getComputedStyle(node);
    const ground = behind(node), ink = node instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(over(channels(ink), ground)), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName}.${node.getAttribute("class")} ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(opened: Opened, scheme: str) -> None:
    page = opened(color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(250, 249, 247)", "dark": "rgb(20, 22, 26)"}[scheme]
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate(CONTRAST) == []


def test_what_is_not_text_has_a_name(opened: Opened) -> None:
    page = opened()
    nameless = """[...document.querySelectorAll("svg, button, pre, [role=region]")].filter((node) =>
        node.getAttribute("aria-hidden") !== "true" && !node.getAttribute("aria-label") &&
        !node.getAttribute("aria-labelledby") && !node.textContent.trim()).map((node) => node.outerHTML)"""
    assert page.evaluate(nameless) == []
    missing = """[...document.querySelectorAll("[aria-labelledby]")].flatMap((node) =>
        node.getAttribute("aria-labelledby").split(" ")).filter((id) => !document.getElementById(id))"""
    assert page.evaluate(missing) == []
    assert page.locator("th:not([scope])").count() == 0
    twice = """[...document.querySelectorAll("[id]")].map((node) => node.id).filter((id, at, all) =>
        all.indexOf(id) !== at)"""
    assert page.evaluate(twice) == []


def test_on_paper_everything_is_unfolded_and_nothing_is_cut_off(opened: Opened) -> None:
    # A4 without its margins.
    page = opened(viewport={"width": 688, "height": 1000}, color_scheme="dark")
    assert page.locator("details:not([open])").count() > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
