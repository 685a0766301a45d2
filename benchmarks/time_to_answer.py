"""How much training it takes to find the best order, and how often what is claimed is false: replays on OrderBench.

Repeat it with ``python benchmarks/time_to_answer.py`` (nothing is trained; about half an hour on two cores,
``--replays 20`` for a first look; ``--what variants`` and ``--what encodings`` compare ways to search). What is
replayed: plain Optuna over the 68 orders as written (TPE with the median pruner, TPE with Hyperband, random), each
trial one training with the same seed and split; Optuna's WilcoxonPruner over up to 10 seeds a trial; 3 seeds a trial;
ordersearch, with its confirmation. Every replay has seeds of its own, drawn from the table's 30 with replacement, so
the table's means are the truth. The order that ordersearch compares with is drawn evenly from all classes.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path as FilePath

import optuna
import torch
from replay import Path, Proposed, Shuffled, ordersearch, plain, several_seeds, truth

MARGIN = 0.02
DATA = ("fashion_mnist", "cifar10")
COSTS = (1, 2, 3, 4, 6, 8, 10, 15, 20, 30, 40)
BUDGET = 40.0
N_TRIALS = 45
RESULTS = FilePath(__file__).parent / "results"
STEP = 0.02
FEWEST = 5.0
"""Plain Optuna's answers after fewer trainings are not compared: a fifth of these is less than one training."""


def _tpe(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed)


