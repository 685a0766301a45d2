"""Every format is found by its name, and refuses with a reason what it cannot express."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ordersearch import SearchSpace
from ordersearch.errors import ExportError, SpecError, UnknownNameError
from ordersearch.export import export_blocks, format_names
from ordersearch.export.format import find_format, nearest_expressible, reason_against
from ordersearch.identities import equivalent, members
from ordersearch.spec import BlockSpec
from tests.exported_source import require_tidy

parse = BlockSpec.parse
CHEAPEST = "conv > batch_norm > max_pool > relu"
SHORTCUT = "conv > batch_norm > relu > conv > add"


@pytest.mark.parametrize("name", format_names())
def test_a_format_is_found_and_writes_tidy_text_whatever_the_role_is_called(name: str, tmp_path: Path) -> None:
    found = find_format(name)
    assert (found.name, found.suffix) == (name, {"yaml": ".yaml", "json": ".json"}.get(name, ".py"))
    assert found.summary
    blocks = {"conv": parse("conv > batch_norm > relu"), 'a"""\n': parse("conv > batch_norm > relu > max_pool")}
    text = export_blocks(blocks, name, evidence=['Study: """\nimport os', "coding: utf-7"])
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    if found.suffix == ".py":
        assert "import os" in text.replace("\n#  ", "")
        assert "os" not in {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        (tmp_path / "exported.py").write_text(text, encoding="utf-8")
        require_tidy(tmp_path)


def test_another_format_is_not_known() -> None:
    with pytest.raises(UnknownNameError, match=r"^No export format is named 'mmvc'\. Did you mean 'mmcv'\? Known: "):
        export_blocks({"conv": parse(CHEAPEST)}, "mmvc")


def test_a_refusal_names_the_reason_and_what_can_be_written() -> None:
    expected = (
        f"Block '{CHEAPEST}' cannot be written for mmcv: mmcv's ConvModule has no pool, and one stands between its "
        "layers. The same network as 'conv > batch_norm > relu > max_pool' can: export that, or allow it "
        "(--equivalent)."
    )
    with pytest.raises(ExportError, match=f"^{re.escape(expected)}$"):
        export_blocks({"conv": parse(CHEAPEST)}, "mmcv")


def test_an_equivalent_order_is_written_where_that_is_allowed_and_said_to_be() -> None:
    text = export_blocks({"conv": parse(CHEAPEST)}, "mmcv", evidence=["Study: mine"], equivalent=True)
    told = re.sub(r"\n#  ", "", text)
    assert f"# 'conv > batch_norm > relu > max_pool' is the same network as '{CHEAPEST}', which mmcv cannot" in told
    assert text.index("# Study: mine") < text.index("# 'conv >")
    # What can be written as it stands is.
    assert "same network" not in export_blocks({"conv": parse(CHEAPEST)}, "torch", equivalent=True)


def test_where_no_order_of_the_network_can_be_written_others_are_named() -> None:
    with pytest.raises(
        ExportError, match=r"adds one\. Nor can any other order of the same network\. The formats torch"
    ):
        export_blocks({"residual": parse(SHORTCUT)}, "monai", equivalent=True)
    with pytest.raises(
        ExportError, match=r"got dims=4, but maps have .*\. Nor can any other order of the same network\.$"
    ):
        export_blocks({"conv": parse(CHEAPEST)}, "torch", dims=4)


def test_the_nearest_is_one_network_with_the_block_and_takes_the_fewest_swaps() -> None:
    monai = find_format("monai")
    spec = parse("conv > spatial_dropout > max_pool > relu > tanh")
    assert reason_against(spec, monai, 2)
    for given in SearchSpace.load("conv").blocks()["conv"]:
        found = nearest_expressible(given, monai, 2)
        if found is not None:
            assert equivalent(given, found)
            assert reason_against(found, monai, 2) == ""
    several = parse("conv > batch_norm > max_pool > relu > spatial_dropout(p=0.1)")
    assert str(nearest_expressible(several, monai, 2)) == "conv > batch_norm > relu > max_pool > spatial_dropout(p=0.1)"


def test_a_class_of_very_many_orders_is_answered() -> None:
    pools = "".join(f" > max_pool(kernel={n}, stride=1) > spatial_dropout(p=0.{n})" for n in range(2, 7))
    many = parse(f"conv{pools} > relu > batch_norm")
    with pytest.raises(SpecError, match="has more than 10000 orders"):
        members(many)
    with pytest.raises(ExportError, match=r"Nor can any other .* network of the first 1000 that were looked at\."):
        export_blocks({"conv": many}, "mmcv")
