"""Exported source, run where there is no ordersearch: what it computes is held against what was trained."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ordersearch.seeds import derived_seed

RUFF = (sys.executable, "-m", "ruff")

CHECK = """
import runpy, sys, torch

def answers(module, x, weight):
    torch.manual_seed(1)
    x = x.clone().requires_grad_()
    y = module.train()(x)
    (y * weight).sum().backward()
    gradients = {"input": x.grad, **{name: own.grad for name, own in module.named_parameters()}}
    with torch.no_grad():
        return {"train": y.detach(), **gradients, "eval": module.eval()(x)}

files = {}
cases = torch.load("cases.pt", weights_only=True)
for case in cases:
    if case["file"] not in files:
        files[case["file"]] = runpy.run_path(case["file"])
    module = files[case["file"]][case["name"]](*case["arguments"], **case["options"])
    module.load_state_dict(case["state"])
    found = answers(module, case["x"], case["weight"])
    assert list(module.state_dict()) == case["keys"], case
    assert list(found) == list(case["answers"]), (case["what"], list(found), list(case["answers"]))
    for name, value in found.items():
        assert torch.equal(value, case["answers"][name]), (case["what"], name)
assert "ordersearch" not in sys.modules
print(len(cases), "cases hold")
"""


@dataclass(frozen=True)
class Case:
    """A module, and how exported source makes the same one.

    Attributes:
        source: The exported file.
        name: Of the class in it.
        module: What was built.
        shape: Of its input, samples included.
        arguments: Of the class.
        options: Of the class.
    """

    source: str
    name: str
    module: nn.Module
    shape: tuple[int, ...]
    arguments: tuple[int, ...] = ()
    options: tuple[tuple[str, int], ...] = ()


def require_same(cases: Sequence[Case], folder: Path) -> None:
    """Check that every file is as ruff leaves it and, in a fresh interpreter, computes what its module computes.

    Outputs in training with the same seed, hence the same masks, gradients, running statistics as evaluation uses
    them, and outputs in evaluation are equal to the last bit.
    """
    names = {source: f"file_{number}.py" for number, source in enumerate(dict.fromkeys(case.source for case in cases))}
    for source, name in names.items():
        (folder / name).write_text(source, encoding="utf-8")
    torch.save([_told(case, names[case.source]) for case in cases], folder / "cases.pt")
    ended = subprocess.run([sys.executable, "-I", "-c", CHECK], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.stdout == f"{len(cases)} cases hold\n", ended.stderr
    require_tidy(folder)


def require_tidy(folder: Path) -> None:
    """Check that ruff, with its defaults, has nothing to say of the files in a folder."""
    for command in (["check"], ["format", "--check", "--diff"]):
        ended = subprocess.run([*RUFF, *command, "--isolated", folder], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def _told(case: Case, file: str) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(derived_seed(0, case.name, *map(str, case.shape)))
    x = torch.randn(case.shape, generator=generator)
    # Before the training pass, which moves the running statistics.
    state = {key: value.clone() for key, value in case.module.state_dict().items()}
    found = _answers(case.module, x, generator)
    return {
        "what": f"{case.name}{case.arguments} {case.options} {case.module}",
        "file": file,
        "name": case.name,
        "arguments": list(case.arguments),
        "options": dict(case.options),
        "keys": list(state),
        "state": state,
        "x": x,
        **found,
    }


def _answers(module: nn.Module, x: Tensor, generator: torch.Generator) -> dict[str, Any]:
    torch.manual_seed(1)
    x = x.clone().requires_grad_()
    y = module.train()(x)
    weight = torch.randn(y.shape, generator=generator)
    (y * weight).sum().backward()
    found = {"train": y.detach(), "input": x.grad}
    found |= {name: own.grad for name, own in module.named_parameters()}
    with torch.no_grad():
        found["eval"] = module.eval()(x)
    return {"weight": weight, "answers": cast("dict[str, Tensor]", found)}
