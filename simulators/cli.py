"""``clickstream``: simulated people, or recorded ones, against a running server."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from recsys.client import AsyncClient, Item, Retry
from recsys.datasets import (
    Columns,
    Interaction,
    fingerprint,
    read_interactions,
    read_items,
)
from recsys.events import Attributes
from simulators.driver import Driver, Pace, put_all, until_ready
from simulators.live import Watch, replay_bar, stop_on_signal
from simulators.plot import draw
from simulators.problems import (
    check_file,
    check_picture,
    fail,
    one_line,
    read_key,
    write,
    write_json,
)
from simulators.replay import Replay, ReplayResult, ReplaySettings, learned
from simulators.report import Report
from simulators.worlds import World, WorldSettings

__all__ = ["app", "main"]

_READY_PATIENCE_S: Final = 30.0
_INTERRUPTED: Final = 130

app = typer.Typer(
    help="Simulated people, or recorded ones, against a running server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

Url = Annotated[str, typer.Option(help="Where the server listens.")]
KeyFile = Annotated[
    Path | None,
    typer.Option(help="Its first line is the server's key; else RECSYS_API_KEY is, if set."),
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the report here as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only the summary at the end.")]


@dataclass(frozen=True)
class _Server:
    """Whose door it is, and what opens it; without a key, the client takes the environment's."""

    url: str
    key: str | None = field(repr=False)


@dataclass(frozen=True)
class _Shown:
    """What the terminal gets."""

    console: Console
    quiet: bool
    table_every_s: float = 0.0


def _not_ready(url: str) -> str:
    waited = f"{_READY_PATIENCE_S:g} s waited"
    return f"{url} answers, but is not ready: not all its shards are, or it is no recsys ({waited})"


@app.command()
def run(
    *,
    url: Url = "http://127.0.0.1:8000",
    key_file: KeyFile = None,
    seed: Annotated[int, typer.Option(min=0, help="Makes the world: items, people, tastes.")] = 1,
    users: Annotated[int, typer.Option(min=1, help="People at any time.")] = 300,
    items: Annotated[int, typer.Option(min=10, help="Items of the catalogue.")] = 1000,
    duration: Annotated[float, typer.Option(min=0, help="Seconds; 0 runs until Ctrl-C.")] = 60.0,
    rate: Annotated[
        float, typer.Option(min=0, help="Requests per second; 0 is as fast as possible.")
    ] = 0.0,
    speed: Annotated[
        float, typer.Option(min=0, help="Seconds of the people's time per second; 0 never waits.")
    ] = 0.0,
    concurrency: Annotated[int, typer.Option(min=1, help="People clicking at once.")] = 32,
    switch_at: Annotated[
        float | None, typer.Option(min=0, help="Second at which everybody's taste switches.")
    ] = None,
    table_every: Annotated[float, typer.Option(min=0, help="Seconds; 0 for no tables.")] = 5.0,
    plot: Annotated[Path | None, typer.Option(help="Write click rates over time as PNG.")] = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
) -> None:
    """Let simulated people click, and show how the click rate moves."""
    check_picture(plot)
    check_file(json_file)
    world = World(WorldSettings(seed=seed, n_people=users, n_items=items))
    pace = Pace(people_at_once=concurrency, rate=rate, speed=speed, switch_at_s=switch_at)
    shown = _Shown(Console(), quiet, table_every)
    server = _Server(url, read_key(key_file))
    with one_line(url):
        report = asyncio.run(_run(server, world, pace, duration or None, shown))
    summary = report.summary()
    write(plot, lambda path: draw(summary, path))
    write_json(json_file, summary)


