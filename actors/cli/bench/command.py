"""The options of ``recsys bench``, and which protocol a data set is for."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from actors.cli.bench import mix as mixing
from actors.cli.bench import next_item, shown
from actors.cli.bench.measures import add_measures
from actors.cli.bench.output import check_out, write
from actors.cli.problems import fail, read_settings
from recsys.errors import InvalidSettings

__all__ = ["bench"]

bench = typer.Typer(help="Measure the engine and whole servers.", no_args_is_help=True)

_DATASETS: Final = (*next_item.DATASETS, *shown.DATASETS)
_CLICK_AT: Final = 5.0


@bench.command()
def quality(
    data: Annotated[Path, typer.Option(help="The folder or file with the data.")],
    dataset: Annotated[str, typer.Option(help=f"One of {', '.join(_DATASETS)}.")] = "csv",
    columns: Annotated[
        str | None, typer.Option(help="For csv: user=U,item=I,time=T[,rating=R][,type=Y].")
    ] = None,
    click_at: Annotated[float, typer.Option(help="Ratings from here on are clicks.")] = _CLICK_AT,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Items the user already has stay candidates.")
    ] = False,
    no_attributes: Annotated[
        bool, typer.Option("--no-attributes", help="Do not use the items' attributes.")
    ] = False,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="For mind: do not use earlier clicks.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Settings in YAML.")] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
) -> None:
    """Rank before learning: the item of each event (ml-*, csv), or what was shown (mind*)."""
    console = Console()
    if dataset not in _DATASETS:
        fail(f"--dataset must be one of {', '.join(_DATASETS)}, got {dataset!r}", 2)
    of_interactions = {
        "--columns": columns is not None,
        "--click-at": click_at != _CLICK_AT,
        "--repeats": repeats,
    }
    of_impressions = {"--no-history": no_history}
    others = of_interactions if dataset in shown.DATASETS else of_impressions
    if given := [name for name, is_given in others.items() if is_given]:
        fail(f"{' and '.join(given)} cannot be used with --dataset {dataset}", 2)
    if out is not None:
        check_out(out)
    settings = read_settings(config).engine
    try:
        if dataset in shown.DATASETS:
            document = shown.rank_what_was_shown(
                console,
                dataset,
                data,
                settings,
                attributes=not no_attributes,
                history=not no_history,
            )
        else:
            document = next_item.rank_next_items(
                console,
                dataset,
                data,
                settings,
                columns=columns,
                click_at=click_at,
                repeats=repeats,
                attributes=not no_attributes,
            )
    except InvalidSettings as error:
        fail(f"{config or 'settings'}: {error}", 2)
    if out is not None:
        write(out, document)


@bench.command()
def mix(
    data: Annotated[Path, typer.Option(help="The folder that holds ml-1m, or that one itself.")],
    shards: Annotated[str, typer.Option(help="Numbers of shards to compare.")] = "1,2,4,8",
    events: Annotated[int | None, typer.Option(help="Only so many events.", min=1)] = None,
    mix_every: Annotated[
        int, typer.Option(help="Events that all shards together learn in a second.", min=0)
    ] = 1000,
    config: Annotated[Path | None, typer.Option(help="Settings in YAML.")] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
) -> None:
    """Rank the item of each event before learning it, with several shards that mix."""
    console = Console()
    numbers = mixing.numbers_of(shards)
    if out is not None:
        check_out(out)
    settings = read_settings(config).engine
    try:
        document = mixing.compare_shards(
            console, data, settings, numbers, events=events, mix_every=mix_every
        )
    except InvalidSettings as error:
        fail(f"{config or 'settings'}: {error}", 2)
    if out is not None:
        write(out, document)


add_measures(bench)
