"""The parts of a snapshot as rows: in pieces, each under its generation.

``recsys.store.sqlite_staging`` says why.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from recsys.errors import CorruptRecord
from recsys.store.sqlite_rows import ADVICE, digest_parts, unsealed

__all__ = ["INSERT", "PIECE", "STATE", "Row", "load_parts", "pieces", "read_parts", "write_parts"]

STATE: Final = (
    "CREATE TABLE state (generation INTEGER NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL,"
    " record BLOB NOT NULL, PRIMARY KEY (generation, name, number)) STRICT"
)
Row = tuple[int, str, int, memoryview]
INSERT: Final = "INSERT INTO state VALUES (?, ?, ?, ?)"
PIECE: Final = 1 << 20
"""Bytes: some 3 ms, flush included."""


def read_parts(connection: sqlite3.Connection, generation: int) -> dict[str, bytes]:
    """Return the parts of a generation by name, as they were written."""
    found = dict[str, list[bytes]]()
    rows: Iterator[tuple[str, bytes]] = connection.execute(
        "SELECT name, record FROM state WHERE generation = ? ORDER BY name, number", (generation,)
    )
    for name, piece in rows:
        found.setdefault(name, []).append(piece)
    return {name: b"".join(whole) for name, whole in found.items()}


def load_parts(
    connection: sqlite3.Connection, path: Path, generation: int, digest: int
) -> dict[str, bytes]:
    """Return the parts of a generation by name.

    Parameters
    ----------
    digest
        ``digest_parts`` of what was written.

    Raises
    ------
    CorruptRecord
        When a part is damaged, or they are not those written.
    """
    parts = {
        name: unsealed(path, f"part {name!r}", record)
        for name, record in read_parts(connection, generation).items()
    }
    if digest_parts(parts) != digest:
        detail = f"{path}: the parts of the snapshot are not those written; {ADVICE}"
        raise CorruptRecord(detail)
    return parts


def write_parts(
    connection: sqlite3.Connection, generation: int, parts: Mapping[str, bytes]
) -> None:
    """Write all parts at once in place of all there are, inside the caller's transaction."""
    connection.execute("DELETE FROM state")
    connection.executemany(INSERT, pieces(generation, parts))


def pieces(generation: int, parts: Mapping[str, bytes]) -> Iterator[Row]:
    """Yield the rows of parts."""
    for name, record in parts.items():
        whole = memoryview(record)
        # At least one: an empty part is one, too.
        for number, start in enumerate(range(0, max(len(record), 1), PIECE)):
            yield generation, name, number, whole[start : start + PIECE]
