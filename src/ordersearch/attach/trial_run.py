"""One trial of a user's own objective: which network, which seed, and what is kept so that its run is found again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import optuna
from optuna.trial import TrialState

from ordersearch.attach.kept_space import attach_space, other_distribution
from ordersearch.attach.own_setting import OwnSetting, own_params, require_plain
from ordersearch.attach.turns import await_turn
from ordersearch.errors import StudyMismatchError, TrainingSettingError
from ordersearch.results import Attribute, Run, State, next_seed, runs_of_setting
from ordersearch.space import SearchSpace
from ordersearch.space.search_space import Blocks

HAS_ITS_SEED = (State.PRUNED, State.RUNNING)


@dataclass(frozen=True)
class TrialRun:
    """What a trial is to train.

    Attributes:
        blocks: The cheapest order of the class, for each role.
        nuisance: ``lr`` and ``batch_size``: the objective's own where it has them, else the space's.
        seed: Of initial weights, batch order and noise: 0, or the next where the setting was trained before.
    """

    blocks: Blocks
    nuisance: Mapping[str, float]
    seed: int


def begin_run(
    trial: optuna.Trial,
    space: SearchSpace,
    *,
    prefix: str = "",
    max_seeds: int = 3,
    own: Mapping[str, Any] | None = None,
) -> TrialRun:
    """Ask a trial for blocks, and give the network and the seed that it is to train.

    All parameters of the space are asked for, also those that change nothing: a sampler models together only what
    every trial has. A setting that was proposed before gets its next seed, whichever order of the class it is proposed
    as; a run that another process has under way counts. ``ranked`` reads the runs back.

    Call it once a trial. The blocks of a second space are asked for before it, with ``space.suggest(trial, prefix)``:
    then they belong to the setting.

    Args:
        trial: Of a study, under way; it has been asked for the objective's own parameters.
        space: Is attached to the trial's study, now at the latest.
        prefix: Put before the names of the space's parameters.
        max_seeds: How many seeds a setting is trained with at most.
        own: What belongs to a setting besides its blocks, by name; values are those of JSON. ``lr`` and ``batch_size``
            take the place of the space's. None: all that the trial has been asked for.

    Raises:
        TrialPruned: The setting has had all of its seeds.
        StudyMismatchError: The space cannot be attached; or the study has another ``lr``, which the trial was not asked
            for; or earlier trials were asked for parameters of their own after this; or the trial is in no study.
        TrainingSettingError: ``max_seeds`` is below 1, or ``own`` holds what is no value of JSON.

    Example:
        >>> study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        >>> run = begin_run(study.ask(), SearchSpace.load("dense"))
        >>> print(run.blocks["dense"], run.nuisance, run.seed)
        linear > batch_norm > relu {'lr': 0.01} 0
    """
    _require_usable(trial, max_seeds, own or {})
    attach_space(trial.study, space, prefix)
    given = own_params(trial.params, space, prefix) if own is None else dict(own)
    if own is None:
        _require_all_asked(trial.study, space, prefix)
    asked = space.distributions(prefix).items()
    params: dict[str, Any] = {name: trial.suggest_categorical(name, d.choices) for name, d in asked}
    nuisance = _space_nuisance(trial, space, prefix, given)
    setting = OwnSetting.of(space.decode(params, prefix), {**nuisance, **given})
    return TrialRun(setting.cheapest, setting.nuisance, _taken_seed(trial, setting, max_seeds))


def _require_usable(trial: object, max_seeds: int, own: Mapping[str, Any]) -> None:
    """Raise the error for what is given to ``begin_run`` before anything is written."""
    if not isinstance(trial, optuna.Trial):
        raise StudyMismatchError(
            f"begin_run: got a {type(trial).__name__}, but seeds are counted in the study of an optuna.Trial. "
            "space.suggest(trial) gives the blocks of one that is in no study."
        )
    if max_seeds < 1:
        raise TrainingSettingError(f"max_seeds: got {max_seeds!r}, but a setting is trained with 1 seed at least.")
    require_plain(own)


def _space_nuisance(trial: optuna.Trial, space: SearchSpace, prefix: str, own: Mapping[str, Any]) -> dict[str, float]:
    """The nuisance parameters that the objective has not of its own, asked for."""
    asked = {name: prefix + name for name in space.nuisance if name not in own}
    distributions = space.nuisance_distributions(prefix)
    wanted = {full: distributions[full] for full in asked.values()}
    found = other_distribution(trial.study, wanted) if wanted else None
    if found:
        name, there = found
        raise StudyMismatchError(
            f"Study {trial.study.study_name!r} has a parameter {name!r} of its own ({there!r:.200}). Ask the trial for "
            f"it before begin_run, which then takes it in the place of the space's."
        )
    return {name: trial.suggest_categorical(full, space.nuisance[name]) for name, full in asked.items()}


def _require_all_asked(study: optuna.Study, space: SearchSpace, prefix: str) -> None:
    """Raise a StudyMismatchError if the last trial was asked for something after its run had begun."""
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    trials = [t for t in study.get_trials(deepcopy=False, states=ended) if Attribute.OWN in t.user_attrs]
    for trial in trials[-1:]:
        setting = OwnSetting.of({}, own_params(trial.params, space, prefix))
        late = sorted(setting.own.keys() - trial.user_attrs[Attribute.OWN].keys())
        if late:
            raise StudyMismatchError(
                f"Trial {trial.number} of study {study.study_name!r} was asked for {late[0]!r} after begin_run, so "
                "that runs that differ in it would be taken for one setting. Ask for it before begin_run, or say with "
                "own= what belongs to a setting."
            )


def _taken_seed(trial: optuna.Trial, setting: OwnSetting, max_seeds: int) -> int:
    """The seed that the trial has to itself, which is kept with what it trains."""
    await_turn(trial.study, trial.number)
    others = runs_of_setting(trial.study, setting.digest, besides=trial.number)
    seed = next_seed(map(_with_its_seed, others), 0, max_seeds)
    if seed is None:
        reason = f"all {max_seeds} seeds of this setting have been trained, or are being trained"
        trial.set_user_attr(Attribute.STATE, State.DUPLICATE)
        trial.set_user_attr(Attribute.REASON, reason)
        trial.set_user_attr(Attribute.SETTING, "")
        raise optuna.TrialPruned(reason)
    for name, value in setting.attributes(seed).items():
        trial.set_user_attr(name, value)
    return seed


def _with_its_seed(run: Run) -> Run:
    """The run as one that needs its seed no more, if it has it or had it.

    Here a pruner decides, not a probe: what it stopped once it would stop at the same seed again.
    """
    return replace(run, state=State.COMPLETE) if run.state in HAS_ITS_SEED else run
