"""Backfill: the trials of an old study, which all had one order, enter a new one with that order filled in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from ordersearch.attach.filling import Filling, Given, Seeds
from ordersearch.attach.kept_space import attach_space, other_distribution
from ordersearch.errors import SpaceError, StudyMismatchError
from ordersearch.results import Attribute
from ordersearch.space import SearchSpace
from ordersearch.space.search_space import Blocks
from ordersearch.spec import BlockSpec


@dataclass(frozen=True)
class Backfilled:
    """What came of a backfill. As text, it is one line.

    Attributes:
        n_copied: Trials that entered the new study.
        n_known: Trials that an earlier backfill had copied.
        n_unfinished: Trials that wait or are under way, and were not copied; once they have ended, call it again.
        left_out: Why trials could not be copied, and how many.
    """

    n_copied: int = 0
    n_known: int = 0
    n_unfinished: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"{self.n_copied} trial{'s' * (self.n_copied != 1)} copied"]
        parts += [f"{self.n_known} there already"] * bool(self.n_known)
        parts += [f"{self.n_unfinished} not finished, hence not copied"] * bool(self.n_unfinished)
        parts += [f"{n} left out ({reason})" for reason, n in self.left_out.items()]
        return ", ".join(parts)


def backfill(
    old_study: Study,
    new_study: Study,
    space: SearchSpace,
    blocks: BlockSpec | Blocks | None = None,
    *,
    nuisance: Mapping[str, float] | None = None,
    prefix: str = "",
) -> Backfilled:
    """Copy the trials of a study into another one, with the parameters of their order filled in.

    So a sampler can model the space's parameters together with those of the study from its first trial on. Copied are
    the trials that are complete, pruned or failed, with all that they carry. Called again, it copies what has come
    since.

    Where the old study has a space attached by this prefix that has changed since, the trials' own orders are filled in
    as the new space has them.

    Args:
        old_study: Is read only.
        new_study: Of the same directions.
        space: Is attached to the new study.
        blocks: What the old trials had that do not say it themselves: a block for each role, or the one block. Where
            it is not in the space itself, another order of its network will do.
        nuisance: What these trials had of the space's nuisance parameters without being asked: ``{"lr": 0.01}``. A
            learning rate that the study tunes itself stays what it is.
        prefix: Put before the names of the space's parameters.

    Raises:
        SpaceError: No blocks of the space are the network of ``blocks``, or they are needed and missing; or the space
            does not have the nuisance parameters.
        StudyMismatchError: The studies do not go together.

    Example:
        >>> import optuna
        >>> old = optuna.create_study()
        >>> old.optimize(lambda trial: trial.suggest_float("lr", 0, 1), n_trials=3)
        >>> new, space = optuna.create_study(), SearchSpace.load("dense")
        >>> order = BlockSpec.parse("linear > batch_norm > relu")
        >>> print(backfill(old, new, space, order))
        3 trials copied
        >>> print(backfill(old, new, space, order))
        0 trials copied, 3 there already
    """
    _require_two_alike(old_study, new_study)
    filling = Filling.of(old_study, space, prefix, Given.of(space, blocks, nuisance or {}, prefix))
    attach_space(new_study, space, prefix)
    there = {_origin_of(trial) for trial in new_study.get_trials(deepcopy=False)}
    copies: list[FrozenTrial] = []
    left_out: Counter[str] = Counter()
    n_known = n_unfinished = 0
    seeds = Seeds(new_study)
    for trial in old_study.get_trials(deepcopy=False):
        origin = _origin(old_study, trial)
        if tuple(origin) in there:
            n_known += 1
        elif not trial.state.is_finished():
            n_unfinished += 1
        else:
            try:
                copy = filling.filled(trial, seeds)
                copy.set_user_attr(str(Attribute.ORIGIN), origin)
                copies.append(copy)
            except SpaceError as cause:
                left_out[str(cause)] += 1
    _require_compatible(new_study, old_study, copies)
    new_study.add_trials(copies)
    return Backfilled(len(copies), n_known, n_unfinished, dict(left_out))


def _origin(study: Study, trial: FrozenTrial) -> list[Any]:
    # Two storages may each have a study of this name.
    return [study.study_name, trial.number, str(trial.datetime_start)]


def _origin_of(trial: FrozenTrial) -> tuple[Any, ...]:
    return tuple(trial.user_attrs.get(Attribute.ORIGIN, ()))


def _require_two_alike(old_study: Study, new_study: Study) -> None:
    names = f"{old_study.study_name!r} and {new_study.study_name!r}"
    if old_study.directions != new_study.directions:
        told = " and ".join(
            "/".join(direction.name.lower() for direction in study.directions) for study in (old_study, new_study)
        )
        raise StudyMismatchError(
            f"The studies {names} do not optimise the same: {told}. Make the new one like the old."
        )
    begun = {(trial.number, trial.datetime_start) for trial in old_study.get_trials(deepcopy=False)}
    if old_study.study_name == new_study.study_name and any(
        (trial.number, trial.datetime_start) in begun and Attribute.ORIGIN not in trial.user_attrs
        for trial in new_study.get_trials(deepcopy=False)
    ):
        raise StudyMismatchError(f"Study {old_study.study_name!r} cannot be backfilled from itself: make a new one.")


def _require_compatible(new_study: Study, old_study: Study, copies: list[FrozenTrial]) -> None:
    """Raise a StudyMismatchError if the new study has parameters of the old one's names with other choices."""
    wanted: dict[str, BaseDistribution] = {}
    for copy in copies:
        wanted |= copy.distributions
    found = other_distribution(new_study, wanted)
    if found:
        name, there = found
        raise StudyMismatchError(
            f"Study {new_study.study_name!r} has a parameter {name!r} that is another than that of "
            f"{old_study.study_name!r}: {there!r:.200}, where the old trials have {wanted[name]!r:.200}. Backfill "
            "before the first trial of the new study, and go on with the old parameter."
        )
