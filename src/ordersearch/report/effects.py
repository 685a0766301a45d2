"""What the orders' parts do, as the terminal shows it: a short table of precedences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ordersearch.ranking import Effect, PartEffect, PartEffects
from ordersearch.report.fields import print_field
from ordersearch.results import Run
from ordersearch.study.effects import direction_told, effects_of, limits, probed_epochs
from ordersearch.study.search import Search

N_SHOWN = 6
WIDE = 72


def print_effects(console: Console, search: Search, runs: Sequence[Run]) -> None:
    """Print the precedences with the clearest effects, or that there are too few runs; nothing where there are none."""
    found = effects_of(search, runs)
    measured = [row.effect for row in found.precedences if row.effect]
    if not measured:
        return
    if any(effect.low is not None for effect in measured):
        early = effects_of(search, runs, of_probes=True)
        console.print(effects_table(search, found, early, probed_epochs(runs), width=console.width))
        console.print()
        told = (
            "the first op before the second minus the other way round, all else equal, in n contexts. "
            f"{limits(search, runs)[0]} Placements, too: effects.csv, with a heat map: effects.json."
        )
    else:
        told = "too few runs to say what they do; effects.csv has what there is."
    print_field(console, "Parts:", told)


def effects_table(search: Search, found: PartEffects, early: PartEffects, n_epochs: int, *, width: int = WIDE) -> Table:
    """The precedences: first those whose interval leaves out 0, the largest effect first; then what does nothing.

    Args:
        search: Whose runs they are of.
        found: Of whole trainings.
        early: Of the probes.
        n_epochs: How long these were.
        width: Columns of the screen; on a narrow one, the effects alone are shown.
    """
    table = Table(
        title=f"What the parts do to {search.training.metric} ({direction_told(search)})",
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
    rows = sorted(found.precedences, key=_clearest_first)[:N_SHOWN]
    is_repaired = width >= WIDE and any(row.repaired for row in rows)
    table.add_column("part", overflow="fold")
    at_probes = {(row.role, row.part): row.effect for row in early.precedences if row.effect and width >= WIDE}
    headings = [*(["repaired"] if is_repaired else []), *([f"epoch {n_epochs} (n)"] if at_probes else [])]
    for heading in ("effect (95 % interval)", "n", *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    n_roles = len({row.role for row in found.precedences})
    for row in rows:
        part = escape(f"{row.role}: {row.part}" if n_roles > 1 else row.part)
        cells = _cells(row.effect, row.repaired) if row.effect else ("same network", "", "")
        probed = at_probes.get((row.role, row.part))
        told = f"{probed.mean:+.2g} ({probed.n_contexts})" if probed else ""
        table.add_row(part, *cells[: 2 + is_repaired], *([told] if at_probes else []))
    return table


def _cells(effect: Effect, repaired: Effect | None) -> tuple[str, str, str]:
    again = f"{repaired.mean:+.{_decimals(effect)}f}" if repaired else ""
    return effect_told(effect), str(effect.n_contexts), again


def _clearest_first(row: PartEffect) -> tuple[bool, bool, float, str, str]:
    effect = row.effect
    if effect is None:
        return True, True, 0.0, row.role, row.part
    return effect.low is None, not effect.leaves_out_zero, -abs(effect.mean), row.role, row.part


def effect_told(effect: Effect) -> str:
    """The effect, with as many decimals as the largest of its figures needs for two digits.

    Example:
        >>> effect_told(Effect(-0.0123, -0.0204, -0.0042, 18, 36))
        '-0.012 (-0.020 to -0.004)'
        >>> effect_told(Effect(12.3, None, None, 1, 2))
        '+12'
    """
    told = [f"{figure:+.{_decimals(effect)}f}" for figure in _figures(effect)]
    return f"{told[0]} ({told[1]} to {told[2]})" if len(told) > 1 else told[0]


def _figures(effect: Effect) -> tuple[float, ...]:
    return (effect.mean,) if effect.low is None or effect.high is None else (effect.mean, effect.low, effect.high)


def _decimals(effect: Effect) -> int:
    largest = max(map(abs, _figures(effect)))
    return max(0, 1 - math.floor(math.log10(largest))) if largest else 0
