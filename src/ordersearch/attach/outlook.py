"""What a study's sampler will model, found out from the sampler itself in a copy of the study that goes on."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import intersection_search_space
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from ordersearch.attach.own_setting import own_params
from ordersearch.results import Attribute
from ordersearch.space import SearchSpace

TOLD = (TrialState.COMPLETE, TrialState.PRUNED)
N_DRAWN = 200
"""Points drawn evenly to see which parameters ``space.suggest`` asks for together: none of them is rare."""

N_TRIED = 20
"""Trials in which a sampler that models nothing is seen to fail: some do so at some points only."""

Distributions = Mapping[str, BaseDistribution]
Choices = Mapping[str, CategoricalDistribution]


@dataclass(frozen=True)
class Outlook:
    """What a sampler models once trials have been asked for a space's parameters.

    Attributes:
        kind: The sampler's class.
        trials: The finished trials so far.
        ours: The space's parameters that have a choice.
        nuisance: Those of them that are nuisance parameters.
        relative: What the sampler models, all together or in groups.
        shared: What every finished trial has, those to come among them.
        groups: What it models, by which trials have it.
        failure: What the sampler raises, if it fails on such a trial.
        n_objectives: Of the study.
        is_conditional: Whether trials to come leave out what changes nothing.
    """

    kind: type[BaseSampler]
    trials: Sequence[FrozenTrial]
    ours: Sequence[str]
    nuisance: Sequence[str]
    relative: Distributions
    shared: Distributions
    groups: Sequence[Sequence[str]]
    failure: str
    n_objectives: int
    is_conditional: bool

    @property
    def name(self) -> str:
        """The sampler's name."""
        return self.kind.__name__

    def n_lacking(self, names: Sequence[str]) -> int:
        """How many of the finished trials lack some of these parameters."""
        return sum(not trial.params.keys() >= set(names) for trial in self.trials)


def foreseen(study: optuna.Study, space: SearchSpace, prefix: str, *, conditional: bool) -> Outlook:
    """The outlook of a study's sampler. The study and its sampler stay as they are."""
    trials = study.get_trials(deepcopy=False, states=TOLD)
    own = _own(trials, space, prefix)
    ours = _ours(trials, space, prefix, own, with_nuisance=not conditional)
    ahead = _copied(study)
    for params in _asked(space, prefix) if conditional else [{name: d.choices[0] for name, d in ours.items()}]:
        ahead.add_trial(_complete(own, {name: ours[name] for name in params}, params, len(study.directions)))
    relative = ahead.sampler.infer_relative_search_space(ahead, ahead.get_trials(deepcopy=False)[-1])
    told = ahead.get_trials(deepcopy=False, states=TOLD)
    return Outlook(
        kind=type(study.sampler),
        trials=trials,
        ours=[name for name, distribution in ours.items() if not distribution.single()],
        nuisance=[name for name in ours if name in space.nuisance_distributions(prefix)],
        relative=relative,
        shared=intersection_search_space(told, include_pruned=True),
        groups=_groups([name for name in {**own, **ours} if name in relative], told),
        failure="" if relative else _failure(ahead, own, ours, space if conditional else None, prefix),
        n_objectives=len(study.directions),
        is_conditional=conditional,
    )


def _own(trials: Sequence[FrozenTrial], space: SearchSpace, prefix: str) -> dict[str, BaseDistribution]:
    """The parameters of the study's own, as its last trial has them."""
    last = trials[-1].distributions if trials else {}
    nuisance = space.nuisance_distributions(prefix)
    return {name: last[name] for name in own_params(last, space, prefix) if nuisance.get(name) != last[name]}


def _ours(
    trials: Sequence[FrozenTrial], space: SearchSpace, prefix: str, own: Distributions, *, with_nuisance: bool
) -> dict[str, CategoricalDistribution]:
    """The space's parameters; of the nuisance ones, those that the objective will ask for, as far as can be seen."""
    flat = space.distributions(prefix)
    nuisance = space.nuisance_distributions(prefix) if with_nuisance else {}
    asking = [t for t in trials if Attribute.ORIGIN not in t.user_attrs and not t.params.keys().isdisjoint(flat)]
    asked = [n for n in nuisance if n.removeprefix(prefix) not in own and (not asking or n in asking[-1].params)]
    return {**flat, **{name: nuisance[name] for name in asked}}


def _copied(study: optuna.Study) -> optuna.Study:
    """A copy of a study in memory, with a copy of its sampler."""
    storage = InMemoryStorage()
    # A sampler may remember what it has seen by the study's number.
    for number in range(study._study_id + 1):
        storage.create_new_study(study.directions, str(number))
    ahead = optuna.load_study(study_name=str(study._study_id), storage=storage, sampler=copy.deepcopy(study.sampler))
    for trial in study.get_trials(deepcopy=False):
        # What waits would be taken before anything is sampled.
        ahead.add_trial(trial if trial.state.is_finished() else create_trial(state=TrialState.FAIL))
    return ahead


def _complete(own: Distributions, ours: Distributions, params: Mapping[str, Any], n_objectives: int) -> FrozenTrial:
    """A trial with these parameters of the space's; which values the study's own have does not matter."""
    values = {name: _some_value(distribution) for name, distribution in own.items()}
    return create_trial(params={**values, **params}, distributions={**own, **ours}, values=[0.0] * n_objectives)


def _some_value(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    return distribution.to_external_repr(distribution.low)  # type: ignore[attr-defined]


class _Drawn:
    """Draws evenly, and keeps what it was asked for."""

    def __init__(self, generator: random.Random) -> None:
        self.generator = generator
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        self.params[name] = self.generator.choice(choices)
        return self.params[name]


def _asked(space: SearchSpace, prefix: str) -> list[dict[str, Any]]:
    """Parameters that ``space.suggest`` asks a trial for together, one point for each way that it does."""
    generator = random.Random(0)
    found: dict[frozenset[str], dict[str, Any]] = {}
    for _ in range(N_DRAWN):
        drawn = _Drawn(generator)
        space.suggest(drawn, prefix)
        found[frozenset(drawn.params)] = drawn.params
    return list(found.values())


def _groups(names: Sequence[str], trials: Sequence[FrozenTrial]) -> list[list[str]]:
    """Names by which kinds of trial have them: so a sampler that models in groups divides them."""
    kinds = {frozenset(trial.distributions) for trial in trials}
    found: dict[frozenset[frozenset[str]], list[str]] = {}
    for name in names:
        found.setdefault(frozenset(kind for kind in kinds if name in kind), []).append(name)
    return list(found.values())


def _failure(
    ahead: optuna.Study, own: Distributions, ours: Choices, conditional: SearchSpace | None, prefix: str
) -> str:
    """What the sampler raises when trials are asked for; empty if it raises nothing."""
    for _ in range(N_TRIED):
        try:
            trial = ahead.ask(dict(own))
            if conditional is None:
                for name, distribution in ours.items():
                    trial.suggest_categorical(name, distribution.choices)
            else:
                conditional.suggest(trial, prefix)
        except Exception as cause:  # noqa: BLE001 - a sampler may fail in any way
            return f"{type(cause).__name__}: {cause}".rstrip(".")[:200]
        ahead.tell(trial, [0.0] * len(ahead.directions))
    return ""
