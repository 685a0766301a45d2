from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ordersearch.documents import write_yaml
from ordersearch.errors import BlocksFileError
from ordersearch.export import BlocksFile, RankedBlocks, read_blocks, write_blocks
from ordersearch.spec import BlockSpec
from tests.strategies import block_specs

parse = BlockSpec.parse
FIRST = RankedBlocks(
    blocks={
        "conv": parse("conv(kernel=5) > batch_norm > relu > max_pool > dropout(p=0.1)"),
        "dense": parse("linear > relu"),
    },
    value=0.25,
    n_runs=2,
    trials=(0, 7),
    learning_rate=0.003,
    metrics={"val/accuracy": 0.96875, "val/loss": 0.25},
    name="convention",
)
SECOND = RankedBlocks(
    blocks={"conv": parse("conv > max_pool > relu > leaky_relu(negative_slope=0.2)"), "dense": parse("linear")},
    value=0.5,
    n_runs=1,
    trials=(3,),
    learning_rate=0.01,
)
FILE = BlocksFile(
    ranking=(FIRST, SECOND),
    dims=2,
    verdict="Größer ist besser: 0.25 against 0.5 (val/loss).",
    study={"name": "digits-conv", "space": "conv", "seed": 0, "metric": "val/loss", "fingerprint": "1e5"},
    data={"name": "digits", "fingerprint": "0123456789abcdef", "shape": [8, 8, 1]},
    counts={"orders": 216, "classes": 58, "complete": 3},
    versions={"ordersearch": "0.1.0", "torch": "2.13.0"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder's blocks file, written."""
    write_blocks(tmp_path / "blocks.yaml", FILE)
    return tmp_path / "blocks.yaml"


def test_file_is_the_golden_one(path: Path, golden: Callable[[str, str], None]) -> None:
    golden("blocks.yaml", path.read_text(encoding="utf-8"))


def test_golden_file_of_this_schema_stays_readable() -> None:
    assert read_blocks(Path(__file__).parent / "golden" / "blocks.yaml") == FILE


def test_what_is_written_is_read_back(path: Path) -> None:
    assert read_blocks(path) == FILE


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["conv", "dense", "head"]), block_specs(), min_size=1), min_size=1, max_size=3
    ),
    st.floats(allow_nan=False),
    st.sampled_from([1, 2, 3]),
)
def test_every_spec_and_figure_survives(
    tmp_path: Path, ranking: list[dict[str, BlockSpec]], value: float, dims: int
) -> None:
    places = tuple(replace(SECOND, blocks=blocks, value=value, learning_rate=abs(value)) for blocks in ranking)
    write_blocks(tmp_path / "any.yaml", BlocksFile(ranking=places, dims=dims))
    assert read_blocks(tmp_path / "any.yaml") == BlocksFile(ranking=places, dims=dims)


def test_value_that_is_no_number_survives(tmp_path: Path) -> None:
    write_blocks(tmp_path / "any.yaml", replace(FILE, ranking=(replace(FIRST, value=math.nan),)))
    value = read_blocks(tmp_path / "any.yaml").ranking[0].value
    assert value is not None
    assert math.isnan(value)


def test_blocks_by_rank() -> None:
    assert FILE.blocks() == FILE.blocks(rank=1) == FIRST.blocks
    assert FILE.blocks(2) == SECOND.blocks
    for rank in (0, 3, -1):
        with pytest.raises(
            BlocksFileError, match=rf"^The ranking has the ranks 1 to 2, but rank {rank} was asked for\.$"
        ):
            FILE.blocks(rank)


