"""From options to a search that can begin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ordersearch.cli.interrupts import put_off
from ordersearch.cli.options import OptionError, SearchOptions, resume_command
from ordersearch.cli.printing import console_of
from ordersearch.data import load_dataset
from ordersearch.report.painter import waiting
from ordersearch.space import SearchSpace

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

    from ordersearch.data import Dataset
    from ordersearch.networks import Network
    from ordersearch.objective import Trainer
    from ordersearch.space.search_space import Blocks
    from ordersearch.study import Search

MEASURING = "Measuring how fast it trains"


@dataclass(frozen=True)
class Prepared:
    """A search that can begin: its study is open, and the data fit."""

    search: Search
    study: Study
    storage: BaseStorage
    location: str
    folder: Path
    trainer: Trainer
    baseline: Blocks | None
    why_packed: str


def prepared(options: SearchOptions) -> Prepared:
    """The search that the options ask for, with its study made or gone on with."""
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
    return Prepared(search, study, storage, location, folder, trainer, baseline, why)


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


def _default_space(network: str, dataset: Dataset) -> str:
    """The space of the blocks that a network is made of; without one, ``conv``, or ``dense`` for tables."""
    suited = ("conv", "dense", "residual") if dataset.dims else ("dense", "residual")
    if not network:
        return suited[0]
    with put_off():
        from ordersearch.networks import find_network

        roles = find_network(network).roles
    return next((name for name in suited if not roles or name in roles), suited[0])
