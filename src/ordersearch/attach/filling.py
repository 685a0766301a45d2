"""Filling an order into trials that were made without it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, create_trial

from ordersearch.attach.kept_space import attached_space, require_free
from ordersearch.attach.own_setting import OwnSetting, own_params
from ordersearch.errors import SpaceError
from ordersearch.results import Attribute
from ordersearch.space import SearchSpace
from ordersearch.space.search_space import Blocks
from ordersearch.spec import BlockSpec


@dataclass(frozen=True)
class Given:
    """What the trials of a study had that do not say it themselves.

    Attributes:
        blocks: For each role.
        params: The space's parameters for them.
        nuisance: The nuisance parameters, by their own names.
    """

    blocks: Blocks
    params: Mapping[str, Any]
    nuisance: Mapping[str, float]

    @classmethod
    def of(
        cls, space: SearchSpace, blocks: BlockSpec | Blocks | None, nuisance: Mapping[str, float], prefix: str
    ) -> Given | None:
        """What is given for a space; None without blocks.

        Raises:
            SpaceError: The space does not hold it.
        """
        for name, value in nuisance.items():
            if name not in space.nuisance:
                known = ", ".join(space.nuisance) or "none"
                raise SpaceError(f"Space {space.name!r} has no nuisance parameter {name!r}. Known: {known}.")
            _require_choice(name, value, space.nuisance[name])
        if blocks is None:
            return None
        roles = space.block_roles
        if not isinstance(blocks, BlockSpec | Mapping):
            raise SpaceError(
                f"blocks: got {blocks!r:.200}, where a block is a BlockSpec: BlockSpec.parse reads one from text."
            )
        if isinstance(blocks, BlockSpec):
            if len(roles) > 1:
                raise SpaceError(
                    f"Space {space.name!r} has the roles {', '.join(roles)}, but got one block: give a block for each."
                )
            blocks = {roles[0]: blocks}
        return cls(blocks, params_of(space, blocks, prefix), dict(nuisance))


@dataclass(frozen=True)
class Filling:
    """Fills a space's parameters into trials.

    Attributes:
        space: Whose parameters the copies get.
        prefix: Put before their names.
        before: The space that the trials' study has attached, else the same.
        given: What trials had that do not say it; None where all do.
    """

    space: SearchSpace
    prefix: str
    before: SearchSpace
    given: Given | None

    @classmethod
    def of(cls, study: Study, space: SearchSpace, prefix: str, given: Given | None) -> Filling:
        """The filling for the trials of a study.

        Raises:
            SpaceError: A trial says nothing of its order, and nothing is given.
            StudyMismatchError: The study has parameters of the space's names with other choices.
        """
        before = attached_space(study, prefix) or space
        require_free(study, before, prefix)
        for trial in study.get_trials(deepcopy=False) if given is None else ():
            if trial.state.is_finished() and trial.params.keys().isdisjoint(before.distributions(prefix)):
                raise SpaceError(
                    f"Trial {trial.number} of study {study.study_name!r} does not say which order it had: give the one "
                    "that such trials had (blocks= in Python, --as in the shell)."
                )
        return cls(space, prefix, before, given)

    def filled(self, trial: FrozenTrial, seeds: Seeds) -> FrozenTrial:
        """A copy of a trial with the parameters of its order.

        Raises:
            SpaceError: The trial ended before it had said its order, or the space does not hold what it had.
        """
        ours = self.before.distributions(self.prefix)
        params = {name: value for name, value in trial.params.items() if name not in ours}
        distributions = {name: trial.distributions[name] for name in params}
        attributes = dict(trial.user_attrs)
        if self.given is not None and len(params) == len(trial.params):
            setting, named = self._as_given(params)
            attributes |= setting.attributes(seeds.next_of(setting.digest, trial))
        else:
            distributions |= self._nuisance(params, distributions)
            named = params_of(self.space, self.before.decode(trial.params, self.prefix), self.prefix)
        known = {**self.space.distributions(self.prefix), **self.space.nuisance_distributions(self.prefix)}
        return _copy(trial, {**params, **named}, {**distributions, **{name: known[name] for name in named}}, attributes)

    def _as_given(self, params: Mapping[str, Any]) -> tuple[OwnSetting, dict[str, Any]]:
        """The setting of a trial with these parameters of its own, and the space's for it."""
        assert self.given is not None
        own = own_params(params, self.space, self.prefix)
        nuisance = {name: value for name, value in self.given.nuisance.items() if name not in own}
        setting = OwnSetting.of(self.given.blocks, {**nuisance, **own})
        return setting, {**self.given.params, **{self.prefix + name: value for name, value in nuisance.items()}}

    def _nuisance(
        self, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
    ) -> dict[str, BaseDistribution]:
        """Those of a trial's parameters that are the space's nuisance parameters, as the space has them now."""
        before, now = (space.nuisance_distributions(self.prefix) for space in (self.before, self.space))
        same = [n for n in now if n in params and n in before and distributions[n] == before[n]]
        for name in same:
            _require_choice(name, params[name], now[name].choices)
        return {name: now[name] for name in same}


class Seeds:
    """The seeds that the runs of a study have, so that copies get others.

    Trials of one setting with the same outcome are one run, trained again.
    """

    def __init__(self, study: Study) -> None:
        self._used: dict[str, dict[Any, int]] = {}
        for trial in study.get_trials(deepcopy=False):
            if setting := trial.user_attrs.get(Attribute.SETTING):
                self._used.setdefault(setting, {})[_outcome(trial)] = trial.user_attrs.get(Attribute.SEED, 0)

    def next_of(self, setting: str, trial: FrozenTrial) -> int:
        """The seed of a trial that is copied."""
        used = self._used.setdefault(setting, {})
        return used.setdefault(_outcome(trial), max(used.values(), default=-1) + 1)


def params_of(space: SearchSpace, blocks: Blocks, prefix: str) -> dict[str, Any]:
    """The parameters of blocks; where these are not in the space, those of its first blocks that are their network.

    Raises:
        SpaceError: No blocks of the space are.
    """
    try:
        return dict(space.encode(blocks, prefix))
    except SpaceError:
        return dict(space.encode_class(blocks, prefix))


def _require_choice(name: str, value: object, choices: Collection[object]) -> None:
    if value not in choices:
        raise SpaceError(f"{name}: got {value!r}, but the choices are {', '.join(map(repr, choices))}.")


def _outcome(trial: FrozenTrial) -> Any:
    return tuple(trial.values or ()), tuple(sorted(trial.intermediate_values.items()))


def _copy(
    trial: FrozenTrial,
    params: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    user_attrs: Mapping[str, Any],
) -> FrozenTrial:
    copied = create_trial(
        state=trial.state,
        values=trial.values,
        params=dict(params),
        distributions=dict(distributions),
        user_attrs=dict(user_attrs),
        system_attrs=dict(trial.system_attrs),  # the constraints are among them
        intermediate_values=dict(trial.intermediate_values),
    )
    copied.datetime_start = trial.datetime_start or copied.datetime_start
    copied.datetime_complete = trial.datetime_complete
    return copied
