"""Look-ups by key, which notice when damage has sent them to another row, or to none."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

from recsys.codec import unpack
from recsys.errors import CorruptRecord
from recsys.store.dedupe import Fingerprint, Seen
from recsys.store.sqlite_rows import ADVICE, bind, open_user

__all__ = [
    "find_user",
    "guests_of",
    "ids_after",
    "recall",
    "records",
    "users_after",
]

T = TypeVar("T")

_RECALLED: Final = 512  # keys asked for at once
_NEIGHBOURS: Final = (
    "SELECT user_id, record, binding FROM users WHERE user_id > ? ORDER BY user_id LIMIT 1",
    "SELECT user_id, record, binding FROM users WHERE user_id < ? ORDER BY user_id DESC LIMIT 1",
)


def find_user(connection: sqlite3.Connection, path: Path, user_id: str) -> bytes | None:
    """Return a user's record, ``None`` for a stranger.

    Raises
    ------
    CorruptRecord
        When the record is damaged or somebody else's, or when that of a neighbour is: a damaged id
        lies next to where it should be, so that its owner would seem to be a stranger.
    """
    row: tuple[bytes, int] | None = connection.execute(
        "SELECT record, binding FROM users WHERE user_id = ?", (user_id,)
    ).fetchone()
    if row is not None:
        return open_user(path, user_id, *row)
    for query in _NEIGHBOURS:
        for neighbour in connection.execute(query, (user_id,)):
            if bind(neighbour[0], neighbour[1]) != neighbour[2]:
                detail = f"{path}: user {neighbour[0]!r} is filed under a damaged id; {ADVICE}"
                raise CorruptRecord(detail)
    return None


def ids_after(connection: sqlite3.Connection, user_id: str, limit: int) -> list[str]:
    """Return the ids of the first users behind one, sorted."""
    rows: Iterator[tuple[str]] = connection.execute(
        "SELECT user_id FROM users WHERE user_id > ? ORDER BY user_id LIMIT ?", (user_id, limit)
    )
    return [found for (found,) in rows]


def users_after(
    connection: sqlite3.Connection, path: Path, user_id: str, limit: int
) -> list[tuple[str, bytes]]:
    """Return ids and records of the first users behind an id, sorted.

    Raises
    ------
    CorruptRecord
        When a record is damaged or somebody else's.
    """
    rows: Iterator[tuple[str, bytes, int]] = connection.execute(
        "SELECT user_id, record, binding FROM users WHERE user_id > ? ORDER BY user_id LIMIT ?",
        (user_id, limit),
    )
    return [(found, open_user(path, found, record, binding)) for found, record, binding in rows]


def recall(
    connection: sqlite3.Connection, prints: Sequence[Fingerprint], path: Path
) -> dict[bytes, Seen]:
    """Return what the log remembers of the ids of a batch."""
    known = dict[bytes, Seen]()
    guests = connection.execute("SELECT 1 FROM guests LIMIT 1").fetchone() is not None
    keys = [key for key, _ in prints]
    for start in range(0, len(keys), _RECALLED):
        some = keys[start : start + _RECALLED]
        # One question for many keys costs a quarter of one each. SQLite translates each length
        # anew, so there are few: the last key fills up to a power of two.
        size = 1 << (len(some) - 1).bit_length()
        some += some[-1:] * (size - len(some))
        marks = ",".join("?" * size)
        if guests:
            # Before ``seen``: what this log has itself counts more than what came from elsewhere.
            came: Iterator[tuple[bytes, int, int]] = connection.execute(
                f"SELECT event_key, seq, content FROM guests WHERE event_key IN ({marks})", some
            )
            known.update((key, Seen(sequence, content)) for key, sequence, content in came)
        rows: Iterator[tuple[bytes, int, int, bytes | None]] = connection.execute(
            "SELECT seen.event_key, seen.seq, content, log.event_key FROM seen"
            f" LEFT JOIN log USING (seq) WHERE seen.event_key IN ({marks})",
            some,
        )
        for key, sequence, content, filed in rows:
            if filed != key:
                detail = f"{path}: a remembered id points to another event, {sequence}; {ADVICE}"
                raise CorruptRecord(detail)
            known[key] = Seen(sequence, content)
    return known


def guests_of(
    connection: sqlite3.Connection, partition: int, after: int
) -> list[tuple[bytes, int]]:
    """Return key and content of what came with a partition after an event."""
    return connection.execute(
        "SELECT event_key, content FROM guests WHERE partition = ? AND seq > ?"
        " ORDER BY seq, event_key",
        (partition, after),
    ).fetchall()


def records(
    connection: sqlite3.Connection,
    path: Path,
    table: Literal["erasures", "dead_letters"],
    kind: type[T],
) -> list[T]:
    """Return all records of a table, in the order of their sequences.

    Raises
    ------
    CorruptRecord
        When one is damaged.
    """
    rows: list[tuple[int, bytes]] = connection.execute(
        f"SELECT seq, record FROM {table} ORDER BY seq"
    ).fetchall()
    try:
        return [unpack(record, kind) for _, record in rows]
    except CorruptRecord as error:
        detail = f"{path}: a record of {table} is damaged ({error}); {ADVICE}"
        raise CorruptRecord(detail) from error
