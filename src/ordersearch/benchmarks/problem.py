"""OrderBench as a problem that any sampler and pruner of Optuna can be tried on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from ordersearch.benchmarks.table import HERE, load
from ordersearch.errors import unknown_name
from ordersearch.identities import canonical
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import CategoricalDistribution
    from optuna.study import StudyDirection

ENCODINGS = ("placement", "order", "slots")
DATA = ("fashion_mnist", "cifar10")
ROLE = "conv"

_PARTS = ("batch_norm", "dropout(p=0.2)", "spatial_dropout(p=0.2)")


class Trial(Protocol):
    """What is asked of a trial; Optuna's do it."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of the choices."""

    def report(self, value: float, step: int) -> None:
        """Take note of a value."""

    def should_prune(self) -> bool:
        """Whether to stop."""


def bench_space() -> SearchSpace:
    """The search space of OrderBench: 68 orders, 28 distinct networks.

    Example:
        >>> bench_space().n_specs, bench_space().n_classes
        (68, 28)
    """
    return SearchSpace.load(HERE / "space.yaml")


class OrderBench:
    """The validation loss of an order after its last epoch, looked up; the epochs before it are reported.

    It has the interface of OptunaHub's problems (``search_space``, ``directions``, ``__call__``, ``evaluate``) and does
    not need OptunaHub.

    Args:
        data: ``fashion_mnist`` or ``cifar10``.
        seed: Which of the 30 seeds, which is the split, too.
        encoding: How an order is written in parameters: ``placement`` (the order of the others, where the norm stands,
            the kind of dropout), ``order`` (one choice among whole orders) or ``slots`` (what stands in each gap of a
            fixed row of conv, ReLU and pool, as text; what is there twice cannot be built, and is pruned at once).

    Attributes:
        n_epochs: Epochs that were paid for so far.

    Example:
        >>> import optuna
        >>> problem = OrderBench("fashion_mnist", seed=3)
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> study = optuna.create_study(directions=problem.directions, sampler=optuna.samplers.RandomSampler(seed=0))
        >>> study.optimize(problem, n_trials=5)
        >>> problem.order(study.best_params) in problem.orders
        True

    Raises:
        UnknownNameError: There are no such data, or no such encoding.
    """

    def __init__(self, data: str = "fashion_mnist", *, seed: int = 0, encoding: str = "placement") -> None:
        if data not in DATA:
            raise unknown_name("data set of OrderBench", data, DATA)
        if encoding not in ENCODINGS:
            raise unknown_name("encoding", encoding, ENCODINGS)
        self.encoding = encoding
        self.curves = {row.order: row.validation_losses for row in load() if (row.data, row.seed) == (data, seed)}
        self.n_epochs = 0

    @property
    def orders(self) -> tuple[str, ...]:
        """The classes, by their canonical orders."""
        return tuple(self.curves)

    @property
    def search_space(self) -> dict[str, CategoricalDistribution]:
        """The parameters of the encoding."""
        from optuna.distributions import CategoricalDistribution

        return {name: CategoricalDistribution(choices) for name, choices in _choices(self.encoding).items()}

    @property
    def directions(self) -> list[StudyDirection]:
        """Losses are minimised."""
        from optuna.study import StudyDirection

        return [StudyDirection.MINIMIZE]

    def order(self, params: Mapping[str, Any]) -> str | None:
        """The class that parameters stand for; None where they are no block."""
        return _order(self.encoding, tuple(params[name] for name in _choices(self.encoding)))

    def evaluate(self, params: Mapping[str, Any]) -> float:
        """The loss after the last epoch; infinite where the parameters are no block."""
        order = self.order(params)
        return self.curves[order][-1] if order else float("inf")

    def __call__(self, trial: optuna.Trial) -> float:
        """The loss after the last epoch.

        Raises:
            TrialPruned: The pruner stopped it, or its parameters are no block.
        """
        import optuna

        order = self.order({name: trial.suggest_categorical(name, c) for name, c in _choices(self.encoding).items()})
        if order is None:
            raise optuna.TrialPruned("no block")
        losses = self.curves[order]
        for epoch, loss in enumerate(losses):
            self.n_epochs += 1
            trial.report(loss, epoch)
            if epoch + 1 < len(losses) and trial.should_prune():
                raise optuna.TrialPruned(f"pruned after epoch {epoch + 1}")
        return losses[-1]


@cache
def _choices(encoding: str) -> dict[str, tuple[str, ...]]:
    if encoding == "placement":
        # Parameters with one choice, the rates, are left out.
        return {k: tuple(map(str, d.choices)) for k, d in bench_space().distributions().items() if len(d.choices) > 1}
    if encoding == "order":
        return {"order": tuple(sorted(map(str, bench_space().blocks()[ROLE])))}
    # Each part at most once in a gap, and a norm with at most one dropout.
    pairs = [pair for pair in itertools.permutations(_PARTS, 2) if _PARTS[0] in pair]
    gap = ("", *_PARTS, *(" > ".join(pair) for pair in pairs))
    return {"row": ("relu > max_pool", "max_pool > relu"), "gap 1": gap, "gap 2": gap, "gap 3": gap}


@cache
def _order(encoding: str, values: tuple[str, ...]) -> str | None:
    chosen = dict(zip(_choices(encoding), values, strict=True))
    if encoding == "placement":
        space = bench_space()
        params: dict[str, Any] = {name: d.choices[0] for name, d in space.distributions().items()}
        return str(canonical(space.decode(params | chosen)[ROLE]))
    if encoding == "order":
        return str(canonical(BlockSpec.parse(chosen["order"])))
    first, second = chosen["row"].split(" > ")
    parts = ["conv", chosen["gap 1"], first, chosen["gap 2"], second, chosen["gap 3"]]
    text = " > ".join(part for part in parts if part)
    if text.count("batch_norm") > 1 or text.count("dropout") > 1:
        return None
    return str(canonical(BlockSpec.parse(text)))
