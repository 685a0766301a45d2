"""Makes the README's pictures from a real run: the terminal while it searches, the dashboard, the report.

Repeat it with ``python -m docs.screenshots`` in the repository's folder (about three minutes on two cores; it needs a
chromium and the extra ``test``). It searches scikit-learn's digits in ``runs/readme``, anew each time.
"""

from __future__ import annotations

import io
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.style import Style
from rich.text import Text
from tests.browser import BROWSERS
from tests.terminals import Terminal

FOLDER = Path(__file__).parent / "images"
RUN = Path("runs/readme")
SEARCH = ["-m", "ordersearch", "digits", "--name", "readme", "--trials", "60"]
COLUMNS, LINES = 112, 30
PATIENCE = 5_000
LIGHT = {"color_scheme": "light"}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    shutil.rmtree(RUN, ignore_errors=True)
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)))
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        shoot_terminal(browser)
        shoot_report(browser)
        shoot_dashboard(browser)
        browser.close()
    for picture in sorted(FOLDER.glob("*.png")):
        print(f"{picture}: {picture.stat().st_size // 1024} kB")


def shoot_terminal(browser: Browser) -> None:
    """The live screen in the middle of the search, and of the confirmation."""
    terminal = Terminal(SEARCH, columns=COLUMNS, lines=LINES)
    terminal.wait_for("Searching", seconds=120)
    terminal.read_for(25)
    shoot_screen(browser, terminal, "terminal-searching.png")
    terminal.wait_for("Confirming", seconds=300)
    terminal.read_for(20)
    shoot_screen(browser, terminal, "terminal-confirming.png")
    assert terminal.finish(seconds=600) == 0


def shoot_screen(browser: Browser, terminal: Terminal, name: str) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("\n").join(screen_lines(terminal)), soft_wrap=True, end="")
    svg = console.export_svg(title="python -m ordersearch digits")
    # The picture's own font is fetched from elsewhere; the machine's serves.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "monospace")
    page = browser.new_page(device_scale_factor=1.5)
    page.set_content(f"<body style='margin:0'>{svg}</body>")
    page.locator("svg").first.screenshot(path=FOLDER / name, omit_background=True)
    page.close()


def screen_lines(terminal: Terminal) -> Iterator[Text]:
    """The emulated screen, each character in its colours."""
    last = max((n for n, line in enumerate(terminal.shown()) if line), default=0)
    for row in range(last + 1):
        line, cells = Text(), terminal.screen.buffer[row]
        for column in range(COLUMNS):
            cell = cells[column]
            colour = None if cell.fg == "default" else cell.fg
            is_hex = bool(colour) and bool(re.fullmatch(r"[0-9a-f]{6}", str(colour)))
            named = f"#{colour}" if is_hex else {"brown": "yellow"}.get(str(colour), colour)
            line.append(cell.data, Style(color=named, bold=cell.bold, italic=cell.italics))
        line.rstrip()
        yield line


def shoot_report(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1100, "height": 1000}, **LIGHT)
    page.goto((RUN / "report.html").resolve().as_uri())
    page.screenshot(path=FOLDER / "report.png")
    page.close()


def shoot_dashboard(browser: Browser) -> None:
    with served() as address:
        page = browser.new_page(viewport={"width": 1300, "height": 1000}, **LIGHT)
        page.goto(f"{address}/studies/0")
        page.get_by_text("Learning curves").first.scroll_into_view_if_needed(timeout=60_000)
        page.wait_for_timeout(PATIENCE)
        page.screenshot(path=FOLDER / "dashboard-plots.png")
        page.goto(f"{address}/studies/0/note")
        page.wait_for_timeout(PATIENCE)
        page.screenshot(path=FOLDER / "dashboard-note.png")
        page.close()


@contextmanager
def served() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ordersearch", "dashboard", str(RUN), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/dashboard"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(address, timeout=2)
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
