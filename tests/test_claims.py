"""docs/claims.md: every algebraic verdict is what ``explain`` says, and every empirical command has its space."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ordersearch.identities import cost, equivalent
from ordersearch.report.orders import explanation, explanation_lines
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "claims.md").read_text()
EXPLAINED = [shlex.split(text) for text in re.findall(r"`explain (.+?)`", TEXT)]
COMPARED = [tuple(words) for words in EXPLAINED if len(words) == 2]
SAME = {
    ("conv > relu > max_pool", "conv > max_pool > relu"),
    ("conv > relu > dropout", "conv > dropout > relu"),
    ("conv > spatial_dropout > max_pool", "conv > max_pool > spatial_dropout"),
    ("conv(bias=true) > batch_norm > relu", "conv(bias=false) > batch_norm > relu"),
}


@pytest.mark.parametrize("pair", sorted(set(COMPARED)), ids=" | ".join)
def test_pairs_are_one_network_where_the_page_says_so(pair: tuple[str, str]) -> None:
    assert equivalent(*map(BlockSpec.parse, pair)) == (pair in SAME)


def test_every_order_of_the_page_is_explained() -> None:
    assert len(EXPLAINED) >= 15
    assert set(COMPARED) >= SAME
    for words in EXPLAINED:
        assert list(explanation_lines(explanation(BlockSpec.parse(words[0]))))


def test_the_figures_of_the_page_are_those_of_explain() -> None:
    shifted = "\n".join(explanation_lines(explanation(BlockSpec.parse("conv > relu > dropout(p=0.3) > max_pool"))))
    assert "mean 1.13 times" in shifted
    assert cost(BlockSpec.parse("conv > batch_norm > relu")) == 12
    assert cost(BlockSpec.parse("conv > relu > batch_norm")) == 13


def test_every_space_of_a_claim_loads_and_is_in_the_page() -> None:
    files = sorted((ROOT / "examples" / "claims").glob("*.yaml"))
    assert len(files) >= 8
    for path in files:
        assert SearchSpace.load(path).n_settings <= 36
        assert f"`{path.stem}`" in TEXT
