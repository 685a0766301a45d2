"""What a blocks file knows of one of its blocks, in lines for the head of an export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ordersearch.export.blocks_file import BlocksFile, RankedBlocks

SHOWN = ("val/", "test/")
"""Of which parts of the data the metrics are told."""

STUDY = ("space", "network", "seed")
TRAINING = {
    "max_epochs": "epochs",
    "batch_size": "batch size",
    "weight_decay": "weight decay",
    "batch_norm_momentum": "batch-norm momentum in training",
    "augment": "augmentation",
    "precision": "precision",
}


def evidence_of(file: BlocksFile, rank: int = 1) -> list[str]:
    """Verdict, study, data, figures and versions behind the blocks of a rank, a line each; no dates.

    Args:
        file: The blocks file.
        rank: Which of its blocks, from 1.

    Raises:
        BlocksFileError: The ranking is shorter.

    Example:
        >>> from ordersearch.spec import BlockSpec
        >>> place = RankedBlocks({"dense": BlockSpec.parse("linear")}, 0.25, 3, learning_rate=0.01)
        >>> print(*evidence_of(BlocksFile((place,), 2, "It is the best.", {"name": "mine"})), sep="; ")
        Verdict: It is the best.; Study: mine; Result: value 0.25, mean of 3 runs; Trained: learning rate 0.01
    """
    file.blocks(rank)
    return [f"{name}: {text}" for name, text in _facts(file, rank) if text]


def _facts(file: BlocksFile, rank: int) -> Iterator[tuple[str, str]]:
    place, study, data = file.ranking[rank - 1], file.study, file.data
    yield "Verdict", file.verdict
    yield "Rank", f"{rank} of the {len(file.ranking)} in the blocks file" if rank > 1 else ""
    yield "Known as", place.name
    options = {key: value for key, value in study.items() if key.startswith("network ")}
    told = {**{key: study[key] for key in STUDY if key in study}, **options}
    yield "Study", _with(str(study.get("name", "")), told)
    shape = data.get("shape")
    sizes = "x".join(map(str, shape)) if isinstance(shape, list) else ""
    named = {"input": data.get("input"), "shape": sizes, "outputs": data.get("n_outputs")}
    yield "Data", _with(str(data.get("name", "")), {**named, "fingerprint": data.get("fingerprint")})
    yield "Result", ", ".join(_result(place, str(study.get("metric", "value"))))
    rate = {} if place.learning_rate is None else {"learning rate": f"{place.learning_rate:g}"}
    size = {} if place.batch_size is None else {"batch_size": place.batch_size}
    settings = {TRAINING[key]: value for key, value in {**study, **size}.items() if key in TRAINING}
    yield "Trained", _listed({**rate, **settings})
    yield "Versions", _listed(file.versions)


def _result(place: RankedBlocks, metric: str) -> Iterator[str]:
    if place.value is None:
        return
    yield f"{metric} {place.value:.4g}"
    yield f"mean of {place.n_runs} run{'s' * (place.n_runs != 1)}"
    others = {key: value for key, value in place.metrics.items() if key.startswith(SHOWN) and key != metric}
    yield from (f"{key} {value:.4g}" for key, value in others.items())


def _with(name: str, told: Mapping[str, object]) -> str:
    listed = _listed(told)
    return f"{name} ({listed})" if name and listed else name or listed


def _listed(told: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in told.items() if value not in (None, ""))
