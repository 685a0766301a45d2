"""The command ``attach``: a search space in a study that is there already, and the lines that its objective needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from ordersearch.cli.attach_code import AttachedCode
from ordersearch.cli.interrupts import put_off
from ordersearch.cli.runs import existing_storage
from ordersearch.errors import OrdersearchError, StudyMismatchError, unknown_name, without_password
from ordersearch.report.fields import print_field
from ordersearch.report.shown import shown
from ordersearch.results import Attribute, in_one_line
from ordersearch.space import SearchSpace
from ordersearch.space.blocks_line import parse_blocks

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

    from ordersearch.space.search_space import Blocks


class AttachError(OrdersearchError, ValueError):
    """Options that do not go together."""


@dataclass(frozen=True)
class AttachOptions:
    """The options of ``attach`` as given; ``order`` is that of ``--as``."""

    storage: str
    study: str
    space: str
    order: str = ""
    into: str = ""
    prefix: str = ""
    references: bool = False


def run_attach(options: AttachOptions) -> int:
    """Attach a space to a study, or to a copy with an order filled in, and print what that means; the exit code."""
    space = SearchSpace.load(options.space)
    blocks = parse_blocks(options.order, space, where="--as") if options.order else None
    if blocks and not options.into:
        raise AttachError(f"--as: got {options.order!r}, but no study to copy the trials to. Name one with --into NEW.")
    location = existing_storage(options.storage)
    with put_off():
        from ordersearch.attach import attach_space, check_sampler
        from ordersearch.attach.kept_space import require_own
        from ordersearch.study.storage import open_storage, quiet_optuna, storage_errors
    storage = open_storage(location)
    console = Console(highlight=False)
    with quiet_optuna(), storage_errors():
        study = _study(storage, options.study)
        require_own(study)
        print_field(console, "Study", _described(study, location))
        if options.into:
            study, told = _filled(storage, study, space, blocks, options)
            print_field(console, "Copied", told)
        n_queued = attach_space(study, space, options.prefix, references=options.references)
        print_field(console, "Space", _size(space))
        own = _own(study, space, options.prefix)
        print_field(console, "Adds", _added(space, options.prefix, own))
        if options.references:
            print_field(console, "Queued", f"{n_queued} of the space's {len(space.references())} references")
        problems = check_sampler(study, space, options.prefix)
        for problem in problems or ["TPESampler, Optuna's default, models all parameters together."]:
            print_field(console, "Sampler", problem)
        if problems and not options.into:
            print_field(console, "", "backfill() is --as ORDER --into NEW here.")
    code = AttachedCode(
        options.into or options.study,
        location,
        options.space,
        space.block_roles,
        options.prefix,
        own,
        nuisance=[name for name in space.nuisance if name not in own],
        in_groups=bool(problems),
        n_objectives=len(study.directions),
    )
    print_field(console, "Code", "in the program that has the objective:")
    console.print()
    for line in code.lines():
        console.print(f"    {shown(line)}".rstrip(), markup=False, highlight=False, soft_wrap=True)
    return 0


def _study(storage: BaseStorage, name: str) -> Study:
    import optuna

    known = optuna.get_all_study_names(storage)
    if name not in known:
        raise unknown_name("study", name, known, where="In the storage")
    return optuna.load_study(study_name=name, storage=storage)


def _filled(
    storage: BaseStorage, old: Study, space: SearchSpace, blocks: Blocks | None, options: AttachOptions
) -> tuple[Study, str]:
    """The study that ``--into`` names with the old one's trials in it, and how many entered."""
    import optuna

    from ordersearch.attach import backfill

    if options.into == options.study:
        raise AttachError(f"--into: got {options.into!r}, which is the study itself. Give the new one another name.")
    # Tried out first, so that nothing is left behind where the order does not fit.
    backfill(old, optuna.create_study(directions=old.directions), space, blocks, prefix=options.prefix)
    study = _opened(storage, old, options)
    came = backfill(old, study, space, blocks, prefix=options.prefix)
    given = in_one_line({role: str(spec) for role, spec in blocks.items()}) if blocks and came.n_copied else ""
    return study, f"{came}: study {options.into!r}{f', with {given}' * bool(given)}"


def _opened(storage: BaseStorage, old: Study, options: AttachOptions) -> Study:
    """The study that ``--into`` names: like the old one where it is new, else one that was filled from it before."""
    import optuna

    if options.into in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=options.into, storage=storage)
        origins = [trial.user_attrs.get(Attribute.ORIGIN) for trial in study.get_trials(deepcopy=False)]
        if origins and not any(origin and origin[0] == options.study for origin in origins):
            raise StudyMismatchError(
                f"Study {options.into!r} exists, and no trial in it came from {options.study!r}. Give --into the name "
                "of a new study."
            )
        return study
    study = optuna.create_study(study_name=options.into, storage=storage, directions=old.directions)
    if old.metric_names:
        study.set_metric_names(old.metric_names)
    for key, value in old.user_attrs.items():
        if key != Attribute.ATTACHED + options.prefix:
            study.set_user_attr(key, value)
    return study


def _described(study: Study, location: str) -> str:
    """A study in words: where it is, what its trials came to, what it tunes."""
    trials = study.get_trials(deepcopy=False)
    states = Counter(trial.state.name.lower() for trial in trials)
    counted = ", ".join(f"{n} {state}" for state, n in states.items())
    tuned = dict.fromkeys(name for trial in trials for name in trial.params)
    directions = ", ".join(f"{direction.name.lower()}s" for direction in study.directions)
    return (
        f"{study.study_name!r} in {without_password(location)}: {len(trials)} trial{'s' * (len(trials) != 1)}"
        f"{f' ({counted})' * bool(counted)}, {directions}, tunes {', '.join(tuned) or 'nothing yet'}"
    )


def _size(space: SearchSpace) -> str:
    return f"{space.name}: {space.n_specs} orders (rates counted) are {space.n_classes} distinct networks"


def _added(space: SearchSpace, prefix: str, own: Collection[str]) -> str:
    """The parameters that the objective will ask for, with how many choices each has."""
    nuisance = {n: c for n, c in space.nuisance_distributions(prefix).items() if n.removeprefix(prefix) not in own}
    asked = {**space.distributions(prefix), **nuisance}
    told = [f"{name} ({len(of.choices)})" for name, of in asked.items() if len(of.choices) > 1]
    kept = [name for name in space.nuisance if name in own]
    return ", ".join(told) + f"; {', '.join(kept)} stays the study's own" * bool(kept)


def _own(study: Study, space: SearchSpace, prefix: str) -> list[str]:
    """The names of the parameters that are the objective's own."""
    from ordersearch.attach.own_setting import own_params

    params = {name: None for trial in study.get_trials(deepcopy=False) for name in trial.params}
    return list(own_params(params, space, prefix))
