"""``recsys bench quality``: how well the engine ranks, on data that the user has."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from actors.cli.problems import fail, read_settings
from recsys.datasets import Columns, read_interactions, read_items
from recsys.errors import InvalidDataset
from recsys.evaluation.prequential import Report, evaluate

__all__ = ["bench"]

bench = typer.Typer(help="Measure the engine.", no_args_is_help=True)

_DATASETS = ("ml-100k", "ml-1m", "csv")
_STEP = 250
_METRICS = ("recall_at_10", "ndcg_at_10", "recall_at_20", "mrr")


@bench.callback()
def _group() -> None:
    """Keep ``quality`` a subcommand although it is the only one."""


@bench.command()
def quality(
    data: Annotated[Path, typer.Option(help="The folder or file with the interactions.")],
    dataset: Annotated[str, typer.Option(help=f"One of {', '.join(_DATASETS)}.")] = "csv",
    columns: Annotated[
        str | None, typer.Option(help="For csv: user=U,item=I,time=T[,rating=R].")
    ] = None,
    click_at: Annotated[float, typer.Option(help="Ratings from here on are clicks.")] = 5.0,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Items the user already has stay candidates.")
    ] = False,
    no_attributes: Annotated[
        bool, typer.Option("--no-attributes", help="Do not use the items' attributes.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Settings in YAML.")] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
) -> None:
    """Rank the item of each event before learning it (prequential next-item protocol)."""
    console = Console()
    if dataset not in _DATASETS:
        fail(f"--dataset must be one of {', '.join(_DATASETS)}, got {dataset!r}", 2)
    if out is not None and not out.resolve().parent.is_dir():
        fail(f"--json: the folder {out.resolve().parent} does not exist", 2)
    settings = read_settings(config).engine
    try:
        named = Columns.parse(columns) if columns is not None else None
        interactions = read_interactions(data, named)
        items = read_items(data) if data.is_dir() and not no_attributes else None
    except (InvalidDataset, ValueError, OSError) as error:
        fail(str(error), 2)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task("ranking and learning", total=None)

        def show(done: int, total: int) -> None:
            if done % _STEP == 0 or done == total:
                progress.update(task, completed=done, total=total)

        report = evaluate(
            dataset,
            interactions,
            settings,
            items=items,
            click_at=click_at,
            repeats=repeats,
            progress=show,
        )
    _print(console, report)
    if out is not None:
        out.write_text(json.dumps(report.to_json(), indent=2) + "\n")


def _print(console: Console, report: Report) -> None:
    table = Table(
        title=f"{report.dataset}: {report.ranked:,} ranked of {report.events:,} events, "
        f"{report.users:,} users, {report.items:,} items"
    )
    table.add_column("ranked by")
    for metric in _METRICS:
        table.add_column(metric, justify="right")
    rows = {"engine": report.metrics, **report.sources}
    for name, metrics in rows.items():
        table.add_row(name, *(f"{metrics[metric]:.4f}" for metric in _METRICS))
    console.print(table)
    console.print(
        f"recall_at_10 without knowing the pause: {report.hidden:.4f}; "
        f"{report.events_per_second:,.0f} events/s (recommend and apply, one core)"
    )
