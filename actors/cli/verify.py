"""``recsys verify``: every byte of a data directory held against its checksums."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from actors.cli.problems import fail
from actors.layout import existing, shard_folder
from recsys.errors import RecsysError
from recsys.keyfile import KEY_BYTES
from recsys.store.sqlite_repair import give_up_damaged
from recsys.store.sqlite_verify import Report
from recsys.store.sqlite_verify import verify as verify_store

__all__ = ["report_on", "table_of", "verify"]


def verify(
    data_dir: Annotated[
        Path, typer.Argument(help="The folder of a stopped server's shards, or of an engine.")
    ],
    accept_data_loss: Annotated[
        bool,
        typer.Option(
            "--accept-data-loss", help="Keep what is intact of damaged shards; the rest is lost."
        ),
    ] = False,
) -> None:
    """Read every shard of a stopped server from end to end, and say what is damaged.

    Changes nothing, unless the loss is accepted: then damaged shards go on after their last intact
    event. The exit status is 1 when something is, or stays, damaged.
    """
    out = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        with _folders(data_dir) as folders:
            reports = list(map(report_on, folders))
            if accept_data_loss:
                for index, folder in enumerate(folders):
                    if reports[index].damage:
                        for loss in give_up_damaged(folder / "log.sqlite"):
                            out.print(f"shard {index}: {loss}")
                        reports[index] = report_on(folder)
    except RecsysError as error:
        fail(str(error))
    out.print(table_of(reports))
    for index, report in enumerate(reports):
        for line in (*report.damage, *report.notes):
            out.print(f"shard {index}: {line}")
        if report.more:
            out.print(f"shard {index}: and {report.more} more")
    if any(report.damage for report in reports):
        fail(
            "keep a copy of the folder; then restore a generation (`recsys restore`), or keep what "
            "is intact with --accept-data-loss"
        )


@contextmanager
def _folders(data_dir: Path) -> Iterator[list[Path]]:
    """Give the folders of all shards, or the one of an engine that was opened in a notebook."""
    if (data_dir / "log.sqlite").exists():
        yield [data_dir]
        return
    with existing(data_dir) as layout:
        yield [shard_folder(data_dir, index) for index in range(layout.shards)]


def report_on(folder: Path) -> Report:
    """Verify one shard's store and key.

    Raises
    ------
    StoreLocked
        When a process has it open.
    """
    report = verify_store(folder / "log.sqlite")
    key = folder / "key"
    try:
        size = key.stat().st_size
        if size != KEY_BYTES:
            report.add(f"the key should hold {KEY_BYTES} bytes, it holds {size}")
        elif key.stat().st_mode & 0o077:
            report.notes.append("the key can be read by other users: chmod 600 it")
    except OSError:
        if report.events:
            report.add("the key is missing: personal River models cannot be opened without it")
    return report


def table_of(reports: list[Report]) -> Table:
    """Return a row per shard."""
    table = Table()
    for name in ("shard", "events", "users", "parts", "snapshot", "last event", "acknowledged"):
        table.add_column(name, justify="right")
    table.add_column("state")
    for index, one in enumerate(reports):
        table.add_row(
            str(index),
            f"{one.events:,}",
            f"{one.users:,}",
            str(one.parts),
            f"{one.snapshot:,}",
            f"{one.high_water:,}",
            "?" if one.acknowledged is None else f"{one.acknowledged:,}",
            "damaged" if one.damage else "sound",
        )
    return table