async def _run(
    server: _Server, world: World, pace: Pace, duration_s: float | None, shown: _Shown
) -> Report:
    report, url = Report(), server.url
    async with (
        AsyncClient(url, key=server.key, connections=pace.people_at_once) as client,
        AsyncClient(url, key=server.key, retry=Retry(attempts=1), timeout_s=2.0) as asking,
    ):
        driver = Driver(world, client, pace, report)
        if not await until_ready(client, _READY_PATIENCE_S):
            fail(_not_ready(url))
        if not shown.quiet:
            # Simulated people are no guests for a server with real ones: say whose door this is.
            before = await client.stats()
            items = max((shard.engine.items for shard in before.shards), default=0)
            line = f"{url} knows {items:,} items and has learned {learned(before):,} events"
            shown.console.print(line, highlight=False, soft_wrap=True)
        await driver.put_items()
        watch = Watch(report, asking, shown.console, duration_s, shown.table_every_s)
        with stop_on_signal(driver.stop):
            showing = None if shown.quiet else asyncio.create_task(watch.show())
            try:
                await driver.run(duration_s)
            finally:
                if showing is not None:
                    showing.cancel()
                    await asyncio.gather(showing, return_exceptions=True)
        title = f"{report.elapsed_s:.1f} s in all"
        shown.console.print(report.final(await watch.stats(), title=title))
    return report


@app.command()
def replay(
    path: Annotated[
        Path,
        typer.Argument(exists=True, help="A MovieLens folder, a CSV (also .gz), or Parquet."),
    ],
    *,
    url: Url = "http://127.0.0.1:8000",
    key_file: KeyFile = None,
    columns: Annotated[
        str | None, typer.Option(help="user=U,item=I,time=T[,rating=R][,type=Y]; guessed without.")
    ] = None,
    click_at: Annotated[float, typer.Option(help="Ratings from here on are clicks.")] = 5.0,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Events per request.")] = 200,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 4,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many events, the oldest.")
    ] = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
) -> None:
    """Send recorded interactions in the order of time; a second time adds nothing."""
    check_file(json_file)
    try:
        named = None if columns is None else Columns.parse(columns)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    shown = _Shown(Console(), quiet)
    settings = ReplaySettings(click_at=click_at, batch=batch, concurrency=concurrency)
    server = _Server(url, read_key(key_file))
    with one_line(url):
        interactions = read_interactions(path, named)[:limit]
        attributes = read_items(path) if path.is_dir() else None
        source = fingerprint(path)
        result = asyncio.run(_replay(server, interactions, attributes, source, settings, shown))
    write_json(json_file, result)
    _conclude(result, shown.console)


async def _replay(
    server: _Server,
    interactions: list[Interaction],
    attributes: dict[str, Attributes] | None,
    source: str,
    settings: ReplaySettings,
    shown: _Shown,
) -> ReplayResult:
    connections = settings.concurrency
    async with AsyncClient(server.url, key=server.key, connections=connections) as client:
        if not await until_ready(client, _READY_PATIENCE_S):
            fail(_not_ready(server.url))
        await put_all(client, [Item(*pair) for pair in (attributes or {}).items()])
        hidden = shown.quiet or not shown.console.is_terminal
        with replay_bar(shown.console, disable=hidden) as bar:
            task = bar.add_task("replaying", total=len(interactions))
            replay = Replay(
                client,
                interactions,
                source,
                settings,
                lambda sent: bar.update(task, completed=sent),
            )
            with stop_on_signal(replay.stop):
                return await replay.run()


def _conclude(result: ReplayResult, console: Console) -> None:
    """Print what came of it and set the exit code."""
    per_s = result.sent / result.elapsed_s if result.elapsed_s > 0 else 0.0
    console.print(
        f"{result.sent:,} of {result.events:,} events sent: {result.accepted:,} accepted, "
        f"{result.duplicates:,} duplicates, {result.conflicts + result.unavailable:,} failed "
        f"({result.conflicts:,} conflicts); {result.elapsed_s:.1f} s, {per_s:,.0f} events/s",
        highlight=False,
        soft_wrap=True,
    )
    if result.error:
        cure = "; run the same command again, nothing counts twice" if result.again else ""
        fail(f"{result.error}{cure}")
    if result.interrupted:
        raise typer.Exit(_INTERRUPTED)
    if result.learned is None:
        console.print("not checked what the server has learned: not all its shards answer")
    elif result.learned < result.accepted:
        fail(f"{result.accepted:,} events were accepted, only {result.learned:,} are learned")
    else:
        console.print(
            f"the server has learned {result.learned:,} events since the start"
            f"{'; it was empty before' if result.was_empty else ''}"
        )
    if result.conflicts:
        fail(
            f"{result.conflicts:,} events were sent before with other content "
            "(another --click-at?) and stay as they were"
        )


def main() -> None:
    """Run the command line."""
    app()
