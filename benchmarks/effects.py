"""What the parts of the orders do, over all of OrderBench: paired effects of precedences and placements.

Repeat it with ``python benchmarks/effects.py``; nothing is trained. The same table follows every search, from its own
runs.
"""

from __future__ import annotations

import math
from pathlib import Path

from ordersearch.benchmarks import load
from ordersearch.benchmarks.problem import DATA, ROLE, bench_space
from ordersearch.ranking import Effect, Outcome, part_effects, same_networks
from ordersearch.ranking.parts import drops_before_norm
from ordersearch.report.effects import effect_told
from ordersearch.spec import BlockSpec

RESULTS = Path(__file__).parent / "results" / "effects.txt"


def outcomes(data: str) -> list[Outcome]:
    found = []
    for row in load():
        if row.data != data:
            continue
        spec = BlockSpec.parse(row.order)
        repaired = row.scores.get("repaired/loss", math.nan) if drops_before_norm(spec) else None
        found.append(
            Outcome({ROLE: spec}, (row.learning_rate,), row.seed, row.seed, row.validation_losses[-1], repaired)
        )
    return found


def told(effect: Effect | None) -> str:
    return f"{effect_told(effect)}, {effect.n_contexts} contexts" if effect else ""


def main() -> None:
    reasons = same_networks(bench_space().classes(ROLE).values())
    same = {(ROLE, pair): why for pair, why in reasons.items()}
    lines = []
    for data in DATA:
        found = part_effects(outcomes(data), {ROLE: (ROLE,)}, same)
        lines.append(f"{data}: effect on val/loss (lower is better), 95 % interval over contexts, 30 seeds each")
        lines.append(f"  {'':<34}{'':<44}with repaired statistics")
        lines += [
            f"  {row.part:<34}{told(row.effect) or 'the same network':<44}{told(row.repaired)}".rstrip()
            for row in (*found.precedences, *found.placements)
        ]
        lines.append("")
    text = "\n".join(lines)
    print(text)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text)


if __name__ == "__main__":
    main()
