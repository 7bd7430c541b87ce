"""``recsys reshard``: the users of a stopped server divided into another number of shards."""

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from actors.cli.problems import fail, read_settings
from actors.cli.serve import DataDirOption
from actors.division import Divided, divide
from actors.errors import StartupError
from actors.layout import DataFolder
from actors.overrides import override
from actors.settings import ServerSettings
from recsys.errors import RecsysError

__all__ = ["reshard"]

_INTERRUPTED = 130
_AGAIN = "the same command goes on where it ended"


def reshard(
    shards: Annotated[int, typer.Option(min=1, max=1024, help="How many there are to be.")],
    config: Annotated[
        Path | None, typer.Option(help="The server's settings in YAML; without it, the defaults.")
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Divide the users into another number of shards, by moving partitions between them.

    The server must be stopped. Everybody takes along what is known of them, the lists that wait
    for their feedback, and the ids of their events, so that none is taken twice. A new shard begins
    with what an old one knows of items. Broken off, the same command goes on.
    """
    settings = override(read_settings(config), data_dir=data_dir)
    out = Console(soft_wrap=True, highlight=False, markup=False)
    started_s = perf_counter()
    try:
        divided = _divide(settings, shards, out)
    except StartupError as error:
        fail(str(error))
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
