"""The order that the others are compared with: which it is, and at which rates it is trained."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence

import optuna
from optuna.storages import BaseStorage

from ordersearch.advice.catalogue import CATALOGUE
from ordersearch.errors import SpaceError
from ordersearch.networks import build_network
from ordersearch.objective import Setting, Trainer
from ordersearch.ranking import Place
from ordersearch.results import Attribute, Run, State, class_name, distinct_runs
from ordersearch.space.search_space import Blocks
from ordersearch.spec import BlockSpec
from ordersearch.study.finalists import AS_WRITTEN, TUNED, Finalist
from ordersearch.study.opening import end_abandoned
from ordersearch.study.result import SearchResult, reference_names
from ordersearch.study.run_queue import RunQueue, WantedRun, is_given_up
from ordersearch.study.search import Search
from ordersearch.study.storage import quiet_optuna, storage_errors


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
    roles = search.space.block_roles
    named = {reference.name: reference.blocks for reference in search.space.references()}
    if text in named:
        return named[text]
    if text in CATALOGUE:
        text = CATALOGUE[text].order
    if len(roles) == 1 and not text.startswith(f"{roles[0]}:"):
        given = {roles[0]: BlockSpec.parse(text)}
    else:
        parts = dict(part.split(":", 1) for part in text.split(";") if ":" in part)
        given = {role.strip(): BlockSpec.parse(order) for role, order in parts.items()}
    if set(given) != set(roles):
        raise SpaceError(
            f"--baseline: got {text!r}, but the space has the roles {', '.join(roles)}: write 'role: order' for each, "
            "with ';' between."
        )
    setting = Setting.of(given, search.space.default_nuisance(), search.network)
    build_network(search.network, setting.blocks, search.dataset.input_shape, search.dataset.n_outputs)
    return given


def is_same_baseline(finalist: Finalist, blocks: Blocks, search: Search) -> bool:
    """Whether a baseline is of these blocks; the rates count where the search did not choose them."""
    if finalist.rates in (TUNED, AS_WRITTEN):
        return finalist.setting.canonical == _settings(search, blocks)[0].canonical
    return finalist.order == class_name(blocks)


def searched_baseline(search: Search, result: SearchResult, blocks: Blocks) -> Finalist | None:
    """The baseline at its best setting of the search; None where the search has trained none of it."""
    own = class_name(blocks)
    run = _best_run(search, result, own)
    return Finalist(Setting.of_run(run), reference_names(result).get(own, ""), is_baseline=True) if run else None


def _best_run(search: Search, result: SearchResult, own: str) -> Run | None:
    """A run of the baseline's best setting: the ranking's, else of those that were pruned the one that went best."""
    place: Place | None = next((place for place in result.places if place.order == own), None)
    if place is not None:
        return result.runs_of(place)[0]
    sign = 1 if search.direction == "minimize" else -1
    metric = search.training.metric
    pruned: Sequence[Run] = [
        run for run in result.runs if run.state is State.PRUNED and run.order == own and metric in run.metrics
    ]
    return min(pruned, key=lambda run: (-run.n_epochs, sign * run.metrics[metric], run.setting), default=None)


def tuned_baseline(
    search: Search, blocks: Blocks, trainer: Trainer, storage: BaseStorage, *, timeout: float | None = None
) -> tuple[Finalist, str]:
    """A baseline that the search did not train, at the best of the space's learning rates (and batch sizes).

    Each is trained once, on the search's own seed and split, and kept: another confirmation finds it there.

    Args:
        search: What was searched.
        blocks: The order, with its rates as written.
        trainer: Trains the settings.
        storage: Where the search's study is kept.
        timeout: Seconds after which no further run begins.

    Returns:
        The baseline, and ``done``, ``time`` or ``interrupted``.
    """
    settings = _settings(search, blocks)

    def missing(runs: Sequence[Run]) -> list[WantedRun]:
        over = {run.setting for run in runs if run.state is State.COMPLETE or is_given_up(run, runs)}
        return [WantedRun(setting, search.seed, search.seed) for setting in settings if setting.digest not in over]

    study = _open_study(search, storage, settings)
    runs, ended = RunQueue(study, trainer, timeout=timeout, is_final=False).train(missing)
    sign = 1 if search.direction == "minimize" else -1
    values = {run.setting: sign * run.value for run in distinct_runs(runs) if run.value is not None}
    tried = [setting for setting in settings if setting.digest in values]
    if not tried:
        written = Setting.of(blocks, search.space.default_nuisance(), search.network)
        return Finalist(written, is_baseline=True, rates=AS_WRITTEN), ended
    best = min(tried, key=lambda setting: values[setting.digest])
    return Finalist(best, is_baseline=True, rates=TUNED), ended


def _settings(search: Search, blocks: Blocks) -> list[Setting]:
    nuisance = search.space.nuisance
    points = [dict(zip(nuisance, values, strict=True)) for values in itertools.product(*nuisance.values())]
    return [Setting.of(blocks, point, search.network) for point in points]


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
            study.set_user_attr(Attribute.SEARCH, identity)
        end_abandoned(study)
    return study
