"""What ``python -m ordersearch list KIND`` shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ordersearch.advice import CATALOGUE
from ordersearch.data.sources import source_kinds
from ordersearch.errors import UnknownNameError
from ordersearch.networks import find_network, network_names
from ordersearch.ops import OpSpec, op_names
from ordersearch.report.listing import KINDS, WIDTH, listed, listing_lines
from ordersearch.space import SearchSpace, shipped_spaces
from ordersearch.spec import BlockSpec


def row(kind: str, name: str) -> dict[str, Any]:
    return next(found for found in listed(kind) if found["name"] == name)


def text(kind: str, *rows: dict[str, Any]) -> str:
    return "\n".join(listing_lines(kind, rows or listed(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_json_and_lines_are_readable(kind: str) -> None:
    rows = listed(kind)
    assert json.loads(json.dumps(rows)) == rows
    lines = list(listing_lines(kind, rows))
    assert max(map(len, lines)) <= WIDTH
    for found in rows:
        assert any(line == found["name"] or line.startswith(f"{found['name']}: ") for line in lines)
    assert "python -m ordersearch" in lines[-1] or "(p=0.1)" in lines[-1]


def test_names_are_all_that_there_are() -> None:
    def names(kind: str) -> list[str]:
        return [found["name"] for found in listed(kind)]

    assert names("references") == list(CATALOGUE)
    assert names("networks") == list(network_names())
    assert names("spaces") == list(shipped_spaces())
    assert names("datasets") == [name for name, _ in source_kinds()]
    assert names("ops") == list(op_names())


def test_a_reference_shows_its_order_its_claim_and_who_makes_it() -> None:
    found = row("references", "IC layer")
    assert BlockSpec.parse(found["order"]) == CATALOGUE["IC layer"].spec
    shown = text("references", found)
    assert shown.startswith("IC layer\n  relu > batch_norm > dropout(p=0.05) > conv\n  More stable, faster")
    assert "  Source: Chen et al. 2019, arXiv:1905.05928" in shown


def test_a_space_shows_its_counts_and_its_network() -> None:
    space = SearchSpace.load("norms")
    found = row("spaces", "norms")
    assert (found["n_orders"], found["n_networks"], found["n_settings"]) == (10, 10, space.n_settings)
    shown = text("spaces", found)
    assert "10 orders (rates counted) are 10 distinct networks; with 3 learning rates and 3 batch sizes 90" in shown
    assert "roles: conv; network: the one that suits the data" in shown
    assert "roles: conv, stage_end, dense; network: cnn (depth 2)" in text("spaces", row("spaces", "where"))
    assert "network: resnet\n" in text("spaces", row("spaces", "residual"))


def test_a_network_shows_its_blocks_its_data_and_its_options() -> None:
    found, network = row("networks", "mlp"), find_network("mlp")
    assert found["summary"] == network.summary
    assert found["roles"] == ["dense"]
    assert "tables" in found["inputs"]
    shown = text("networks", found)
    assert "blocks: dense; for tables, signals, images, volumes" in shown
    assert all(f"--{name} {value}" in shown for name, value in network.options.items() if name != "stem")


def test_an_op_shows_its_parameters_with_their_defaults() -> None:
    found = row("ops", "conv")
    assert {param["name"]: param["default"] for param in found["params"]} == dict(OpSpec("conv").params)
    assert found["dims"] == [1, 2, 3]
    assert row("ops", "linear")["dims"] == [0]
    assert row("ops", "add")["dims"] == [0, 1, 2, 3]
    shown = text("ops", row("ops", "max_pool"))
    assert "max_pool: a pool" in shown
    assert "parameters: kernel=2, stride=none, padding=0" in shown
    assert "on: 1-D, 2-D and 3-D maps" in shown
    assert "traits: keeps_constants, takes_max" in shown
    assert "also called: maxpooling, mp, pool" in shown
    assert "relu: an activation" in text("ops", row("ops", "relu"))


def test_datasets_are_one_line_each_where_they_fit() -> None:
    assert "mnist: 70000 handwritten digits" in text("datasets")


@pytest.mark.parametrize("kind", ["ops", "networks", "datasets"])
def test_a_broken_plugin_does_not_hide_the_others(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[ordersearch.{kind}]\nbroken = module_that_is_not_here:thing\n")
    monkeypatch.syspath_prepend(tmp_path)
    rows = listed(kind)
    assert len(rows) > 2
    (broken,) = [found for found in rows if found["name"] == "broken"]
    told = "from the plugin broken 1.0"
    assert told in broken["summary"]
    assert broken["package"] == "broken 1.0"
    assert json.loads(json.dumps(rows)) == rows
    assert told in " ".join(text(kind, *rows).split())


def test_unknown_kind_gives_the_nearest() -> None:
    message = r"^No list is named 'netwroks'\. Did you mean 'networks'\? Known: datasets, formats, networks, ops, refer"
    with pytest.raises(UnknownNameError, match=message):
        listed("netwroks")
    with pytest.raises(UnknownNameError, match=message):
        next(listing_lines("netwroks", []))


@pytest.mark.parametrize("kind", ["references", "spaces", "ops", "datasets", "formats"])
def test_torch_is_not_imported_for_a_list(kind: str) -> None:
    code = (
        f"import sys; from ordersearch.report.listing import listed; listed({kind!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
