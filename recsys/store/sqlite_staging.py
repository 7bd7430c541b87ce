"""Writes the parts of a snapshot in pieces, so that nobody waits for all of them.

Tens of megabytes in one transaction would keep everybody else from the file for a fifth of a
second. So each snapshot is a generation of its own, written beside the one in force in many small
transactions; the one that names it in the head puts it in force, and the former one is swept away.
What a process that died has begun is swept away before the next one begins.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from recsys.store.sqlite_file import SqliteFile, atomic
from recsys.store.sqlite_parts import INSERT, PIECE, Row, pieces

__all__ = ["drop_former", "stage", "sweep"]

_SWEPT: Final = 4
"""Rows that are deleted at once; it takes as long as to write one."""
_CHECKPOINT_EVERY: Final = 4
"""Steps after which the write-ahead log is brought into the file, which takes some 10 ms: SQLite
would wait until there is much more of it, and then let everybody wait."""


def stage(file: SqliteFile, generation: int, parts: Mapping[str, bytes]) -> Iterator[None]:
    """Write parts beside those in force, in short steps."""
    for done, some in enumerate(_together(pieces(generation, parts)), start=1):
        with file.use() as connection, atomic(connection):
            connection.executemany(INSERT, some)
        yield
        if done % _CHECKPOINT_EVERY == 0:
            with file.use() as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            yield


def _together(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows in lists that are about as long as the longest piece: most parts are short."""
    some, size = list[Row](), 0
    for row in rows:
        if some and size + len(row[-1]) > PIECE:
            yield some
            some, size = [], 0
        some.append(row)
        size += len(row[-1])
    if some:
        yield some


def sweep(file: SqliteFile, generation: int) -> Iterator[None]:
    """Delete all generations but one, in short steps."""
    while True:
        with file.use() as connection, atomic(connection):
            swept = connection.execute(
                "DELETE FROM state WHERE rowid IN"
                " (SELECT rowid FROM state WHERE generation <> ? LIMIT ?)",
                (generation, _SWEPT),
            ).rowcount
        if swept < _SWEPT:
            return
        yield


def drop_former(file: SqliteFile, generation: int) -> None:
    """Delete at once the generations before one, but not what is being staged after it.

    A process may have died before it swept them away, and who is erased may be in them.
    """
    with file.use() as connection, atomic(connection):
        connection.execute("DELETE FROM state WHERE generation < ?", (generation,))
