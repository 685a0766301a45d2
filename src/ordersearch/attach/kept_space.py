"""A search space in a study of one's own: kept there whole, so that a changed space is told of in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.trial import FrozenTrial, TrialState

from ordersearch.errors import SpaceError, StudyMismatchError
from ordersearch.identities import canonical
from ordersearch.results import Attribute
from ordersearch.space import SearchSpace
from ordersearch.space.kept import from_plain, to_plain
from ordersearch.space.search_space import Blocks

FINGERPRINT = "fingerprint"
SPACE = "space"


def attach_space(study: Study, space: SearchSpace, prefix: str = "", *, references: bool = False) -> int:
    """Keep a space in a study, or check that it still is the one that is kept there.

    Optuna lets no parameter change its choices within a study, and says no more than that they are dynamic.

    Args:
        study: Of the user's own; it may have trials.
        space: Whose parameters its objective asks for from now on.
        prefix: Put before their names; several spaces go into one study by several prefixes.
        references: Whether to queue the space's references, save those whose networks are there.

    Returns:
        How many references were queued.

    Raises:
        StudyMismatchError: The space has changed since, or the study has other parameters of these names, or it is a
            search of ordersearch.

    Example:
        >>> import optuna
        >>> study = optuna.create_study()
        >>> attach_space(study, SearchSpace.load("dense"), prefix="head.", references=True)
        7
        >>> attach_space(study, SearchSpace.load("dense"), prefix="head.", references=True)
        0
    """
    require_own(study)
    attributes, name = study.user_attrs, Attribute.ATTACHED + prefix
    if name in attributes:
        _check_same(study, attributes[name], space, prefix)
    else:
        require_free(study, space, prefix)
        study.set_user_attr(name, {FINGERPRINT: space.fingerprint(), SPACE: to_plain(space)})
    return _queue_references(study, space, prefix) if references else 0


def require_own(study: Study) -> None:
    """Raise a StudyMismatchError if ordersearch made the study for a search of its own."""
    if Attribute.SEARCH in study.user_attrs:
        raise StudyMismatchError(
            f"Study {study.study_name!r} is a search of ordersearch, which has its own space and objective. Attach to "
            "a study of your own, or make a new one."
        )


def attached_space(study: Study, prefix: str = "") -> SearchSpace | None:
    """The space that is kept in a study under a prefix, if there is one.

    Raises:
        SpaceError: It was kept by another version and cannot be read.
    """
    kept = study.user_attrs.get(Attribute.ATTACHED + prefix)
    return None if kept is None else from_plain(kept[SPACE])


def other_distribution(
    study: Study, distributions: Mapping[str, BaseDistribution]
) -> tuple[str, BaseDistribution] | None:
    """The first of these parameters that a study has as another one, and that one; None where they can go into it."""
    there: dict[str, BaseDistribution] = {}
    for trial in study.get_trials(deepcopy=False):
        there.update(trial.distributions)
    for name in distributions.keys() & there.keys():
        try:
            check_distribution_compatibility(there[name], distributions[name])
        except ValueError:
            return name, there[name]
    return None


def require_free(study: Study, space: SearchSpace, prefix: str) -> None:
    """Raise a StudyMismatchError if a study has parameters of a space's names with other choices."""
    found = other_distribution(study, space.distributions(prefix))
    if found:
        name, there = found
        raise StudyMismatchError(
            f"Study {study.study_name!r} has a parameter {name!r} already, which is not that of the space "
            f"{space.name!r}: {there!r:.200}. Give a prefix that no parameter begins with, such as "
            f"{prefix + 'block.'!r}."
        )


def _check_same(study: Study, kept: Mapping[str, Any], space: SearchSpace, prefix: str) -> None:
    # Optuna does not mind which parameter comes first, nor 1 for 1.0; the fingerprint does.
    if kept.get(FINGERPRINT) == space.fingerprint():
        return
    before = kept.get(SPACE, {})
    changes = list(_changes(_choices(before), _choices(to_plain(space)), prefix))
    if changes:
        told = f"the space {space.name!r} as it was before a change: {'; '.join(changes)}"
        if before.get("name") != space.name:
            told = f"another space by the prefix {prefix!r} than {space.name!r}: {before.get('name')!r}"
        raise StudyMismatchError(
            f"Study {study.study_name!r} has {told}. Attach it with another prefix, or make a new study and backfill "
            "it from this one."
        )


def _choices(plain: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    own = {f"{role}.{name}": c for role, choices in plain.get("roles", {}).items() for name, c in choices.items()}
    placement = plain.get("dropout_placement")
    return {**({"dropout_placement": placement} if placement else {}), **own, **plain.get("nuisance", {})}


def _changes(before: Mapping[str, Sequence[Any]], after: Mapping[str, Sequence[Any]], prefix: str) -> Iterator[str]:
    for name in {**before, **after}:
        told = repr(prefix + name)
        if name not in after:
            yield f"the parameter {told} is gone"
        elif name not in before:
            yield f"the parameter {told} is new"
        elif list(before[name]) != list(after[name]):
            new = [choice for choice in after[name] if choice not in before[name]]
            gone = [choice for choice in before[name] if choice not in after[name]]
            parts = [f"{', '.join(map(repr, c))} {w}" for c, w in ((new, "came"), (gone, "went")) if c]
            yield f"{told}: {' and '.join(parts) or 'the same choices in another order'}"


def _queue_references(study: Study, space: SearchSpace, prefix: str) -> int:
    there = set(_networks(study.get_trials(deepcopy=False), space, prefix))
    n_before = len(there)
    for reference in space.references():
        network = _network(reference.blocks)
        if network not in there:
            there.add(network)
            # The nuisance parameters are left to the sampler: the study may have a learning rate of its own.
            study.enqueue_trial(space.encode(reference.blocks, prefix), {str(Attribute.REFERENCE): reference.name})
    return len(there) - n_before


def _networks(trials: Iterable[FrozenTrial], space: SearchSpace, prefix: str) -> Iterator[frozenset[Any]]:
    """The networks that trials have, or will have when their turn comes."""
    for trial in trials:
        params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        if trial.state is not TrialState.FAIL and not params.keys().isdisjoint(space.distributions(prefix)):
            try:
                yield _network(space.decode(params, prefix))
            except SpaceError:
                # It has not been asked for all yet.
                continue


def _network(blocks: Blocks) -> frozenset[Any]:
    return frozenset((role, canonical(spec)) for role, spec in blocks.items())
