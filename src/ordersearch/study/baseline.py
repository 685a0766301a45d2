"""The order that the others are compared with: which it is, and at which rates it is trained."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Sequence

import optuna
from optuna.storages import BaseStorage

from ordersearch.errors import SpaceError
from ordersearch.networks import build_network
from ordersearch.objective import Setting, Trainer
from ordersearch.results import Attribute, Run, State, class_name, distinct_runs, in_one_line
from ordersearch.space.blocks_line import parse_blocks
from ordersearch.space.search_space import Blocks
from ordersearch.study.confirmation_watch import BaselineWatch
from ordersearch.study.finalists import AS_WRITTEN, SEARCHED, TUNED, Finalist
from ordersearch.study.observer import Observer
from ordersearch.study.opening import end_abandoned
from ordersearch.study.result import SearchResult, reference_names
from ordersearch.study.run_queue import RunQueue, WantedRuns, is_given_up, queued_runs, renew_tries
from ordersearch.study.sampler import MAX_LISTED
from ordersearch.study.search import Search
from ordersearch.study.storage import quiet_optuna, storage_errors
from ordersearch.study.team import ALONE, Team


def default_baseline(search: Search, result: SearchResult) -> Blocks:
    """What the others are compared with unless it is said: the space's first reference, else what was completed first.

    Raises:
        SpaceError: The space has no references, and nothing was completed.
    """
    references = search.space.references()
    if references:
        return references[0].blocks
    complete = [run for run in result.runs if run.state is State.COMPLETE]
    if not complete:
        raise SpaceError(f"Space {search.space.name!r} names no references, so give the order to compare with.")
    return Setting.of_run(min(complete, key=lambda run: run.trial)).blocks


def parse_baseline(text: str, search: Search) -> Blocks:
    """The blocks of ``--baseline``: an order for the space's only role, or ``role: order; role: order``.

    The name of one of the space's references, or of the catalogue's, stands for its order.

    Raises:
        SpaceError: A role is unknown or missing.
        SpecError: An order is none.
        ShapeError: The network cannot be built of it for these data.
    """
    given = parse_blocks(text, search.space, where="--baseline")
    setting = Setting.of(given, search.space.default_nuisance(), search.network)
    build_network(search.network, setting.blocks, search.dataset.input_shape, search.dataset.n_outputs)
    return given


def is_same_baseline(finalist: Finalist, blocks: Blocks, search: Search) -> bool:
    """Whether a baseline is of these blocks; the rates count where the space does not hold them."""
    if finalist.rates in (TUNED, AS_WRITTEN):
        own = Setting.of(blocks, search.space.default_nuisance(), search.network)
        return finalist.setting.canonical == own.canonical
    return finalist.order == class_name(blocks)


def tuned_baseline(
    search: Search,
    result: SearchResult,
    blocks: Blocks,
    trainer: Trainer,
    storage: BaseStorage,
    *,
    timeout: float | None = None,
    observers: Sequence[Observer] = (),
    team: Team = ALONE,
) -> tuple[Finalist, str]:
    """The baseline at the best of its settings: those of its class in the space, else as written at the space's rates.

    A search trains whole only what does best, and would judge the baseline by a probe or two. So each of its settings
    that the search has not trained whole is trained now, on the search's own seed and split, and kept: another
    confirmation finds it there.

    Args:
        search: What was searched.
        result: What came out.
        blocks: The order.
        trainer: Trains the settings.
        storage: Where the search's study is kept.
        timeout: Seconds after which no further run begins.
        observers: Are told of every run.
        team: The processes that train along.

    Returns:
        The baseline, and ``done``, ``time`` or ``interrupted``.
    """
    settings, rates = baseline_settings(search, blocks)
    name = reference_names(result).get(class_name(blocks), "")
    sign = 1 if search.direction == "minimize" else -1
    untried = untried_settings(settings, result, search)
    runs, ended = _trained(search, settings, untried, trainer, storage, timeout, observers, team)
    values = {setting: sign * value for setting, value in _first_values(search, (*result.runs, *runs)).items()}
    tried = [setting for setting in settings if setting.digest in values]
    if tried:
        best = min(tried, key=lambda setting: values[setting.digest])
        return Finalist(best, name, is_baseline=True, rates=rates), ended
    written = Setting.of(blocks, search.space.default_nuisance(), search.network)
    return Finalist(written, name, is_baseline=True, rates=rates if len(settings) == 1 else AS_WRITTEN), ended


def baseline_settings(search: Search, blocks: Blocks) -> tuple[list[Setting], str]:
    """The settings that a baseline may take, and whether they are the space's (``searched``) or its own (``tuned``)."""
    space, network = search.space, search.network
    points = [dict(zip(space.nuisance, values, strict=True)) for values in itertools.product(*space.nuisance.values())]
    own = [Setting.of(blocks, point, network) for point in points]
    if space.n_settings > MAX_LISTED:
        return own, TUNED
    order = class_name(blocks)
    same = [
        Setting.of(found, {name: float(params[name]) for name in space.nuisance}, network)
        for params in space.settings()
        if class_name(found := space.decode(params)) == order
    ]
    return (same, SEARCHED) if own[0].canonical in [setting.canonical for setting in same] else (own, TUNED)


