"""How events leave a shard's file for good: found, replaced by tombstones, and their bytes wiped.

SQLite only marks as free what is deleted. What is to be gone must leave four places: the cells of
the pages in use, the pages that are free, the write-ahead log, and the gaps that pages keep when
they are divided. ``secure_delete`` sees to the first from here on; what lies in free pages from
before is written over; the write-ahead log is brought into the file and cut; and whether a gap held
something is found out by looking: then the file is written anew.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from recsys.codec import encode_event, pack, unpack
from recsys.events import Event
from recsys.store.dedupe import fingerprint, tombstone
from recsys.store.records import ERASURES, LETTERS, DeadLetter, Erasure, begun
from recsys.store.sqlite_file import SqliteFile, atomic
from recsys.tombstones import BURIED, Cause, UserErase

__all__ = ["add_letters", "begin", "bury", "pages_of", "prune", "replace", "rewrite", "scrub"]

_PAGE: Final = 2_000
"""Rows looked at under the lock at once."""
_LONG: Final = 16
"""An id of so many bytes is found by itself; shorter ones also occur in the ids of others."""
_BLANK: Final = 1 << 20
"""Bytes that are written over by one row."""


def mark_of(user_id: str) -> bytes:
    """Return the bytes that say in a record that something is of a person."""
    return msgspec.msgpack.encode("user_id") + msgspec.msgpack.encode(user_id)


def begin(connection: sqlite3.Connection, accepted: Sequence[tuple[int, UserErase]]) -> None:
    """Remember erasures that begin, inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO erasures VALUES (?, ?)",
        [(sequence, pack(begun(sequence, event))) for sequence, event in accepted],
    )


def pages_of(
    file: SqliteFile, user_ids: Collection[str], *, upto: int
) -> Iterator[list[tuple[int, bytes, bytes]]]:
    """Yield the rows of the log that may be of these people, page by page.

    SQLite itself compares the bytes, without Python's lock, so that a shard goes on meanwhile.
    """
    marks = [mark_of(user_id) for user_id in user_ids]
    found = " OR ".join(["instr(record, ?)"] * len(marks))
    with file.use() as connection:
        row: tuple[int | None] = connection.execute("SELECT min(seq) FROM log").fetchone()
    first = upto + 1 if row[0] is None or not marks else row[0]
    for start in range(first, upto + 1, _PAGE):
        last = min(start + _PAGE - 1, upto)
        with file.use() as connection:
            page: list[tuple[int, bytes, bytes]] = connection.execute(
                "SELECT seq, event_key, record FROM log"
                f" WHERE seq BETWEEN ? AND ? AND ({found}) ORDER BY seq",
                (start, last, *marks),
            ).fetchall()
        yield page


def prune(connection: sqlite3.Connection, after: int, upto: int) -> None:
    """Drop events and their ids, inside the caller's transaction; none if ``after`` is ``upto``."""
    if upto <= after:
        return
    connection.execute(
        "DELETE FROM seen WHERE event_key IN (SELECT event_key FROM log WHERE seq <= ?)", (upto,)
    )
    connection.execute("DELETE FROM log WHERE seq <= ?", (upto,))
    connection.execute("DELETE FROM guests WHERE seq <= ?", (upto,))


def add_letters(connection: sqlite3.Connection, letters: Sequence[DeadLetter]) -> None:
    """Keep dead letters, the newest of all there are, inside the caller's transaction."""
    if not letters:
        return
    connection.executemany(
        "INSERT OR REPLACE INTO dead_letters VALUES (?, ?)",
        [(letter.sequence, pack(letter)) for letter in letters],
    )
    connection.execute(
        "DELETE FROM dead_letters WHERE seq NOT IN"
        " (SELECT seq FROM dead_letters ORDER BY seq DESC LIMIT ?)",
        (LETTERS,),
    )


