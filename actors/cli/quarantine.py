"""``recsys quarantine``: one shard made again without a bad burst of events."""

from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Annotated, Final

import typer
from rich.console import Console

from actors.cli.problems import fail, read_settings
from actors.cli.serve import DataDirOption
from actors.errors import StartupError
from actors.layout import DataFolder, shard_folder
from actors.overrides import override
from actors.settings import ServerSettings
from recsys.engine import Engine
from recsys.errors import RecsysError
from recsys.partition import shard_of
from recsys.quarantine import Burst, Removal, take_out
from recsys.store.sqlite import SqliteStore

__all__ = ["quarantine"]

_WRONG_OPTIONS: Final = 2


def quarantine(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    config: Annotated[
        Path | None, typer.Option(help="The server's settings in YAML; without it, the defaults.")
    ] = None,
    data_dir: DataDirOption = None,
    shard: Annotated[
        int | None, typer.Option(min=0, help="Which one; that of the user, where one is named.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Events of this person.")] = None,
    context: Annotated[
        str | None,
        typer.Option(metavar="NAME=VALUE", help="Events whose context says so, of their sender."),
    ] = None,
    first: Annotated[int, typer.Option("--from", min=1, help="First sequence.")] = 1,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Last sequence.")] = None,
    afresh: Annotated[
        bool, typer.Option("--afresh", help="Fold the whole log again, whatever is found.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be.")] = False,
) -> None:
    """Take events out of a shard's log, and make its state again without them.

    The server must be stopped. The events leave tombstones and become dead letters; what they
    taught is gone. With --afresh and nothing else the state is made of the log as it is: that is
    how the weights that all share forget people who were erased.
    """
    settings = override(read_settings(config), data_dir=data_dir)
    if user is None and context is None and first == 1 and last is None and not afresh:
        fail("name the events: --user, --context, --from or --to", _WRONG_OPTIONS)
    name, equals, value = (context or "").partition("=")
    if context is not None and not (name and equals):
        fail(f"--context: expected NAME=VALUE, got {context}", _WRONG_OPTIONS)
    shards = settings.shards
    if shard is None and user is not None:
        shard = shard_of(user, shards.partitions, shards.count)
    if shard is None or shard >= shards.count:
        fail(f"--shard: expected 0 to {shards.count - 1}, got {shard}", _WRONG_OPTIONS)
    only_afresh = afresh and user is None and context is None and first == 1 and last is None
    burst = Burst(
        user_id=user,
        context=(name, value) if context is not None else None,
        first=first,
        # No event at all, where nothing but a new fold is wanted.
        last=0 if only_afresh else last,
    )
    try:
        _do(settings, shard, burst, afresh=afresh, dry_run=dry_run)
    except RecsysError as error:
        fail(str(error))


def _do(settings: ServerSettings, shard: int, burst: Burst, *, afresh: bool, dry_run: bool) -> None:
    out = Console(soft_wrap=True, highlight=False, markup=False)
    shards = settings.shards
    if not (shards.data_dir / "layout.json").exists():
        message = f"{shards.data_dir} holds no log; `recsys serve` and `recsys train` make one"
        raise StartupError(message)
    folder = DataFolder(shards)
    path = shard_folder(shards.data_dir, shard)
    try:
        log_events = settings.engine.store.log_events
        with closing(SqliteStore(path / "log.sqlite", log_events=log_events)) as store:
            removal = take_out(store, burst, afresh=afresh, dry_run=dry_run)
        out.print(_summary(shard, removal, dry_run=dry_run))
        if dry_run or not (removal.events or removal.afresh):
            return
        started = perf_counter()
        with closing(Engine.open(path, settings.engine)) as engine:
            engine.snapshot()
            stats = engine.stats()
        seconds = perf_counter() - started
        out.print(f"shard {shard}: made again up to event {stats.sequence:,} in {seconds:.1f} s")
    finally:
        folder.release()


def _summary(shard: int, removal: Removal, *, dry_run: bool) -> str:
    would = "would be" if dry_run else "are"
    if removal.afresh and not removal.events:
        return f"shard {shard}: the whole log {'would be' if dry_run else 'is'} folded again"
    if not removal.events:
        return f"shard {shard}: no such event is in the log"
    whole = "the whole log is" if removal.afresh else "what came after the snapshot is"
    return (
        f"shard {shard}: {removal.events:,} events {would} taken out, {removal.first:,} to "
        f"{removal.last:,}; {whole} folded again"
    )
