"""The tables of a shard's file, and the head that says what they hold.

``log`` and ``seen`` go together row by row: ``seen`` finds a sequence by the key of an event id,
``log`` has the record; so it stays when an event is taken out and a tombstone left. ``guests`` are
keys that came with people from other shards, with the ``seq`` of the event that brought them.
``head`` is one sealed record, so that a flipped bit in a sequence number is noticed as surely as
one in an event; so is each of ``positions``, ``erasures`` and ``dead_letters``. The schema's
version sits in SQLite's own header (``user_version``), where every later version can read it; an
older file is brought to this version when it is opened, in the transaction that counts the opening.
"""

import secrets
import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord, StoreError
from recsys.store.sqlite_parts import STATE, read_parts
from recsys.store.sqlite_rows import ADVICE, bind, digest_parts

__all__ = [
    "SCHEMA",
    "Head",
    "check_kind",
    "check_log",
    "is_new",
    "migrated",
    "number",
    "prepare",
    "read_head",
    "write_head",
]

SCHEMA: Final = 3
_APPLICATION: Final = 0x52454353  # "RECS"

_USERS: Final = (
    "CREATE TABLE users (user_id TEXT PRIMARY KEY, record BLOB NOT NULL, binding INTEGER NOT NULL)"
    " STRICT"
)
_SINCE_2: Final = (
    "CREATE TABLE positions (source TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT",
    "CREATE TABLE erasures (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT",
    "CREATE TABLE dead_letters (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT",
    "CREATE TABLE guests (event_key BLOB PRIMARY KEY, seq INTEGER NOT NULL, content INTEGER NOT"
    " NULL, partition INTEGER NOT NULL) STRICT, WITHOUT ROWID",
)
_TABLES: Final = (
    "CREATE TABLE log (seq INTEGER PRIMARY KEY, event_key BLOB NOT NULL, record BLOB NOT NULL)"
    " STRICT",
    "CREATE TABLE seen (event_key BLOB PRIMARY KEY, seq INTEGER NOT NULL, content INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID",
    STATE,
    "CREATE TABLE meta (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT",
    _USERS,
    *_SINCE_2,
)
_MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {
    1: (
        "ALTER TABLE users RENAME TO users_1",
        _USERS,
        "INSERT INTO users SELECT user_id, record, bind(user_id, record) FROM users_1",
        "DROP TABLE users_1",
        *_SINCE_2,
    ),
    2: (
        "ALTER TABLE state RENAME TO state_2",
        STATE,
        "INSERT INTO state SELECT 0, name, 0, record FROM state_2",
        "DROP TABLE state_2",
    ),
}
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
    store_id
        16 bytes that no other store has; empty in files of schema 1.
    generation
        Under which the parts of the snapshot are filed, see ``recsys.store.sqlite_staging``.
    parts
        ``digest_parts`` of the snapshot.
    users, sources
        How many rows those tables hold; ``sources`` counts ``positions``.
    lost
        Events that were given up so far, see ``recsys.store.sqlite_repair``.
    """

    epoch: int = 0
    pruned: int = 0
    high_water: int = 0
    snapshot: int = 0
    store_id: bytes = b""
    generation: int = 0
    parts: int = 0
    users: int = 0
    sources: int = 0
    lost: int = 0


def number(connection: sqlite3.Connection, query: str) -> int:
    """Return the one number that a query answers with."""
    row: tuple[int] = connection.execute(query).fetchone()
    return row[0]


def is_new(connection: sqlite3.Connection) -> bool:
    """Say whether nothing was ever written."""
    return number(connection, "SELECT count(*) FROM sqlite_schema") == 0


def check_kind(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse somebody else's database, or another version of ours.

    Raises
    ------
    StoreError
        Saying which of the two, and what to do.
    """
    if is_new(connection):
        return
    if number(connection, "PRAGMA application_id") != _APPLICATION:
        detail = f"{path} is a database of another program; choose another folder"
        raise StoreError(detail)
    if not 1 <= (version := number(connection, "PRAGMA user_version")) <= SCHEMA:
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
    if is_new(connection):
        for table in _TABLES:
            connection.execute(table)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        head = Head(store_id=secrets.token_bytes(16))
    else:
        head = read_head(connection, path)
        head = migrated(connection, head)
        check_log(connection, head, path)
    head = msgspec.structs.replace(head, epoch=head.epoch + 1)
    write_head(connection, head)
    return head


def migrated(connection: sqlite3.Connection, head: Head) -> Head:
    """Bring tables and head to the newest schema, inside the caller's transaction."""
    version = number(connection, "PRAGMA user_version")
    if version == SCHEMA:
        return head
    connection.create_function("bind", 2, bind, deterministic=True)
    for step in range(version, SCHEMA):
        for statement in _MIGRATIONS[step]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    return msgspec.structs.replace(
        head,
        store_id=head.store_id or secrets.token_bytes(16),
        parts=digest_parts(read_parts(connection, head.generation)),
        users=number(connection, "SELECT count(*) FROM users"),
        sources=number(connection, "SELECT count(*) FROM positions"),
    )


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
    """Hold tables against the head: no row missing, none too many, no table but ours.

    Raises
    ------
    CorruptRecord
        Naming what was expected and found.
    """
    tables = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    if len(tables) != len(_TABLES) or {sql for (sql,) in tables} != set(_TABLES):
        detail = f"{path}: the tables are not those of schema {SCHEMA}; {ADVICE}"
        raise CorruptRecord(detail)
    first, last = _sequence(connection, "min"), _sequence(connection, "max")
    rows = number(connection, "SELECT count(*) FROM log")
    remembered = number(connection, "SELECT count(*) FROM seen")
    kept = head.high_water - head.pruned
    ends = (head.pruned + 1, head.high_water) if kept else (None, None)
    if (first, last) != ends or rows != kept or remembered != kept:
        detail = (
            f"{path}: the log should hold {kept} events, {ends[0]} to {ends[1]}; it holds {rows}, "
            f"{first} to {last}, and {remembered} remembered ids; {ADVICE}"
        )
        raise CorruptRecord(detail)
    for table, expected in (("users", head.users), ("positions", head.sources)):
        if (found := number(connection, f"SELECT count(*) FROM {table}")) != expected:
            detail = f"{path}: {expected} {table} should be there, {found} are; {ADVICE}"
            raise CorruptRecord(detail)


def _sequence(connection: sqlite3.Connection, which: str) -> int | None:
    row: tuple[int | None] = connection.execute(f"SELECT {which}(seq) FROM log").fetchone()
    return row[0]
