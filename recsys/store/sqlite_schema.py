"""The tables of a shard's file, and the head that says what they hold.

``log`` and ``seen`` go together row by row: ``seen`` finds a sequence by the key of an event id,
``log`` has the record; so it stays when an event is taken out and a tombstone left. ``head`` is one
sealed record, so that a flipped bit in a sequence number is noticed as surely as one in an event;
so is each of ``positions``, ``erasures`` and ``dead_letters``. The schema's version sits in
SQLite's own header (``user_version``), where every later version can read it; an older file is
brought to this version when it is opened, in the transaction that counts the opening.
"""

import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord, StoreError

__all__ = ["SCHEMA", "Head", "check_kind", "check_log", "prepare", "read_head", "write_head"]

SCHEMA: Final = 2
_APPLICATION: Final = 0x52454353  # "RECS"

_SINCE_2: Final = (
    "CREATE TABLE positions (source TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT",
    "CREATE TABLE erasures (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT",
    "CREATE TABLE dead_letters (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT",
)
_TABLES: Final = (
    "CREATE TABLE log (seq INTEGER PRIMARY KEY, event_key BLOB NOT NULL, record BLOB NOT NULL)"
    " STRICT",
    "CREATE TABLE seen (event_key BLOB PRIMARY KEY, seq INTEGER NOT NULL, content INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID",
    "CREATE TABLE state (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT",
    "CREATE TABLE users (user_id TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT",
    *_SINCE_2,
)
_MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {1: _SINCE_2}
"""By the version that they start from, what makes the next one of it."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says about itself.

    Attributes
    ----------
    epoch
        How often the file was opened, this time included.
    pruned
        Sequence of the last event that retention dropped, 0 when none.
    high_water
        Sequence of the newest event ever written, whether or not it is still in the log.
    snapshot
        Sequence of the last event that the snapshot contains, 0 without a snapshot.
    """

    epoch: int = 0
    pruned: int = 0
    high_water: int = 0
    snapshot: int = 0


def _number(connection: sqlite3.Connection, query: str) -> int:
    row: tuple[int] = connection.execute(query).fetchone()
    return row[0]


def _is_new(connection: sqlite3.Connection) -> bool:
    return _number(connection, "SELECT count(*) FROM sqlite_schema") == 0


def check_kind(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse somebody else's database, or another version of ours.

    Raises
    ------
    StoreError
        Saying which of the two, and what to do.
    """
    if _is_new(connection):
        return
    if _number(connection, "PRAGMA application_id") != _APPLICATION:
        detail = f"{path} is a database of another program; choose another folder"
        raise StoreError(detail)
    if not 1 <= (version := _number(connection, "PRAGMA user_version")) <= SCHEMA:
        detail = (
            f"{path} has schema version {version}, this version of recsys knows 1 to {SCHEMA}; "
            "open it with the version that wrote it, or upgrade recsys"
        )
        raise StoreError(detail)


def prepare(connection: sqlite3.Connection, path: Path) -> Head:
    """Make the tables of a new file, check and migrate those of an old one; count the opening.

    Runs inside the caller's transaction.

    Raises
    ------
    CorruptRecord
        When head and log contradict each other.
    """
    if _is_new(connection):
        for table in _TABLES:
            connection.execute(table)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        head = Head()
    else:
        head = read_head(connection, path)
        check_log(connection, head, path)
        for version in range(_number(connection, "PRAGMA user_version"), SCHEMA):
            for step in _MIGRATIONS[version]:
                connection.execute(step)
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    head = msgspec.structs.replace(head, epoch=head.epoch + 1)
    write_head(connection, head)
    return head


def read_head(connection: sqlite3.Connection, path: Path) -> Head:
    """Return the head.

    Raises
    ------
    CorruptRecord
        When it is missing or damaged.
    """
    row: tuple[bytes] | None = connection.execute(
        "SELECT record FROM meta WHERE name = 'head'"
    ).fetchone()
    try:
        return unpack(row[0] if row else b"", Head)
    except CorruptRecord as error:
        detail = f"{path}: the head of the store is damaged ({error}); restore it from a backup"
        raise CorruptRecord(detail) from error


def write_head(connection: sqlite3.Connection, head: Head) -> None:
    """Replace the head, inside the caller's transaction."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('head', ?)", (pack(head),))


def check_log(connection: sqlite3.Connection, head: Head, path: Path) -> None:
    """Hold the rows of the log against the head: none missing, none too many.

    Raises
    ------
    CorruptRecord
        Naming the sequences expected and found.
    """
    first: tuple[int | None] = connection.execute("SELECT min(seq) FROM log").fetchone()
    last: tuple[int | None] = connection.execute("SELECT max(seq) FROM log").fetchone()
    rows = _number(connection, "SELECT count(*) FROM log")
    remembered = _number(connection, "SELECT count(*) FROM seen")
    kept = head.high_water - head.pruned
    ends = (head.pruned + 1, head.high_water) if kept else (None, None)
    if (first[0], last[0]) != ends or rows != kept or remembered != kept:
        detail = (
            f"{path}: the log should hold {kept} events, {ends[0]} to {ends[1]}; it holds {rows}, "
            f"{first[0]} to {last[0]}, and {remembered} remembered ids; keep a copy of the file, "
            "then restore it from a backup"
        )
        raise CorruptRecord(detail)