def _random(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def _gp(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


_ours = partial(ordersearch, n_trials=N_TRIALS)
_plain = partial(plain, budget=BUDGET, encoding="placement")
METHODS: dict[str, Callable[[str, int], Path]] = {
    "TPE + MedianPruner": partial(_plain, sampler=_tpe, pruner=optuna.pruners.MedianPruner),
    "TPE + Hyperband": partial(_plain, sampler=_tpe, pruner=optuna.pruners.HyperbandPruner),
    "random": partial(_plain, sampler=_random, pruner=optuna.pruners.NopPruner),
    "TPE + WilcoxonPruner": partial(several_seeds, n_seeds=10, pruner=optuna.pruners.WilcoxonPruner, budget=BUDGET),
    "TPE, 3 seeds each": partial(several_seeds, n_seeds=3, pruner=optuna.pruners.NopPruner, budget=BUDGET),
    "ordersearch": _ours,
    "ordersearch, any order": partial(_ours, sampler=Shuffled),
}
VARIANTS: dict[str, Callable[[str, int], Path]] = {
    "as it is": _ours,
    "new settings in any order": partial(_ours, sampler=Shuffled),
    "new settings from TPE": partial(_ours, sampler=Proposed),
}
PLAIN, OURS, ANY_ORDER = "TPE + MedianPruner", "ordersearch", "ordersearch, any order"
ENCODINGS: dict[str, Callable[[str, int], Path]] = {
    f"{name}, {encoding}": partial(_plain, sampler=sampler, pruner=optuna.pruners.NopPruner, encoding=encoding)
    for name, sampler in (("TPE", _tpe), ("GP", _gp), ("random", _random))
    for encoding in ("placement", "order", "slots")
    # Most points of the slots are no block, and the GP takes minutes for the hundreds that it proposes.
    if (name, encoding) != ("GP", "slots")
}
COMPARED = {"time_to_answer": METHODS, "variants": VARIANTS, "encodings": ENCODINGS}


def _replayed(task: tuple[str, str, int]) -> Path:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore")
    name, data, replay = task
    return (METHODS | VARIANTS | ENCODINGS)[name](data, replay)


def replays(pool: ProcessPoolExecutor, name: str, data: str, n: int) -> list[Path]:
    return list(pool.map(_replayed, [(name, data, replay) for replay in range(n)], chunksize=4))


def good_orders(data: str) -> set[str]:
    """The classes whose true loss is within the margin of the best's."""
    means = truth(data)
    return {order for order, mean in means.items() if mean <= min(means.values()) * (1 + MARGIN)}


def reliability(paths: list[Path], data: str, cost: float) -> float:
    """The share of replays that would take one of the good orders when so much was paid."""
    good = good_orders(data)
    return sum(path.answer(cost) in good for path in paths) / len(paths)


def curve(paths: list[Path], data: str) -> list[tuple[float, float]]:
    """Costs, an epoch apart, and the reliability at each."""
    return [(n / 6, reliability(paths, data, n / 6)) for n in range(1, 6 * int(BUDGET) + 1)]


def stays_at(reached: list[tuple[float, float]], level: float) -> float:
    """The cost from which on the reliability is never below a level again; infinite if it is at the end."""
    below = [cost for cost, share in reached if share < level]
    last = below[-1] if below else 0.0
    return next((cost for cost, _ in reached if cost > last), math.inf)


def cost_lines(plain_paths: list[Path], ours: list[Path], data: str, name: str) -> Iterator[str]:
    """At every reliability that plain Optuna newly reaches: what it paid, what ordersearch paid to stay there."""
    reached, worst = 0.0, math.inf
    of_ours = curve(ours, data)
    for cost, level in curve(plain_paths, data):
        if cost < FEWEST or level < reached + STEP:
            continue
        reached = level
        other = stays_at(of_ours, level)
        worst = min(worst, cost / other)
        told = f"{other:5.1f} ({cost / other:.1f} times less)" if math.isfinite(other) else "not reached"
        yield f"  {level:.2f} of the replays: {PLAIN} {cost:4.1f} trainings, {name} {told}"
    yield f"  smallest quotient: {worst:.1f}"


def false_claims(claims: list[list[tuple[str, str]]], data: str) -> tuple[float, float]:
    """Of 100 replays, how many claim something ("X is better than Y"), and how many something false."""
    means = truth(data)
    wrong = [[means[better] >= means[worse] for better, worse in of_replay] for of_replay in claims]
    return 100 * sum(map(bool, claims)) / len(claims), 100 * sum(map(any, wrong)) / len(claims)


def coverage(paths: list[Path], data: str) -> tuple[float, int]:
    means = truth(data)
    found = [low <= means[a] - means[b] <= high for path in paths for a, b, low, high in path.intervals]
    return (sum(found) / len(found) if found else math.nan), len(found)


def table(names: list[str], n: int) -> Iterator[str]:
    with ProcessPoolExecutor(2) as pool:
        for data in DATA:
            found = {name: replays(pool, name, data, n) for name in names}
            good = good_orders(data)
            yield f"{data}: {len(good)} of {len(truth(data))} classes are within {MARGIN:.0%} of the best loss"
            yield f"  {'share of replays that would take one of them after':<26}"
            yield f"  {'trainings':<24}" + "".join(f"{cost:>6}" for cost in COSTS)
            for name, paths in found.items():
                shares = "".join(f"{reliability(paths, data, cost):>6.2f}" for cost in COSTS)
                yield f"  {name:<24}{shares}"
            if OURS in found:
                yield from _told_of_ours(found, data)
            yield ""


def _told_of_ours(found: dict[str, list[Path]], data: str) -> Iterator[str]:
    ours = found[OURS]
    ends = sorted(path.answers[-1][0] for path in ours)
    yield (
        f"  (with its confirmation {OURS} ends at {reliability(ours, data, math.inf):.2f}, after "
        f"{statistics.median(ends):.0f} trainings, median, {ends[0]:.0f} to {ends[-1]:.0f})"
    )
    for name in (OURS, ANY_ORDER):
        yield from cost_lines(found[PLAIN], found[name], data, name)
    headings = f"{'better than own order':>22}{'false':>7}{'best of all':>14}{'false':>7}"
    yield f"  {'of 100 replays so many say':<28}{headings}"
    for name, paths in found.items():
        own, own_wrong = false_claims([path.against_own for path in paths], data)
        best, best_wrong = false_claims([path.is_best for path in paths], data)
        yield f"  {name:<28}{own:>22.1f}{own_wrong:>7.1f}{best:>14.1f}{best_wrong:>7.1f}"
    share, n = coverage(ours, data)
    yield f"  intervals of {OURS} that hold the true difference: {share:.3f} of {n}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=300)
    parser.add_argument("--what", choices=tuple(COMPARED), default="time_to_answer")
    options = parser.parse_args()
    names = list(COMPARED[options.what])
    lines = [
        f"OrderBench, {options.replays} replays each; Python {platform.python_version()}, optuna {optuna.__version__}; "
        f"python benchmarks/time_to_answer.py --what {options.what} --replays {options.replays}",
        *table(names, options.replays),
    ]
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{options.what}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
