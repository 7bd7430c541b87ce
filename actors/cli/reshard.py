"""``recsys reshard``: partitions moved between shards, or divided into another number of them."""

import importlib
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from actors.cli.problems import fail, read_settings
from actors.cli.serve import DataDirOption
from actors.division import Divided, divide
from actors.errors import StartupError
from actors.giving import Moved
from actors.host.environment import prepare_guest
from actors.host.run_folder import cluster_on
from actors.layout import DataFolder, layout_of
from actors.overrides import override
from actors.settings import ServerSettings
from actors.shard_map import ShardMap
from recsys.errors import RecsysError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["reshard"]

_INTERRUPTED: Final = 130
_USAGE: Final = 2
_AGAIN: Final = "the same command goes on where it ended"


def reshard(
    shards: Annotated[
        int | None, typer.Option(min=1, max=1024, help="How many there are to be.")
    ] = None,
    partition: Annotated[
        list[int] | None, typer.Option(min=0, help="Move this one; may be given several times.")
    ] = None,
    to: Annotated[int | None, typer.Option(min=0, help="The shard that is to have it.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="The server's settings in YAML; without it, the defaults.")
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Say who owns which partition, move partitions, or divide all into another number of shards.

    With --partition and --to partitions move between the shards of a running server, which goes on
    serving; their people wait until they are there. With --shards the server must be stopped; a new
    shard begins with what an old one knows of items. In both cases everybody takes along what is
    known of them, the lists that wait for their feedback, and the ids of their events, so that none
    is taken twice. Broken off, a division goes on by the same command; a move is ended by the
    server.
    """
    settings = override(read_settings(config), data_dir=data_dir)
    out = Console(soft_wrap=True, highlight=False, markup=False)
    if (partition is None) != (to is None) or (shards is not None and to is not None):
        fail("either --shards, or --partition and --to, or none of them", _USAGE)
    try:
        if partition is not None and to is not None:
            _move(settings, partition, to, out)
        elif shards is not None:
            _divide_all(settings, shards, out)
        else:
            out.print(_owners(layout_of(settings.shards.data_dir).shard_map))
    except StartupError as error:
        fail(str(error))


def _owners(shard_map: ShardMap) -> Table:
    table = Table()
    table.add_column("shard", justify="right")
    table.add_column("partitions")
    for shard in sorted({*shard_map.owners}):
        table.add_row(str(shard), " ".join(map(str, shard_map.owned_by(shard))))
    return table


def _move(settings: ServerSettings, partitions: list[int], shard: int, out: Console) -> None:
    """Have a running server move partitions."""
    cluster = cluster_on(settings.shards.data_dir)
    if cluster is None:
        message = (
            f"no server uses {settings.shards.data_dir}, and partitions move between running "
            "shards; start it, or divide all anew with --shards"
        )
        raise StartupError(message)
    prepare_guest()
    # Not at the top: Ray reads its environment when it is imported.
    guest: ModuleType = importlib.import_module("actors.guest")

    try:
        with guest.visiting(cluster.address):
            for partition in partitions:
                one: Moved = guest.move_partition(partition, shard)
                waited = (
                    "" if one.given is None else f"; people waited {one.given.held_s * 1000:.0f} ms"
                )
                out.print(f"partition {partition} moved from shard {one.old} to {shard}{waited}")
    except StartupError:
        raise
    except RecsysError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped; the server ends the move that was begun", _INTERRUPTED)


def _divide_all(settings: ServerSettings, shards: int, out: Console) -> None:
    """Divide the users of a stopped server anew."""
    started_s = perf_counter()
    try:
        divided = _divide(settings, shards, out)
    except StartupError:
        raise
    except RecsysError as error:
        fail(f"{error}; once its cause is gone, {_AGAIN}")
    except KeyboardInterrupt:
        fail(f"stopped; {_AGAIN}", _INTERRUPTED)
    out.print(_table(divided))
    out.print(f"{divided.moved} partitions moved in {perf_counter() - started_s:.1f} s")
    if settings.shards.count != shards:
        out.print(f"set shards.count to {shards} before the server starts again")


def _divide(settings: ServerSettings, shards: int, out: Console) -> Divided:
    if not (settings.shards.data_dir / "layout.json").exists():
        message = (
            f"{settings.shards.data_dir} holds no shards; `recsys serve` and `recsys train` make "
            "them, as many as shards.count says"
        )
        raise StartupError(message)
    folder = DataFolder(settings.shards, dividing=True)
    try:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        hidden = not out.is_terminal
        with Progress(*columns, console=out, transient=True, disable=hidden) as bar:
            task = bar.add_task("moving partitions", total=None)
            return divide(
                folder,
                settings,
                shards,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
    finally:
        folder.release()


def _table(divided: Divided) -> Table:
    table = Table()
    for name in ("shard", "partitions before", "partitions now"):
        table.add_column(name, justify="right")
    for shard in range(max(len(divided.before), len(divided.after))):
        now = str(divided.after[shard]) if shard < len(divided.after) else "retired"
        table.add_row(str(shard), str(divided.before[shard]), now)
    return table
