"""The options of ``search``: what holds for them, and the command line that they came from."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields
from pathlib import Path

from ordersearch.errors import OrdersearchError, without_password
from ordersearch.ranking.stopping import FEWEST_PAIRS


class OptionError(OrdersearchError, ValueError):
    """An option of the command line that does not hold."""


@dataclass(frozen=True)
class SearchOptions:
    """The options of ``search`` as given."""

    dataset: str
    space: str = ""
    network: str = ""
    width: int | None = None
    depth: int | None = None
    trials: int | None = None
    timeout: str = ""
    max_epochs: int | None = None
    metric: str = "val/loss"
    seed: int = 0
    max_seeds: int = 3
    storage: str = ""
    name: str = ""
    out: Path = Path("runs")
    device: str = "auto"
    input: str = "auto"
    target: str = ""
    task: str = "auto"
    augment: str = ""
    pack: str = "auto"
    workers: str = "auto"
    confirm: str = "auto"
    baseline: str = ""
    anytime: bool = False
    quiet: bool = False


def parse_duration(text: str) -> float | None:
    """Seconds of ``90``, ``90s``, ``10m``, ``1h30m``; None of an empty text.

    Example:
        >>> parse_duration("1h30m")
        5400.0
    """
    if not text:
        return None
    match = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    seconds = sum(float(n or 0) * unit for n, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
    if seconds <= 0:
        raise OptionError(f"--timeout: got {text!r}, but a time is written as 90, 90s, 10m or 1h30m, and is above 0.")
    return seconds


def check_options(options: SearchOptions) -> None:
    """Nothing when every option holds that can be checked by itself.

    Raises:
        OptionError: One does not.
    """
    if options.device not in ("auto", "cpu", "cuda"):
        raise OptionError(f"--device: got {options.device!r}, but it is auto, cpu or cuda.")
    if options.confirm not in ("auto", "off") and not options.confirm.isdecimal():
        raise OptionError(f"--confirm: got {options.confirm!r}, but it is auto, off or a number of pairs.")
    if options.confirm.isdecimal() and int(options.confirm) < FEWEST_PAIRS:
        raise OptionError(
            f"--confirm: got {options.confirm}, but fewer than {FEWEST_PAIRS} pairs cannot show a difference. Take "
            f"{FEWEST_PAIRS} or more, or off."
        )
    if options.pack not in ("auto", "off") and not (options.pack.isdecimal() and int(options.pack) >= 1):
        raise OptionError(f"--pack: got {options.pack!r}, but it is auto, off or a number of seeds, 1 or more.")
    if options.workers != "auto" and not (options.workers.isdecimal() and int(options.workers) >= 1):
        raise OptionError(f"--workers: got {options.workers!r}, but it is auto or a number of processes, 1 or more.")
    if options.name and not re.fullmatch(r"[^\W_][\w.+ -]{0,119}", options.name):
        raise OptionError(f"--name: got {options.name!r:.150}, but a name is at most 120 letters, digits, and '._-+ '.")


def resume_command(options: SearchOptions) -> str:
    """The command that goes on with a search: the one that was given."""
    given: list[str] = []
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name == "dataset" or value == field.default:
            continue
        option = f"--{field.name.replace('_', '-')}"
        given += [option] if value is True else [option, without_password(str(value))]
    is_like_an_option = options.dataset.startswith("-")
    words = [*given, "--", options.dataset] if is_like_an_option else [options.dataset, *given]
    return shlex.join(["python", "-m", "ordersearch", *words])