def untried_settings(settings: Sequence[Setting], result: SearchResult, search: Search) -> list[Setting]:
    """Those that the search has not trained whole; none where there is nothing to choose."""
    known = _first_values(search, result.runs)
    return [setting for setting in settings if setting.digest not in known] if len(settings) > 1 else []


def _first_values(search: Search, runs: Sequence[Run]) -> dict[str, float]:
    """The value of each setting, by its digest: the mean over the seeds that the search trains first."""
    first = search.first_pairs()
    found: dict[str, list[float]] = {}
    for run in distinct_runs(runs):
        if (run.seed, run.split) in first and run.value is not None:
            found.setdefault(run.setting, []).append(run.value)
    return {setting: math.fsum(own) / len(own) for setting, own in found.items() if len(own) == len(first)}


def _trained(
    search: Search,
    settings: Sequence[Setting],
    untried: Sequence[Setting],
    trainer: Trainer,
    storage: BaseStorage,
    timeout: float | None,
    observers: Sequence[Observer],
    team: Team,
) -> tuple[list[Run], str]:
    """Runs of each untried setting, on the search's own first seeds and split; and how that ended."""
    if not untried:
        return [], "done"

    def missing(runs: Sequence[Run]) -> list[WantedRuns]:
        over = {run.setting for run in runs if run.state is State.COMPLETE or is_given_up(run, runs)}
        return [WantedRuns(setting, search.first_pairs()) for setting in untried if setting.digest not in over]

    # Named by all of its settings: which of them the search has tried changes as it goes on.
    study = _open_study(search, storage, settings)
    with quiet_optuna(), storage_errors():
        told = observers if missing(queued_runs(study)) else ()
    try:
        watch = BaselineWatch(search, untried, told, study)
        return RunQueue(study, trainer, timeout=timeout, watch=watch, is_final=False, team=team).train(missing)
    finally:
        for observer in told:
            observer.closed()


def _open_study(search: Search, storage: BaseStorage, settings: Sequence[Setting]) -> optuna.Study:
    identity = {**search.identity(), "settings": [setting.digest for setting in settings]}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    with quiet_optuna(), storage_errors():
        study = optuna.create_study(
            study_name=f"{search.name}-baseline-{digest}",
            storage=storage,
            direction=search.direction,
            load_if_exists=True,
        )
        if Attribute.SEARCH not in study.user_attrs:
            study.set_metric_names([search.training.metric])
            study.set_user_attr(Attribute.CONFIRMATION, {"baseline": settings[0].digest})
            orders = {in_one_line({role: str(spec) for role, spec in own.blocks.items()}) for own in settings}
            study.set_user_attr(Attribute.ORDERS, sorted(orders))
            study.set_user_attr(Attribute.SEARCH, identity)
        end_abandoned(study)
        renew_tries(study)
    return study
