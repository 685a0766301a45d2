"""What ``explain`` and ``classes`` tell, for people and for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from ordersearch.cli import main
from ordersearch.identities import canonical, members
from ordersearch.report.orders import class_counts, class_lines, explanation, explanation_lines
from ordersearch.space import SearchSpace
from ordersearch.spec import BlockSpec

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command line: exit code, output, errors."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ordersearch", *words])
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0), *capsys.readouterr()
        raise AssertionError("a command line ends with an exit code")

    return run


def test_explain_tells_the_class_the_cheapest_and_the_advice(call: Call) -> None:
    code, out, _ = call("explain", "conv > spatial_dropout > batch_norm > relu > max_pool")
    assert code == 0
    assert "2 orders are this network" in out
    assert "Cheapest: conv > spatial_dropout > batch_norm > max_pool > relu, which touches 5% fewer values." in out
    assert "Known as: spatial dropout after conv" in out
    assert "Delta = 0.500" in out
    assert "arXiv:1801.05134" in out
    assert "⇅  may be swapped: relu never decreases" in out


def test_explain_as_json_holds_the_same(call: Call) -> None:
    code, out, _ = call("explain", "nn.Conv2d(3, 8, 3) -> ReLU -> Dropout2D(0.1) -> MaxPooling2D", "--json")
    told = json.loads(out)
    spec = BlockSpec.parse(told["order"])
    assert code == 0
    assert told["canonical"] == str(canonical(spec))
    assert told["members"] == sorted(map(str, members(spec)))
    assert [pair["may_be_swapped"] for pair in told["neighbours"]] == [False, True, True]


def test_an_order_alone_in_its_class_says_so() -> None:
    lines = list(explanation_lines(explanation(BlockSpec.parse("conv"))))
    assert lines[:5] == ["  input", "    │", "  conv", "    │", "  output"]
    assert "Class: this order alone is this network." in lines
    assert "Cheapest: this order is." in lines


def test_many_members_are_cut_and_counted() -> None:
    masks = " > ".join(f"dropout(p=0.{i})" for i in range(1, 7))
    lines = list(explanation_lines(explanation(BlockSpec.parse(f"conv > relu > {masks}"))))
    assert any("200 or more orders are this network" in line for line in lines)
    assert any("and 176 or more others (--json lists 200)" in line for line in lines)


def test_two_orders_are_compared_step_by_step(call: Call) -> None:
    code, out, _ = call("explain", "conv > relu > dropout > max_pool", "conv > dropout > max_pool > relu")
    assert code == 0
    assert out.splitlines()[0].startswith("One network: ")
    assert "  2. conv > dropout > max_pool > relu" in out
    _, out, _ = call("explain", "conv > relu > dropout", "conv > dropout > relu", "--json")
    assert [step["order"] for step in json.loads(out)["steps"]] == ["conv > dropout > relu"]


def test_two_networks_are_told_apart_with_what_stands_in_the_way(call: Call) -> None:
    code, out, err = call("explain", "conv > relu > bn", "conv > bn > relu")
    assert (code, err) == (1, "")
    assert "are two networks: relu comes before batch_norm in the first" in out
    code, out, _ = call("explain", "conv > relu > bn", "conv > bn > relu", "--json")
    assert code == 1
    assert json.loads(out)["is_one_network"] is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["explain", "conv > rleu"], "No op is named 'rleu'. Did you mean 'relu'?"),
        (["explain", "conv > dropout(p=1.2)"], "got 1.2, but a rate lies in [0, 1)."),
        (["explain", ""], "is empty"),
        (["classes", "cnov"], "No search space is named 'cnov'. Did you mean 'conv'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_gets_a_sentence(call: Call, words: list[str], message: str) -> None:
    code, _, err = call(*words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["conv", "dense", "wide"])
def test_classes_count_every_order_once(name: str) -> None:
    space = SearchSpace.load(name)
    counted: dict[str, Any] = class_counts(space)
    for role, found in counted["roles"].items():
        orders = [order for network in found["classes"] for order in network["members"]]
        assert len(orders) == len(set(orders)) == found["n_orders"]
        assert set(orders) == {str(spec.at_rate()) for spec in space.blocks()[role]}
        for network in found["classes"]:
            assert {str(canonical(BlockSpec.parse(order))) for order in network["members"]} == {network["canonical"]}
    assert next(class_lines(counted)).startswith(
        f"{role}: {found['n_orders']} orders are {found['n_networks']} distinct"
    )


def test_classes_as_json(call: Call) -> None:
    code, out, _ = call("classes", "dense", "--json")
    assert code == 0
    assert json.loads(out)["n_networks"] == SearchSpace.load("dense").n_classes
