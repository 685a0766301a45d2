"""Whether a study's sampler would model a space's parameters together, and together with the study's own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.samplers import (
    BruteForceSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from ordersearch.attach.outlook import Outlook, foreseen
from ordersearch.space import SearchSpace

LEARN_NOTHING = (RandomSampler, QMCSampler, GridSampler, BruteForceSampler)
RANDOM_ELSEWHERE = (GPSampler, NSGAIISampler, NSGAIIISampler)
"""They draw evenly what they do not model; the TPE models that, too, each parameter on its own."""

OTHERS = "TPESampler and GPSampler learn, also from choices among names."


def check_sampler(study: optuna.Study, space: SearchSpace, prefix: str = "", *, conditional: bool = False) -> list[str]:
    """What keeps a study's sampler from modelling all parameters together, and what to do; empty if nothing does.

    The sampler itself is asked, in a copy of the study that goes on with trials of the study's own parameters and the
    space's. Nothing is written to the study.

    Args:
        study: With its sampler and, if it has any, its trials.
        space: Whose parameters are to be asked for.
        prefix: Put before their names.
        conditional: Whether the objective asks with ``space.suggest``, which leaves out what changes nothing, and not
            for all parameters, as ``begin_run`` and ``space.distributions`` do.

    Example:
        >>> study, space = optuna.create_study(), SearchSpace.load("dense")
        >>> check_sampler(study, space)
        []
        >>> study.optimize(lambda trial: trial.suggest_float("lr", 0, 1), n_trials=3)
        >>> for problem in check_sampler(study, space):
        ...     print(problem[:78])
        TPESampler models 'dense.order', 'dense.norm_placement', 'dense.dropout' and '
    """
    try:
        with _quiet():
            outlook = foreseen(study, space, prefix, conditional=conditional)
    except Exception as cause:  # noqa: BLE001 - a sampler of someone else's may fail in any way
        name = type(study.sampler).__name__
        return [f"{name} could not be asked what it models ({type(cause).__name__}: {str(cause)[:200]})."]
    return list(_problems(outlook))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the screen what the copies say: the study's own says it, too, when it runs."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _problems(outlook: Outlook) -> Iterator[str]:
    name, missing = outlook.name, [n for n in outlook.ours if n not in outlook.relative]
    if outlook.failure:
        yield f"{name} fails on such trials ({outlook.failure}). {_against_failure(outlook)}"
    elif outlook.kind in LEARN_NOTHING:
        yield f"{name} learns nothing from trials. {OTHERS}"
    elif outlook.kind is CmaEsSampler:
        yield f"{name} takes numbers only, and draws {_listed(missing)} at random. {OTHERS}"
    elif outlook.kind is TPESampler and not outlook.relative and outlook.shared:
        default = " (with several objectives that is its default)" if outlook.n_objectives > 1 else ""
        together = "TPESampler(multivariate=True) models together what every trial has."
        yield f"{name} models every parameter on its own{default}. {together} {_why(outlook, outlook.ours)}".rstrip()
    else:
        if missing:
            yield _about_missing(outlook, missing)
        if any(n in outlook.relative and n not in outlook.shared for n in outlook.ours):
            groups = " | ".join(", ".join(group) for group in outlook.groups)
            yield f"{name} models groups that know nothing of each other: {groups}. {_why(outlook, outlook.ours)}"


def _against_failure(outlook: Outlook) -> str:
    if outlook.kind is GridSampler:
        return "Give it the choices of space.distributions(), too."
    return _why(outlook, outlook.ours) or OTHERS


def _about_missing(outlook: Outlook, missing: Sequence[str]) -> str:
    each = "each " * (len(missing) > 1)
    if outlook.kind is TPESampler:
        told = f"{outlook.name} models {_listed(missing)} {each}on its own."
    elif outlook.kind in RANDOM_ELSEWHERE:
        told = f"{outlook.name} draws {_listed(missing)} at random, whatever the trials show."
    else:
        told = f"{outlook.name} leaves {_listed(missing)} out of what it models together."
    told = f"{told} {_why(outlook, missing)}".rstrip()
    if outlook.kind is TPESampler and outlook.relative and outlook.n_lacking(missing):
        told += (
            " Without that, TPESampler(multivariate=True, group=True) models the space's parameters together, but "
            f"apart from {_listed(sorted(outlook.relative))}."
        )
    return told


def _why(outlook: Outlook, names: Sequence[str]) -> str:
    """Why these parameters are not modelled with the others, and what to do; empty where the trials do not say."""
    n_lacking = outlook.n_lacking(names)
    if n_lacking:
        nuisance = [repr(name) for name in names if name in outlook.nuisance]
        given = f" ({', '.join(nuisance)} by its nuisance=)" if nuisance else ""
        them = "some of them" if len(names) > 1 else "it"
        return (
            f"{n_lacking} of the {len(outlook.trials)} finished trials lack{'s' * (n_lacking == 1)} {them}: "
            f"backfill() copies trials to a new study with all parameters filled in{given}."
        )
    if outlook.is_conditional and any(name not in outlook.shared for name in names):
        return (
            "space.suggest leaves out what changes nothing; begin_run and space.distributions() ask a trial for all "
            "parameters."
        )
    return ""


def _listed(names: Sequence[str]) -> str:
    told = [repr(name) for name in names]
    return f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else told[0]