def replace(
    connection: sqlite3.Connection, erasures: Sequence[Erasure], former: Collection[str]
) -> None:
    """Write how far erasures are, inside the caller's transaction.

    Parameters
    ----------
    former
        Ids of the people whose erasures these are, as far as they are known; their dead letters go.
    """
    for user_id in former:
        connection.execute("DELETE FROM dead_letters WHERE instr(record, ?)", (mark_of(user_id),))
    connection.executemany(
        "INSERT OR REPLACE INTO erasures VALUES (?, ?)",
        [(erasure.sequence, pack(erasure)) for erasure in erasures],
    )
    surplus: list[tuple[int, bytes]] = connection.execute(
        "SELECT seq, record FROM erasures ORDER BY seq DESC LIMIT -1 OFFSET ?", (ERASURES,)
    ).fetchall()
    for sequence, record in surplus:
        if unpack(record, Erasure).done_ms:
            connection.execute("DELETE FROM erasures WHERE seq = ?", (sequence,))


def bury(connection: sqlite3.Connection, sequences: Collection[int], cause: Cause) -> None:
    """Put tombstones in the place of events, inside the caller's transaction."""
    for sequence in sequences:
        row: tuple[bytes] | None = connection.execute(
            "SELECT event_key FROM log WHERE seq = ?", (sequence,)
        ).fetchone()
        if row is None:  # retention was faster
            continue
        connection.execute(
            "UPDATE log SET record = ? WHERE seq = ?", (tombstone(row[0], cause), sequence)
        )
        connection.execute("UPDATE seen SET content = ? WHERE event_key = ?", (BURIED, row[0]))
        connection.execute("DELETE FROM dead_letters WHERE seq = ?", (sequence,))


def rewrite(connection: sqlite3.Connection, others: Mapping[int, Event]) -> None:
    """Put events in the place of those with the same ids, inside the caller's transaction."""
    for sequence, event in others.items():
        key, content = fingerprint(event)
        connection.execute(
            "UPDATE log SET record = ? WHERE seq = ?", (encode_event(event), sequence)
        )
        connection.execute("UPDATE seen SET content = ? WHERE event_key = ?", (content, key))


def scrub(file: SqliteFile, user_ids: Collection[str]) -> bool:
    """Wipe what was deleted; returns whether the file had to be written anew.

    Only the wiping itself keeps others waiting, not the search.
    """
    names = [user_id.encode() for user_id in user_ids]
    needles = [*map(mark_of, user_ids), *(name for name in names if len(name) >= _LONG)]
    # What the index of the users' ids has kept of a short one could not be told from others.
    steps = ["REINDEX users"] if any(len(name) < _LONG for name in names) else ["", "REINDEX users"]
    for step in steps if names else []:
        with _securely(file) as connection:
            with atomic(connection):
                connection.execute(step)
                _blank(connection)
            _truncate(connection)
        if not file.contains(needles):
            return False
    with _securely(file) as connection:
        connection.execute("VACUUM")
        _truncate(connection)
    return True


@contextmanager
def _securely(file: SqliteFile) -> Iterator[sqlite3.Connection]:
    """Let pages be wiped when they become free."""
    with file.use() as connection:
        connection.execute("PRAGMA secure_delete = ON")
        try:
            yield connection
        finally:
            connection.execute("PRAGMA secure_delete = FAST")


def _blank(connection: sqlite3.Connection) -> None:
    """Write over the pages that are free."""
    free: tuple[int] = connection.execute("PRAGMA freelist_count").fetchone()
    size: tuple[int] = connection.execute("PRAGMA page_size").fetchone()
    if not free[0]:
        return
    connection.execute("CREATE TABLE blank (zeros BLOB)")
    left = free[0] * size[0]
    while left > 0:
        connection.execute("INSERT INTO blank VALUES (zeroblob(?))", (min(left, _BLANK),))
        left -= _BLANK
    connection.execute("DROP TABLE blank")


def _truncate(connection: sqlite3.Connection) -> None:
    """Bring the write-ahead log into the file, and cut it to nothing."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
