"""The command ``search``."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ordersearch.cli.confirming import Confirming, confirm, unfinished_confirmation
from ordersearch.cli.dashboard_command import ARTIFACTS
from ordersearch.cli.interrupts import put_off, reminder
from ordersearch.cli.printing import (
    console_of,
    observer_on,
    print_found,
    print_notes,
    print_plan,
    print_problem,
    print_start,
    print_workers,
)
from ordersearch.data import load_dataset
from ordersearch.errors import OrdersearchError, without_password
from ordersearch.ranking.stopping import FEWEST_PAIRS
from ordersearch.report.painter import waiting
from ordersearch.space import SearchSpace

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from rich.console import Console

    from ordersearch.data import Dataset
    from ordersearch.networks import Network
    from ordersearch.objective import Trainer
    from ordersearch.space.search_space import Blocks
    from ordersearch.study import Observer, Search
    from ordersearch.study.team import Team


MEASURING = "Measuring how fast it trains"

SEARCH_SHARE = 2 / 3
"""Of ``--timeout``; the rest is the confirmation's."""


class OptionError(OrdersearchError, ValueError):
    """An option of the command line that does not hold."""


@dataclass(frozen=True)
class SearchOptions:
    """The options of ``search`` as given."""

    dataset: str
    space: str = ""
    network: str = ""
    width: int | None = None
    depth: int | None = None
    trials: int | None = None
    timeout: str = ""
    max_epochs: int | None = None
    metric: str = "val/loss"
    seed: int = 0
    max_seeds: int = 3
    storage: str = ""
    name: str = ""
    out: Path = Path("runs")
    device: str = "auto"
    input: str = "auto"
    target: str = ""
    task: str = "auto"
    augment: str = ""
    pack: str = "auto"
    workers: str = "auto"
    confirm: str = "auto"
    baseline: str = ""
    anytime: bool = False
    quiet: bool = False


