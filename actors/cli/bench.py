"""``recsys bench quality``: how well the engine ranks, on data that the user has."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from actors.cli.problems import check_clicks, fail, read_settings
from recsys.datasets import Columns, read_interactions, read_items
from recsys.errors import InvalidDataset, InvalidSettings
from recsys.evaluation.prequential import Report, evaluate

__all__ = ["bench"]

bench = typer.Typer(help="Measure the engine.", no_args_is_help=True)

_DATASETS: Final = {"ml-100k": 100_000, "ml-1m": 1_000_209, "csv": None}
"""How many ratings there are, where that is known."""
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
        str | None, typer.Option(help="For csv: user=U,item=I,time=T[,rating=R][,type=Y].")
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
    if out is not None:
        _check_out(out)
    settings = read_settings(config).engine
    try:
        named = Columns.parse(columns) if columns is not None else None
        interactions = read_interactions(data, named)
        items = read_items(data) if data.is_dir() and not no_attributes else None
    except (InvalidDataset, ValueError, OSError) as error:
        fail(str(error), 2)
    if not interactions:
        fail(f"{data}: there are no interactions in it", 2)
    _warn_of_size(data, dataset, len(interactions))
    check_clicks(interactions, click_at)
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

        try:
            report = evaluate(
                dataset,
                interactions,
                settings,
                items=items,
                click_at=click_at,
                repeats=repeats,
                progress=show,
            )
        except InvalidSettings as error:
            fail(f"{config or 'settings'}: {error}", 2)
    _print(console, report)
    if out is not None:
        _write(out, report)


def _check_out(out: Path) -> None:
    if out.is_dir():
        fail(f"--json: {out} is a folder, a file is needed", 2)
    if not out.resolve().parent.is_dir():
        fail(f"--json: the folder {out.resolve().parent} does not exist", 2)


def _warn_of_size(data: Path, dataset: str, found: int) -> None:
    """Say that a report bears the name of a data set that this is not, or not all of."""
    expected = _DATASETS[dataset]
    if expected not in {None, found}:
        message = f"recsys: {dataset} has {expected:,} ratings, {data} has {found:,}"
        Console(stderr=True).print(message, soft_wrap=True, highlight=False, markup=False)


def _write(out: Path, report: Report) -> None:
    try:
        out.write_text(json.dumps(report.to_json(), indent=2) + "\n")
    except OSError as error:
        fail(f"--json: {out}: {error.strerror}")


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
