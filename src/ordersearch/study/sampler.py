"""A sampler that never asks for the same network twice, around any sampler of Optuna's."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ordersearch.identities import canonical
from ordersearch.results import Run, next_seed, read_runs, setting_digest
from ordersearch.seeds import derived_seed
from ordersearch.space import SearchSpace

MAX_REDRAWS = 20
MAX_LISTED = 200_000
"""Above so many settings they are not listed, and the wrapped sampler alone proposes."""


class DistinctSampler(BaseSampler):
    """Proposes distinct networks: redraws what was trained already, and goes through small spaces exhaustively.

    Every member of a class is the same point for the wrapped sampler, so what is learnt of one order is learnt of all
    that are the same network. A setting whose runs are complete may be proposed again, for its next seed.

    Args:
        wrapped: Proposes points; any sampler that learns from a flat space.
        space: What is searched.
        seed: The study's first seed.
        max_seeds: How many seeds of one setting are trained at most.
        n_trials: How many trials the search is to have; a space of fewer settings is gone through exhaustively, and
            with None any space is.
    """

    def __init__(
        self, wrapped: BaseSampler, space: SearchSpace, *, seed: int, max_seeds: int, n_trials: int | None
    ) -> None:
        self.wrapped = wrapped
        self.space = space
        self.seed = seed
        self.max_seeds = max_seeds
        self.n_trials = n_trials
        self._reused: dict[int, int] = {}

    @property
    def is_exhaustive(self) -> bool:
        """Whether the space is gone through setting by setting."""
        return self.space.n_settings <= min(self.n_trials or MAX_LISTED, MAX_LISTED)

    def n_reused(self, trial: int) -> int:
        """How many proposals for a trial were known networks, hence not trained again."""
        return self._reused.get(trial, 0)

    def is_done(self, runs: Sequence[Run]) -> bool:
        """Whether every setting of the space has had its runs, or has them under way."""
        return self.space.n_settings <= MAX_LISTED and not self._open_settings(_by_setting(runs))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole flat space, whatever earlier trials asked for."""
        return {**self.space.distributions(), **self.space.nuisance_distributions()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of a setting that has runs left; none for a trial whose parameters were enqueued."""
        if "fixed_params" in trial.system_attrs:
            return {}
        runs = _by_setting(read_runs(study))
        generator = random.Random(derived_seed(self.seed, "proposals", trial.number))
        known: set[str] = set()
        for _ in range(0 if self.is_exhaustive else MAX_REDRAWS):
            proposed = self.wrapped.sample_relative(study, trial, search_space) or self._random_point(generator)
            point, digest = self._distinct(proposed)
            if next_seed(runs.get(digest, ()), self.seed, self.max_seeds) is not None:
                self._reused[trial.number] = len(known)
                return point
            known.add(digest)
        self._reused[trial.number] = len(known)
        return self._listed(study, runs, generator)

    def _listed(self, study: Study, runs: Mapping[str, list[Run]], generator: random.Random) -> dict[str, Any]:
        """One of the settings with the fewest runs: any one while they have none, then the best."""
        if self.space.n_settings > MAX_LISTED:
            return self._random_point(generator)
        remaining = self._open_settings(runs)
        if not remaining:
            study.stop()
            return self._random_point(generator)
        fewest = min(len(runs.get(digest, ())) for digest in remaining)
        equal = [digest for digest in remaining if len(runs.get(digest, ())) == fewest]
        if fewest == 0:
            return self._points[generator.choice(equal)]
        sign = -1 if study.direction is StudyDirection.MAXIMIZE else 1
        return self._points[min(equal, key=lambda digest: (_mean(runs[digest], sign), digest))]

    def _open_settings(self, runs: Mapping[str, list[Run]]) -> list[str]:
        return [d for d in self._points if next_seed(runs.get(d, ()), self.seed, self.max_seeds) is not None]

    def _random_point(self, generator: random.Random) -> dict[str, Any]:
        """A point of a setting drawn evenly from all: a class with many members is no likelier than one with few."""
        return dict(self.space.draw(generator))

    def _distinct(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """The point that stands for a proposal's class, and the digest of its setting."""
        blocks = {role: canonical(spec) for role, spec in self.space.decode(params).items()}
        rates = {name: params[name] for name in self.space.nuisance}
        digest = setting_digest({r: str(b) for r, b in blocks.items()}, rates["lr"], rates.get("batch_size"))
        return {**self.space.encode_class(blocks), **rates}, digest

    @cached_property
    def _points(self) -> dict[str, dict[str, Any]]:
        """The digest of every setting to its point."""
        return {digest: point for point, digest in map(self._distinct, self.space.settings())}

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


def _mean(runs: list[Run], sign: int) -> float:
    """The mean of the runs' values times ``sign``, so that less is better; without a value, worst of all."""
    values = [run.value for run in runs if run.value is not None]
    return sign * sum(values) / len(values) if values else float("inf")
