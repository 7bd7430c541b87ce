"""``recsys train``: a history learned into the data directory that a server starts from."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from actors.cli.history import Source, describe, read_history
from actors.cli.interrupts import Interrupts
from actors.cli.problems import fail, read_settings
from actors.cli.serve import DataDirOption
from actors.errors import StartupError
from actors.layout import DataFolder
from actors.overrides import override
from actors.settings import ServerSettings
from actors.training.crew import Crew, CrewFault
from actors.training.history import History
from actors.training.teacher import Finished, Taught

__all__ = ["train"]

_INTERRUPTED: Final = 130
_AGAIN: Final = "run the same command again, nothing counts twice"


@dataclass
class _Tally:
    """What has become of the events."""

    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    other_items: int = 0
    interrupted: bool = False
    shards: Sequence[Finished] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def events(self) -> int:
        return self.accepted + self.duplicates + self.conflicts

    def add(self, taught: Taught) -> None:
        self.accepted += taught.accepted
        self.duplicates += taught.duplicates
        self.conflicts += taught.conflicts
        self.other_items += taught.other_items


def train(
    source: Annotated[
        Path, typer.Option("--from", help="Parquet, CSV (also .gz), or a MovieLens folder.")
    ],
    config: Annotated[
        Path | None, typer.Option(help="The server's settings in YAML; without it, the defaults.")
    ] = None,
    data_dir: DataDirOption = None,
    items: Annotated[
        Path | None, typer.Option(help="Items and their attributes: Parquet or CSV.")
    ] = None,
    attributes: Annotated[
        str | None, typer.Option(help="Columns of the items to be used: NAME,NAME. All without.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="user=U,item=I,time=T[,rating=R][,type=Y]; guessed without.")
    ] = None,
    click_at: Annotated[float, typer.Option(help="Ratings from here on are clicks.")] = 5.0,
) -> None:
    """Learn a history, so that a server starts with it; a second time adds nothing.

    Every event goes the way of a live one. Ctrl-C ends it well, and the same command goes on.
    """
    settings = override(read_settings(config), data_dir=data_dir)
    out = Console(soft_wrap=True, highlight=False, markup=False)
    interrupts = Interrupts()
    interrupts.listen()
    try:
        history = read_history(Source(source, columns, click_at, items, attributes), settings)
        out.print(describe(history))
        tally = _learn(history, settings, interrupts, out)
    except StartupError as error:
        fail(str(error))
    except CrewFault as error:
        fail(f"{error}; once its cause is gone, {_AGAIN}")
    except KeyboardInterrupt:
        fail(f"stopped at once; {_AGAIN}", _INTERRUPTED)
    _conclude(tally, history, out)
    given = "" if config is None else f" --config {config}"
    out.print(f"`recsys serve{given} --data-dir {settings.shards.data_dir}` starts with it")


def _learn(
    history: History, settings: ServerSettings, interrupts: Interrupts, out: Console
) -> _Tally:
    tally = _Tally()
    with ExitStack() as stack:
        folder = DataFolder(settings.shards)
        stack.callback(folder.release)
        started_s = perf_counter()
        lessons = history.divide(folder.shard_map, folder.shards)
        _warn_of_length(max(map(len, lessons)), settings.engine.store.log_events)
        with interrupts.held():
            crew = stack.enter_context(Crew(settings))
        crew.assign(lessons)
        bar = stack.enter_context(_bar(out))
        task = bar.add_task("learning", total=len(history.interactions))

        def count(taught: Taught) -> None:
            tally.add(taught)
            bar.update(task, completed=tally.events)

        try:
            while crew.busy:
                with interrupts.held():
                    crew.step(count)
        except KeyboardInterrupt:
            tally.interrupted = True
            out.print("writing what is learned and stopping ... (Ctrl-C: stop at once)")
            crew.stop()
            while crew.busy:
                crew.step(count)
        tally.shards = crew.finished()
        tally.seconds = perf_counter() - started_s
    return tally


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _warn_of_length(events: int, kept: int) -> None:
    if events > kept:
        typer.echo(
            f"recsys: a shard gets {events:,} events and its log keeps {kept:,} "
            "(engine.store.log_events): a second run would learn the oldest again",
            err=True,
        )


def _conclude(tally: _Tally, history: History, out: Console) -> None:
    """Print what came of it and set the exit code."""
    per_s = tally.events / tally.seconds if tally.seconds > 0 else 0.0
    of = f" of {len(history.interactions):,}" if tally.interrupted else ""
    n_items = len(history.touched | history.items.keys())
    out.print(
        f"{tally.events:,}{of} events: {tally.accepted:,} learned, {tally.duplicates:,} duplicates "
        f"skipped; {len(history.users):,} users, {n_items:,} items; "
        f"{tally.seconds:.1f} s, {per_s:,.0f} events/s"
    )
    if refused := max((shard.refused_items for shard in tally.shards), default=0):
        typer.echo(
            f"recsys: {refused:,} items found no room (engine.catalogue.max_items)", err=True
        )
    if failed := sum(shard.failed for shard in tally.shards):
        typer.echo(f"recsys: {failed:,} events could not be learned; see above", err=True)
    if tally.interrupted:
        out.print(f"stopped; {_AGAIN}")
        raise typer.Exit(_INTERRUPTED)
    if tally.conflicts or tally.other_items:
        fail(
            f"{tally.conflicts:,} events and {tally.other_items:,} items were there before with "
            "other content (another --click-at?) and stay as they were"
        )
