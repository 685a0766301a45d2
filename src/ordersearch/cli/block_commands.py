"""The commands about orders and blocks: what is known of them, and where they go."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def explain(
    order: Annotated[str, typer.Argument(help="An order: 'conv > batch_norm > relu', or pasted layers.")],
    other: Annotated[str, typer.Argument(help="Another order: say why the two are one network, or not.")] = "",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Samples in a batch.", show_default=False)] = None,
    dims: Annotated[int, typer.Option(min=1, max=3, help="Dimensions of the maps.")] = 2,
    as_json: Json = False,
) -> None:
    """Say what an order equals, what it costs and what is known to go wrong with it."""
    from ordersearch.report.orders import comparison, comparison_lines, explanation, explanation_lines
    from ordersearch.spec import BlockSpec

    spec = BlockSpec.parse(order)
    if other:
        told = comparison(spec, BlockSpec.parse(other))
        _print(told if as_json else comparison_lines(told))
        raise typer.Exit(0 if told["is_one_network"] else 1)
    told = explanation(spec, batch_size=batch_size, dims=dims)
    _print(told if as_json else explanation_lines(told))


def classes(
    space: Annotated[str, typer.Argument(help="A search space: a name or a YAML file.")], as_json: Json = False
) -> None:
    """Count a space's orders and distinct networks, and list each network's orders."""
    from ordersearch.report.orders import class_counts, class_lines
    from ordersearch.space import SearchSpace

    counted = class_counts(SearchSpace.load(space))
    _print(counted if as_json else class_lines(counted))


def export(
    source: Annotated[
        str, typer.Argument(help="A run's folder or name, a blocks file, or a block: 'conv > batch_norm > relu'.")
    ],
    to: Annotated[
        str,
        typer.Option(help="torch, keras, monai, yaml, ...; see list formats."),
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="The file. [default: it is printed]")] = "",
    rank: Annotated[int, typer.Option(min=1, help="Which of the run's blocks, best first.")] = 1,
    role: Annotated[str, typer.Option(help="Of several blocks, this one alone: conv, dense, ...")] = "",
    dims: Annotated[
        int | None,
        typer.Option(min=1, max=3, help="Dimensions of the maps. [default: the run's, or 2]", show_default=False),
    ] = None,
    equivalent: Annotated[
        bool, typer.Option("--equivalent", help="Write another order of the same network where only that can be.")
    ] = False,
) -> None:
    """Write the blocks of a run as PyTorch or Keras source, or in the terms of a library."""
    given = dict(locals())
    from ordersearch.cli.export_command import ExportOptions, run_export

    raise typer.Exit(run_export(ExportOptions(**given)))


def validate(
    file: Annotated[str, typer.Argument(help="A blocks file or a search space.")], as_json: Json = False
) -> None:
    """Say whether a blocks file or a search space holds, and what is wrong with it where not."""
    from ordersearch.cli.validate_command import run_validate

    raise typer.Exit(run_validate(file, as_json=as_json))


def attach(
    storage: Annotated[str, typer.Option(help="Optuna storage URL, or the path of a journal.")],
    study: Annotated[str, typer.Option(help="The name of your study.")],
    space: Annotated[str, typer.Option(help="Search space: a name or a YAML file.")],
    order: Annotated[
        str, typer.Option("--as", help="The order that the old trials had, which --into fills in.", show_default=False)
    ] = "",
    into: Annotated[
        str, typer.Option(help="Copy the trials to this new study, with their order filled in.", show_default=False)
    ] = "",
    prefix: Annotated[str, typer.Option(help="Put before the names of the space's parameters.")] = "",
    references: Annotated[bool, typer.Option("--references", help="Queue the space's references.")] = False,
) -> None:
    """Attach a search space to an Optuna study of your own, and print the code that its objective needs."""
    given = dict(locals())
    from ordersearch.cli.attach_command import AttachOptions, run_attach

    raise typer.Exit(run_attach(AttachOptions(**given)))


def list_(
    kind: Annotated[str, typer.Argument(help="references, networks, spaces, datasets, ops or formats.")],
    as_json: Json = False,
) -> None:
    """List what is known by name: references, networks, spaces, datasets, ops or export formats."""
    from ordersearch.report.listing import listed, listing_lines

    rows = listed(kind)
    _print({kind: rows} if as_json else listing_lines(kind, rows))


def _print(found: Any) -> None:
    if isinstance(found, dict):
        import json

        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for line in found:
            print(line)