def test_structured_form_may_be_left_out(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in content["ranking"]:
        for block in entry["blocks"].values():
            del block["ops"]
    write_yaml(path, content)
    assert read_blocks(path) == FILE


def test_notation_may_be_written_by_hand(path: Path) -> None:
    short = (
        "schema: 1\nranking:\n- {value: 1, n_runs: 1, learning_rate: 1e-3, blocks: {conv: {notation: conv -> BN}}}\n"
    )
    path.write_text(short)
    file = read_blocks(path)
    assert (file.dims, file.verdict, file.ranking[0].learning_rate) == (2, "", 0.001)
    assert file.blocks() == {"conv": parse("conv > batch_norm")}


def test_figures_of_blocks_that_nobody_trained_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text("{schema: 1, ranking: [{blocks: {conv: {notation: conv}}}]}")
    place = read_blocks(tmp_path / "few.yaml").ranking[0]
    assert place == RankedBlocks({"conv": parse("conv")})
    assert (place.value, place.n_runs, place.trials, place.learning_rate) == (None, 0, (), None)
    write_blocks(tmp_path / "again.yaml", BlocksFile((place,), 2))
    assert read_blocks(tmp_path / "again.yaml").ranking == (place,)


def changed(*keys: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        inner: Any = content
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = to

    return change


BLOCK = ("ranking", 0, "blocks", "conv")
BROKEN = [
    (changed("schema", to=2), "schema: got 2, but this version of ordersearch reads up to 1. Upgrade ordersearch."),
    (changed("schema", to=None), "schema: got None, but a blocks file states its schema version, 1 to 1."),
    (changed("schema", to=True), "schema: got True, but a blocks file states"),
    (changed("schema", to="1"), "schema: got '1', but a blocks file states"),
    (changed("rankin", to=[]), "no key is named 'rankin'. Did you mean 'ranking'? Known: counts, data, dims, "),
    (changed("ranking", to=[]), "ranking: got [], but a list of at least one entry stands here."),
    (changed("ranking", to={"rank": 1}), "ranking: got {'rank': 1}, but a list of at least one entry stands here."),
    (changed("ranking", 1, to=3), "ranking[1]: got 3, but a mapping with text keys stands here."),
    (
        changed("ranking", 1, "vlaue", to=3),
        "ranking[1]: no key is named 'vlaue'. Did you mean 'value'? Known: batch_size, ",
    ),
    (changed("ranking", 1, "value", to="low"), "ranking[1].value: got 'low', but a number stands here."),
    (changed("ranking", 1, "value", to=10**400), "ranking[1].value: got 1000"),
    (
        changed("ranking", 1, "n_runs", to=math.nan),
        "ranking[1].n_runs: got nan, but an integer of at least 0 stands here.",
    ),
    (changed("ranking", 1, "n_runs", to=-1), "ranking[1].n_runs: got -1, but an integer of at least 0 stands here."),
    (
        changed("ranking", 1, "rank", to="best"),
        "ranking[1].rank: got 'best', but an integer of at least 0 stands here.",
    ),
    (changed("ranking", 1, "name", to=3), "ranking[1].name: got 3, but text stands here."),
    (changed("verdict", to=["it"]), "verdict: got ['it'], but text stands here."),
    (changed("ranking", 1, "learning_rate", to=None), "ranking[1].learning_rate: got None, but a number stands here."),
    (
        changed("ranking", 0, "metrics", "val/loss", to=True),
        "ranking[0].metrics.val/loss: got True, but a number stands",
    ),
    (
        changed("ranking", 0, "trials", to=[True]),
        "ranking[0].trials: got [True], but a list of trial numbers stands here.",
    ),
    (changed("ranking", 0, "trials", to=7), "ranking[0].trials: got 7, but a list of trial numbers stands here."),
    (changed("ranking", 0, "blocks", to={}), "ranking[0].blocks: got {}, but at least one role has a block."),
    (changed("dims", to=4), "dims: got 4, but maps have 1, 2 or 3 dimensions."),
    (changed("dims", to=2.0), "dims: got 2.0, but maps have 1, 2 or 3 dimensions."),
    (changed("dims", to=True), "dims: got True, but maps have 1, 2 or 3 dimensions."),
    (changed("study", to=[1]), "study: got [1], but a mapping with text keys stands here."),
    (changed(*BLOCK, to="conv"), "ranking[0].blocks.conv: got 'conv', but a mapping with text keys stands here."),
    (
        changed(*BLOCK, "notation", to="conv > rleu"),
        "ranking[0].blocks.conv: No op is named 'rleu'. Did you mean 'relu'?",
    ),
    (changed(*BLOCK, "notation", to=3), "ranking[0].blocks.conv: A block is written as text such as"),
    (changed(*BLOCK, "order", to="conv"), "ranking[0].blocks.conv: no key is named 'order'. Known: notation, ops."),
    (
        changed(*BLOCK, "notation", to="conv > relu"),
        "ranking[0].blocks.conv: the notation 'conv > relu' and the list of ops differ. Keep the one that is meant.",
    ),
    (
        changed(*BLOCK, "ops", 4, "p", to=0.2),
        "ranking[0].blocks.conv: the notation 'conv(kernel=5) > batch_norm > relu > max_pool > dropout(p=0.1)' and ",
    ),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=[message[:50] for _, message in BROKEN])
def test_errors_name_the_place_and_what_holds(
    path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(BlocksFileError, match="^" + re.escape(f"{path}: {message}")):
        read_blocks(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema: !!python/object/apply:os.system ['true']", "the tag '.*os.system' is not read here"),
        ("schema: 1\nranking: &a [*a]", "an alias"),
        ("schema: 1\nschema: 1", "the key 'schema' stands here twice"),
        ("", "got None, but a mapping with text keys stands here"),
        ("1: 2", "got {1: 2}, but a mapping with text keys stands here"),
        ("schema: [", "did not find expected node content"),
    ],
)
def test_text_that_is_no_blocks_file(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(BlocksFileError, match=rf"^{re.escape(str(path))}: .*{message}"):
        read_blocks(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        BlocksFileError, match=r"blocks\.yaml: cannot be read \(No such file or directory\)\. Check the path"
    ):
        read_blocks(tmp_path / "blocks.yaml")


def test_nothing_is_written_when_writing_fails(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(yaml.representer.RepresenterError, match="cannot represent an object"):
        write_blocks(path, replace(FILE, data={"x": object()}))
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["blocks.yaml"]
