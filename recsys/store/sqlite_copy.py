"""Consistent copies of a store, open or closed, and what makes a store of a copy."""

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from recsys.errors import CorruptRecord
from recsys.store.mark import Mark
from recsys.store.sqlite_check import mark_of
from recsys.store.sqlite_errors import translated
from recsys.store.sqlite_file import SqliteFile, atomic, reading
from recsys.store.sqlite_schema import Head, check_kind, number, read_head, write_head
from recsys.store.sqlite_verify import Report, verify

__all__ = ["CopyOf", "adopt", "copy_closed", "describe"]


class CopyOf(NamedTuple):
    """What a file holds."""

    schema: int
    head: Head


def copy_closed(path: Path, target: Path) -> None:
    """Copy a store that nobody has open; its files stay as they are.

    Raises
    ------
    StoreLocked
        When a process has it open.
    StoreError, CorruptRecord
        As for an opening.
    """
    with reading(path) as connection, closing(sqlite3.connect(target)) as copy:
        check_kind(connection, path)
        connection.execute("ROLLBACK")  # a backup reads in transactions of its own
        copy.execute("PRAGMA synchronous = OFF")
        connection.backup(copy)


def describe(path: Path) -> CopyOf:
    """Return schema and head of a copy.

    Raises
    ------
    CorruptRecord
        When they cannot be read.
    """
    with reading(path) as connection:
        check_kind(connection, path)
        return CopyOf(number(connection, "PRAGMA user_version"), read_head(connection, path))


def adopt(path: Path, epoch: int = 0, *, other: bool = False) -> Report:
    """Make a store of a copy, after checking all of it.

    Parameters
    ----------
    epoch
        The highest that any copy has: what is written from now on is of a later one.
    other
        Whether it goes its own way, beside the store that it was copied from.

    Raises
    ------
    CorruptRecord
        When anything in it is damaged.
    """
    report = verify(path)
    if report.damage:
        detail = f"{path}: {report.damage[0]}"
        raise CorruptRecord(detail)
    file = SqliteFile(path)
    mark = Mark(mark_of(path))
    try:
        with translated(path), file.use() as connection, atomic(connection):
            head = read_head(connection, path)
            store_id = secrets.token_bytes(16) if other else head.store_id
            head = msgspec.structs.replace(head, epoch=max(head.epoch, epoch), store_id=store_id)
            write_head(connection, head)
        if head.store_id:
            mark.begin(head.store_id, head.high_water)
    finally:
        file.close()
        mark.close()
    return report
