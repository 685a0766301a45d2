"""A sampler that never asks for the same network twice, around any sampler of Optuna's."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from ordersearch.attach.turns import await_turn
from ordersearch.results import TRAINED, Run, next_seed, read_runs
from ordersearch.seeds import derived_seed
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec
from ordersearch.study.candidates import Candidate, candidates, representative
from ordersearch.study.halving import Halving

MAX_REDRAWS = 20
MAX_LISTED = 20_000
"""Above so many settings they are not listed, and the wrapped sampler alone proposes new ones."""


class DistinctSampler(BaseSampler):
    """Proposes distinct networks: what has earned more training, else a setting that was never tried.

    New settings come in the order of ``candidates``, as long as the search can try all of them or has tried half as
    many as it has trials; afterwards the wrapped sampler proposes, and is asked again for what was tried already. Every
    member of a class is the same point for it, so what is learnt of one order is learnt of all that are the same
    network.

    Args:
        wrapped: Proposes points; any sampler that learns from a flat space.
        space: What is searched.
        halving: Which setting has earned more training.
        n_trials: How many trials the search is to have; None: no limit.
    """

    def __init__(self, wrapped: BaseSampler, space: SearchSpace, *, halving: Halving, n_trials: int | None) -> None:
        self.wrapped = wrapped
        self.space = space
        self.halving = halving
        self.n_trials = n_trials
        self._reused: dict[int, int] = {}

    @property
    def is_exhaustive(self) -> bool:
        """Whether every setting of the space will be tried."""
        return self.space.n_settings <= min(self.n_trials or MAX_LISTED, MAX_LISTED)

    def n_reused(self, trial: int) -> int:
        """How many proposals for a trial were known networks, hence not trained again."""
        return self._reused.get(trial, 0)

    def is_done(self, runs: Sequence[Run]) -> bool:
        """Whether every setting of the space has had its runs, or has them under way."""
        if self.space.n_settings > MAX_LISTED:
            return False
        known = _by_setting(runs)
        if len(known) < self.space.n_settings:
            return False
        return all(self._next_seed(known.get(digest, ())) is None for digest in self._candidates)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole flat space, whatever earlier trials asked for."""
        return {**self.space.distributions(), **self.space.nuisance_distributions()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of a setting that has runs left; none for a trial whose parameters were enqueued."""
        if "fixed_params" in trial.system_attrs:
            return {}
        await_turn(study, trial.number)
        runs = _by_setting(read_runs(study))
        generator = random.Random(derived_seed(self.halving.seed, "proposals", trial.number))
        point = (
            self._further(self.halving.promoted(runs), runs)
            or self._listed(runs)
            or self._proposed(study, trial, search_space, runs, generator)
            or self._any_listed(runs)
            or self._further(self.halving.best_left(runs), runs)
        )
        if point is None and self.space.n_settings <= MAX_LISTED:
            study.stop()
        return point or self._random_point(generator)

    def _further(self, digest: str | None, runs: Mapping[str, list[Run]]) -> dict[str, Any] | None:
        """The parameters of a setting that is to be trained further, if there is one."""
        return None if digest is None else self._point_of(runs[digest][0])

    def _listed(self, runs: Mapping[str, list[Run]]) -> dict[str, Any] | None:
        """The next of the candidates, while all of them can be tried or few were for so many trials."""
        is_early = 2 * len(runs) < (self.n_trials or 0)
        return self._any_listed(runs) if self.is_exhaustive or is_early else None

    def _any_listed(self, runs: Mapping[str, list[Run]]) -> dict[str, Any] | None:
        """The first candidate that was never tried; among further rates and nuisance parameters, the best class's."""
        if self.space.n_settings > MAX_LISTED:
            return None
        new = ((d, c) for d, c in self._candidates.items() if self._is_new(runs.get(d, ())))
        first = next(new, None)
        if first is None or first[1].is_first:
            return dict(first[1].point) if first else None
        best = self.halving.class_values(runs)
        others = [first[1], *(candidate for _, candidate in new)]
        return dict(min(others, key=lambda candidate: best.get(candidate.order, float("inf"))).point)

    def _proposed(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
        runs: Mapping[str, list[Run]],
        generator: random.Random,
    ) -> dict[str, Any] | None:
        """What the wrapped sampler proposes, redrawn while it is known."""
        known: set[str] = set()
        for _ in range(0 if self.is_exhaustive else MAX_REDRAWS):
            asked = self.wrapped.sample_relative(study, trial, search_space) or self._random_point(generator)
            point, digest, _ = representative(self.space, asked)
            if self._is_new(runs.get(digest, ())):
                break
            known.add(digest)
        else:
            point = None
        self._reused[trial.number] = len(known)
        return point

    def _next_seed(self, runs: Sequence[Run]) -> int | None:
        return next_seed(runs, self.halving.seed, self.halving.max_seeds, self.halving.pack)

    def _is_new(self, runs: Sequence[Run]) -> bool:
        """Whether a setting was never tried, or only failed in a way that is worth another try."""
        return not any(run.state in TRAINED for run in runs) and self._next_seed(runs) is not None

    def _random_point(self, generator: random.Random) -> dict[str, Any]:
        """A point of a setting drawn evenly from all: a class with many members is no likelier than one with few."""
        return dict(self.space.draw(generator))

    def _point_of(self, run: Run) -> dict[str, Any]:
        """The point that stands for a run's setting."""
        blocks = {role: BlockSpec.parse(text) for role, text in run.canonical.items()}
        nuisance = {"lr": run.learning_rate, "batch_size": run.batch_size}
        return {**self.space.encode_class(blocks), **{name: nuisance[name] for name in self.space.nuisance}}

    @cached_property
    def _candidates(self) -> dict[str, Candidate]:
        return candidates(self.space, seed=self.halving.seed)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value for a parameter outside of the space, from the wrapped sampler."""
        return self.wrapped.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Tell the wrapped sampler."""
        self.wrapped.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Tell the wrapped sampler."""
        self.wrapped.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Give the wrapped sampler another seed, as Optuna does for each thread."""
        self.wrapped.reseed_rng()


def _by_setting(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.setting, []).append(run)
    return found
