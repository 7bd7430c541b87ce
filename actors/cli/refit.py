"""``recsys refit``: the shared ranker learned again from the log, in several passes."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from actors.cli.problems import fail, read_settings
from actors.cli.serve import DataDirOption
from actors.errors import StartupError
from actors.host.environment import prepare_guest
from actors.host.run_folder import Cluster, cluster_on
from actors.layout import DataFolder, shard_folder
from actors.overrides import override
from actors.refit.job import EngineLog, Order, Outcome, run
from actors.settings import ServerSettings
from recsys.engine import Engine
from recsys.errors import RecsysError
from recsys.refit.judge import MARGIN
from recsys.refit.lessons import MAX_LESSONS
from recsys.refit.search import Plan

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["refit"]

_INTERRUPTED: Final = 130


def refit(
    config: Annotated[
        Path | None, typer.Option(help="The server's settings in YAML; without it, the defaults.")
    ] = None,
    data_dir: DataDirOption = None,
    passes: Annotated[int, typer.Option(min=1, max=50, help="Passes over the log, at most.")] = 3,
    choices: Annotated[
        int, typer.Option(min=1, help="Learn the latest so many again; 7 KB of memory each.")
    ] = MAX_LESSONS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures there, too.")] = None,
) -> None:
    """Learn the shared ranker again from each shard's log, and adopt it where it is better.

    While a server uses the data directory, this is a background task of its Ray; otherwise it is
    done on the directory itself. Better means: its progressive loss on the last fifth of the
    choices, which no trial has seen, is lower by more than two standard errors.
    """
    settings = override(read_settings(config), data_dir=data_dir)
    order = Order(Plan(passes=passes), choices, dry_run)
    out = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        cluster = cluster_on(settings.shards.data_dir)
        if cluster is None:
            outcomes = _on_folder(settings, order, out)
        else:
            outcomes = _on_server(cluster, settings, order, out)
    except RecsysError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped; the shards that were not adopted go on as they were", _INTERRUPTED)
    out.print(_table(outcomes))
    for outcome in outcomes:
        seconds = f"{outcome.read_s:.1f} s to read, {outcome.refit_s:.1f} s to learn"
        out.print(f"shard {outcome.shard}: {outcome.reason}; {seconds}")
    out.print(f"adopted where the gain is above {MARGIN:g} standard errors")
    if json is not None:
        _write(json, outcomes)


def _on_folder(settings: ServerSettings, order: Order, out: Console) -> list[Outcome]:
    """Refit one shard after the other, with the directory for ourselves."""
    shards = settings.shards
    if not (shards.data_dir / "layout.json").exists():
        message = f"{shards.data_dir} holds no log; `recsys serve` and `recsys train` make one"
        raise StartupError(message)
    folder = DataFolder(shards)
    outcomes = list[Outcome]()
    try:
        for shard in range(shards.count):
            with (
                closing(Engine.open(shard_folder(shards.data_dir, shard), settings.engine)) as one,
                _bar(f"shard {shard}", out) as progress,
            ):
                outcomes.append(run(shard, EngineLog(one), settings.engine, order, progress))
    finally:
        folder.release()
    return outcomes


def _on_server(
    cluster: Cluster, settings: ServerSettings, order: Order, out: Console
) -> list[Outcome]:
    """Have a task beside each running shard do it."""
    prepare_guest()
    # Not at the top: Ray reads its environment when it is imported.
    guest: ModuleType = importlib.import_module("actors.refit.guest")
    with out.status(f"{settings.shards.count} shards are learned again in the background ..."):
        outcomes: list[Outcome] = guest.refit_all(cluster.address, settings, order)
    return outcomes


@contextmanager
def _bar(text: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _table(outcomes: list[Outcome]) -> Table:
    table = Table()
    for name in ("shard", "choices", "judged", "live loss", "refit loss", "gain"):
        table.add_column(name, justify="right")
    for name in ("adopted", "base"):
        table.add_column(name)
    for one in outcomes:
        known = one.error is not None
        table.add_row(
            str(one.shard),
            f"{one.choices:,}",
            f"{one.judged:,}",
            f"{one.live_loss:.4f}" if known else "-",
            f"{one.refit_loss:.4f}" if known else "-",
            f"{one.gain:+.4f}" if known else "-",
            "yes" if one.adopted else "no",
            str(one.version),
        )
    return table


def _write(path: Path, outcomes: list[Outcome]) -> None:
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(outcomes)) + b"\n")
    except OSError as error:
        fail(f"{path}: {error.strerror}")