def parse_duration(text: str) -> float | None:
    """Seconds of ``90``, ``90s``, ``10m``, ``1h30m``; None of an empty text.

    Example:
        >>> parse_duration("1h30m")
        5400.0
    """
    if not text:
        return None
    match = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    seconds = sum(float(n or 0) * unit for n, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
    if seconds <= 0:
        raise OptionError(f"--timeout: got {text!r}, but a time is written as 90, 90s, 10m or 1h30m, and is above 0.")
    return seconds


def run_search(options: SearchOptions) -> int:
    """Search, print and write what came out; the exit code. Ctrl-C is answered with how to go on, whenever it comes."""
    try:
        return _run(options)
    except KeyboardInterrupt:
        print(f"Interrupted. To go on: {resume_command(options)}", file=sys.stderr)
        return 130


def _default_space(network: str, dataset: Dataset) -> str:
    """The space of the blocks that a network is made of; without one, ``conv``, or ``dense`` for tables."""
    suited = ("conv", "dense", "residual") if dataset.dims else ("dense", "residual")
    if not network:
        return suited[0]
    with put_off():
        from ordersearch.networks import find_network

        roles = find_network(network).roles
    return next((name for name in suited if not roles or name in roles), suited[0])


@dataclass(frozen=True)
class _Prepared:
    """A search that can begin: its study is open, and the data fit."""

    search: Search
    study: Study
    storage: BaseStorage
    location: str
    folder: Path
    trainer: Trainer
    baseline: Blocks | None
    why_packed: str


def _prepared(options: SearchOptions) -> _Prepared:
    dataset = load_dataset(options.dataset, input=options.input, target=options.target, task=options.task)
    space = SearchSpace.load(options.space or _default_space(options.network, dataset))
    # torch comes in here, after all that can be said without it.
    with waiting(console_of(quiet=options.quiet), "Loading PyTorch"), put_off():
        import ordersearch.study.outputs
        import ordersearch.study.plan  # noqa: F401
    from ordersearch.objective import Trainer
    from ordersearch.study.baseline import parse_baseline
    from ordersearch.study.opening import kept_identity
    from ordersearch.study.outputs import library_versions
    from ordersearch.study.record import keep_command
    from ordersearch.study.storage import open_storage, run_folder, storage_errors
    from ordersearch.study.trainable import require_an_order_that_fits
    from ordersearch.training.allocation import keep_freed_memory
    from ordersearch.workers import Workers

    keep_freed_memory()
    search = _search(options, dataset, space)
    baseline = parse_baseline(options.baseline, search) if options.baseline else None
    require_an_order_that_fits(Trainer(dataset, search.network, search.training), space)
    location = options.storage or str(options.out / search.name / "study.journal")
    if options.workers != "auto":
        # What cannot be is said before anything is left behind.
        Workers(search, location, workers=int(options.workers))
    # A storage elsewhere is opened first, so that nothing is left behind when it cannot be.
    storage = open_storage(location) if options.storage else None
    folder = run_folder(options.out, search.name)
    storage = storage or open_storage(location)
    kept = kept_identity(storage, search.name)
    epochs = options.max_epochs or kept.get("max_epochs") or search.training.max_epochs
    search = replace(search, training=replace(search.training, max_epochs=epochs))
    trainer = Trainer(dataset, search.network, search.training)
    search, why = _packed(options, search, trainer, kept)
    study = search.open_study(storage)
    with storage_errors():
        keep_command(study, resume_command(options), library_versions())
    return _Prepared(search, study, storage, location, folder, trainer, baseline, why)


def _packed(options: SearchOptions, search: Search, trainer: Trainer, kept: Mapping[str, Any]) -> tuple[Search, str]:
    """The search with its packs, and why they are as they are; measured where neither option nor study says."""
    from ordersearch.study.packs import Packs, measured_packs

    if options.pack not in ("auto", "off"):
        return replace(search, packs=Packs(int(options.pack), int(options.pack))), "as asked"
    if options.pack == "off":
        return search, "as asked"
    if kept:
        return replace(search, packs=Packs.from_dict(kept)), "as when the study was made"
    with waiting(console_of(quiet=options.quiet), MEASURING):
        packs, why = measured_packs(trainer, search.space, split=search.seed, max_seeds=search.max_seeds)
    return replace(search, packs=packs), why


def _run(options: SearchOptions) -> int:
    timeout = parse_duration(options.timeout)
    _check_options(options)
    ready = _prepared(options)
    search, study, trainer = ready.search, ready.study, ready.trainer
    console = console_of(quiet=options.quiet)
    print_start(console, search)
    with waiting(console, MEASURING):
        n_trials, n_expected = _planned_trials(study, search, trainer, options.trials, timeout)
    print_plan(
        console,
        search,
        n_trials,
        timeout,
        ready.location,
        ready.folder,
        is_confirmed=options.confirm != "off",
        why_packed=ready.why_packed,
    )
    from ordersearch.report.dashboard import DashboardObserver
    from ordersearch.workers import Workers

    dashboard = DashboardObserver(ready.storage, ready.folder / ARTIFACTS)
    asked = None if options.workers == "auto" else int(options.workers)
    with Workers(search, ready.location, workers=asked, n_trials=n_expected) as team:
        print_workers(console, team.sharing)
        try:
            return _search_and_confirm(options, ready, console, (n_trials, n_expected), timeout, team, dashboard)
        finally:
            print_notes(console, team.notes)
            print_problem(console, dashboard.problem)


def _search_and_confirm(
    options: SearchOptions,
    ready: _Prepared,
    console: Console,
    planned: tuple[int | None, int],
    timeout: float | None,
    team: Team,
    dashboard: Observer,
) -> int:
    from ordersearch.study.result import has_trained

    search, study, storage, trainer = ready.search, ready.study, ready.storage, ready.trainer
    n_trials, n_expected = planned
    is_confirmed = options.confirm != "off"
    observers = [reminder(), dashboard, *([] if options.quiet else [observer_on(console)])]
    unfinished = unfinished_confirmation(search, storage, options, ready.baseline) if is_confirmed else None
    if unfinished and timeout is None and not has_trained(study, n_trials):
        unfinished = None
    share = SEARCH_SHARE if is_confirmed else 1.0
    result = search.run(
        study,
        # Searching on would change the ranking, and with it the finalists, before their verdict stands.
        n_trials=0 if unfinished else n_trials,
        n_expected=n_expected,
        timeout=None if timeout is None else timeout * share,
        trainer=trainer,
        observers=observers[:1] if unfinished else observers,
        team=team,
    )
    if unfinished and timeout is not None:
        result = replace(result, ended="unfinished")
    if not print_found(search, result, ready.folder, console, told=not is_confirmed, storage=storage):
        return 1
    if is_confirmed:
        left = None if timeout is None else timeout * (1 if unfinished else 1 - share)
        given = Confirming(
            search, result, trainer, storage, ready.folder, options, ready.baseline, left, unfinished, team
        )
        confirm(given, console, observers)
    return 0


def _check_options(options: SearchOptions) -> None:
    if options.device not in ("auto", "cpu", "cuda"):
        raise OptionError(f"--device: got {options.device!r}, but it is auto, cpu or cuda.")
    if options.confirm not in ("auto", "off") and not options.confirm.isdecimal():
        raise OptionError(f"--confirm: got {options.confirm!r}, but it is auto, off or a number of pairs.")
    if options.confirm.isdecimal() and int(options.confirm) < FEWEST_PAIRS:
        raise OptionError(
            f"--confirm: got {options.confirm}, but fewer than {FEWEST_PAIRS} pairs cannot show a difference. Take "
            f"{FEWEST_PAIRS} or more, or off."
        )
    if options.pack not in ("auto", "off") and not (options.pack.isdecimal() and int(options.pack) >= 1):
        raise OptionError(f"--pack: got {options.pack!r}, but it is auto, off or a number of seeds, 1 or more.")
    if options.workers != "auto" and not (options.workers.isdecimal() and int(options.workers) >= 1):
        raise OptionError(f"--workers: got {options.workers!r}, but it is auto or a number of processes, 1 or more.")
    if options.name and not re.fullmatch(r"[^\W_][\w.+ -]{0,119}", options.name):
        raise OptionError(f"--name: got {options.name!r:.150}, but a name is at most 120 letters, digits, and '._-+ '.")


def _search(options: SearchOptions, dataset: Dataset, space: SearchSpace) -> Search:
    from ordersearch.study import Search
    from ordersearch.study.plan import planned_epochs
    from ordersearch.training.settings import TrainingSettings

    device = _device(options.device)
    training = TrainingSettings(
        max_epochs=options.max_epochs or planned_epochs(dataset.n_train(), dataset.input_shape[1:]),
        metric=options.metric,
        augment=options.augment,
        device=device,
        precision=_precision(device),
    )
    name = options.name or re.sub(r"[^\w.+-]+", "-", f"{dataset.name}-{space.name}").lstrip(".-_") or "search"
    return Search(
        name,
        space,
        dataset,
        _network(options, space, dataset),
        training,
        seed=options.seed,
        max_seeds=options.max_seeds,
    )


def _network(options: SearchOptions, space: SearchSpace, dataset: Dataset) -> Network:
    """The network asked for, else the space's own, else the one that suits the data."""
    from ordersearch.networks import default_network, find_network

    name = str(space.network.get("name", ""))
    network = find_network(options.network or name or default_network(dataset.dims))
    if network.name == name:
        own = {key: value for key, value in space.network.items() if not isinstance(value, str)}
        network = network.with_options(**own)
    return network.with_options(width=options.width, depth=options.depth)


def _device(asked: str) -> str:
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise OptionError(
            "--device: got 'cuda', but PyTorch finds no GPU here. Leave it out, or install a GPU build of torch."
        )
    return "cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu"


def _precision(device: str) -> str:
    """bf16 where the GPU computes in it; one that only imitates it (before Ampere) is slower than in float32."""
    import torch

    is_fast = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if is_fast else "32"


def _planned_trials(
    study: Study, search: Search, trainer: Trainer, asked: int | None, timeout: float | None
) -> tuple[int | None, int]:
    """How many trials to stop at, and how many there will be about; measured where the study does not say."""
    from ordersearch.results import Attribute
    from ordersearch.study.plan import planned_trials

    if asked is not None:
        return asked, asked
    planned = partial(
        planned_trials,
        trainer,
        search.space,
        split=search.seed,
        max_seeds=search.max_seeds,
        pack=search.packs.search,
    )
    if timeout is not None:
        most = search.space.n_settings * search.n_trainings
        return None, planned(budget_seconds=timeout, most=most)
    if Attribute.N_TRIALS not in study.user_attrs:
        study.set_user_attr(Attribute.N_TRIALS, planned())
    kept: int = study.user_attrs[Attribute.N_TRIALS]
    return kept, kept


def resume_command(options: SearchOptions) -> str:
    """The command that goes on with a search: the one that was given."""
    given: list[str] = []
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name == "dataset" or value == field.default:
            continue
        option = f"--{field.name.replace('_', '-')}"
        given += [option] if value is True else [option, without_password(str(value))]
    is_like_an_option = options.dataset.startswith("-")
    words = [*given, "--", options.dataset] if is_like_an_option else [options.dataset, *given]
    return shlex.join(["python", "-m", "ordersearch", *words])
