"""What the first epochs say of the last: batch norm's statistics in short runs, and how far a probe can be trusted.

Repeat it with ``python benchmarks/short_runs.py`` (about ten minutes on one core; ``--settings 8`` for a first look).
Settings are drawn evenly from the ``conv`` space and trained whole on digits; the values after fewer epochs are those
of the same trainings, as a probe of a search sees them. The momentum of batch norm's running statistics changes what
evaluation sees and not what is learned, so the first table compares the same weights.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Sequence

import torch
from machine import described, written

from ordersearch import SearchSpace, load_dataset
from ordersearch.data.choice import split_data
from ordersearch.networks import build_network, find_network
from ordersearch.objective import Setting
from ordersearch.study.halving import REDUCTION, probe_epochs
from ordersearch.training.fit import evaluate, fit
from ordersearch.training.repair import repaired_statistics
from ordersearch.training.settings import TrainingSettings

EPOCHS = (1, 2, 4, 8)
DEFAULT = TrainingSettings().batch_norm_momentum
Curve = list[float]


class Trainings:
    """Trains settings on digits and keeps their validation losses after every epoch.

    Args:
        max_epochs: Of a whole training.
    """

    def __init__(self, max_epochs: int) -> None:
        self.max_epochs = max_epochs
        self.dataset = load_dataset("digits")
        self.network = find_network("cnn")
        self.data = split_data(self.dataset, split=0, channels_last=True)

    def curve(self, setting: Setting, seed: int, momentum: float, *, estimated: Curve | None = None) -> Curve:
        """The validation losses; ``estimated`` is given those with the statistics estimated anew after each epoch."""
        settings = TrainingSettings(max_epochs=self.max_epochs, batch_norm_momentum=momentum)
        model = build_network(self.network, setting.blocks, self.dataset.input_shape, self.dataset.n_outputs, seed=seed)

        def estimate(_value: float, _epoch: int) -> None:
            if estimated is not None:
                with repaired_statistics(model, self.data, settings):
                    estimated.append(evaluate(model, self.data, settings=settings)["loss"])

        result = fit(
            model, self.data, settings=settings, learning_rate=setting.learning_rate, seed=seed, report=estimate
        )
        return [epoch["val/loss"] for epoch in result.history]


def drawn(n: int, *, with_norm: bool) -> list[Setting]:
    """Settings drawn evenly from the ``conv`` space."""
    space, found = SearchSpace.load("conv"), []
    points = list(space.settings())
    random.Random(0).shuffle(points)
    for point in points:
        blocks = space.decode(point)
        if with_norm and "batch_norm" not in str(blocks["conv"]):
            continue
        found.append(Setting.of(blocks, {name: point[name] for name in space.nuisance}, find_network("cnn")))
    return found[:n]


def ranks(values: Sequence[float]) -> list[float]:
    places = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    for rank, place in enumerate(places):
        found[place] = float(rank)
    return found


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    return statistics.correlation(ranks(one), ranks(other))


def mean(curves: Sequence[Curve], epoch: int) -> float:
    return statistics.fmean(curve[epoch - 1] for curve in curves)


def statistics_table(trainings: Trainings, n: int, n_seeds: int) -> list[str]:
    """What evaluation sees after a few epochs, by what the running statistics are."""
    settings = drawn(n, with_norm=True)
    ways: dict[str, list[list[Curve]]] = {"momentum 0.1": [], f"momentum {DEFAULT:g}": [], "estimated anew": []}
    for setting in settings:
        slow, quick, estimated = [], [], []
        for seed in range(n_seeds):
            anew: Curve = []
            slow.append(trainings.curve(setting, seed, 0.1, estimated=anew))
            quick.append(trainings.curve(setting, seed, DEFAULT))
            estimated.append(anew)
        for found, curves in zip(ways.values(), (slow, quick, estimated), strict=True):
            found.append(curves)
    last = trainings.max_epochs
    final = [mean(curves, last) for curves in ways["estimated anew"]]
    lines = [
        f"1. {n} settings with batch norm, {n_seeds} seeds, {last} epochs: the mean validation loss after some epochs, "
        "and the rank",
        f"   correlation of one seed's value with the mean of the final values (estimated anew, {n_seeds} seeds)",
        f"   {'statistics':<16}" + "".join(f"{f'after {epoch}':>18}" for epoch in sorted({*EPOCHS, last})),
    ]
    for name, found in ways.items():
        cells = []
        for epoch in sorted({*EPOCHS, last}):
            loss = statistics.fmean(mean(curves, epoch) for curves in found)
            agree = statistics.fmean(
                rank_correlation([curves[seed][epoch - 1] for curves in found], final) for seed in range(n_seeds)
            )
            cells.append(f"{f'{loss:.4f} ({agree:.2f})':>18}")
        lines.append(f"   {name:<16}" + "".join(cells))
    return [*lines, ""]


def trust_table(trainings: Trainings, n: int, n_seeds: int) -> list[str]:
    """How well the best quarter by a probe holds the best by whole trainings."""
    settings = drawn(n, with_norm=False)
    curves = [[trainings.curve(setting, seed, DEFAULT) for seed in range(n_seeds)] for setting in settings]
    last = trainings.max_epochs
    final = [mean(each, last) for each in curves]
    noise = statistics.fmean(statistics.stdev(curve[-1] for curve in each) for each in curves) if n_seeds > 1 else 0.0
    best, chance = min(final), random_regret(final, n // REDUCTION)
    lines = [
        f"2. {n} settings of all kinds, {n_seeds} seeds, {last} epochs (a probe has {probe_epochs(last)}): the best "
        f"quarter after some epochs, by one seed's value and",
        f"   by the mean of all {n_seeds}. Final values, means of {n_seeds} seeds, lie in {best:.4f} to "
        f"{max(final):.4f}, median {statistics.median(final):.4f}; the seeds of a setting have a",
        f"   standard deviation of {noise:.4f}. Regret: the best final value that is kept, less the best of all; of a "
        f"random quarter it is {chance:.4f}",
        f"   {'after':<8}{'rank correlation':>30}{'regret':>26}{'kept of the best 5':>26}",
        f"   {'':<8}"
        + f"{'one seed':>18}{'all seeds':>12}{'one seed':>14}{'all seeds':>12}{'one seed':>14}{'all seeds':>12}",
    ]
    for epoch in sorted({*EPOCHS, probe_epochs(last), last}):
        single = [kept([each[seed][epoch - 1] for each in curves], final) for seed in range(n_seeds)]
        agree, regret, of_five = (statistics.fmean(column) for column in zip(*single, strict=True))
        together = kept([mean(each, epoch) for each in curves], final)
        lines.append(
            f"   {epoch:<8}{agree:>18.2f}{together[0]:>12.2f}{regret:>14.4f}{together[1]:>12.4f}"
            f"{of_five:>14.1f}{together[2]:>12.1f}"
        )
    return [*lines, ""]


def kept(values: Sequence[float], final: Sequence[float]) -> tuple[float, float, float]:
    """Of the best quarter by ``values``: the rank correlation, the regret, and how many it holds of the best five."""
    best = sorted(range(len(values)), key=values.__getitem__)[: len(values) // REDUCTION]
    top = sorted(range(len(values)), key=final.__getitem__)[:5]
    regret = min(final[place] for place in best) - min(final)
    return rank_correlation(values, final), regret, float(len({*best} & {*top}))


def random_regret(final: Sequence[float], n_kept: int, n_draws: int = 10_000) -> float:
    generator = random.Random(0)
    return statistics.fmean(min(generator.sample(list(final), n_kept)) for _ in range(n_draws)) - min(final)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=int, default=40)
    parser.add_argument("--with-norm", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    trainings = Trainings(options.epochs)
    lines = statistics_table(trainings, options.with_norm, options.seeds)
    lines += trust_table(trainings, options.settings, options.seeds)
    name = "short_runs.txt" if options.epochs == 16 else f"short_runs_{options.epochs}.txt"
    written([*described(), "", *lines], name)


if __name__ == "__main__":
    main()
