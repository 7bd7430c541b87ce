"""What an append writes, inside its transaction."""

import sqlite3
from collections.abc import Mapping, Sequence

from recsys.codec import pack
from recsys.events import Event, PartitionIn, UserErase
from recsys.store import sqlite_removal as removal
from recsys.store.base import Append, Outcome
from recsys.store.dedupe import Fingerprint

__all__ = ["write_events", "write_positions"]


def write_events(
    connection: sqlite3.Connection,
    events: Sequence[Event],
    prints: Sequence[Fingerprint],
    records: Sequence[bytes],
    appends: Sequence[Append],
) -> list[int]:
    """Write those of some events that are accepted; returns their sequences, ascending.

    Parameters
    ----------
    prints, records, appends
        Of each event.
    """
    accepted = [
        (append.sequence, event, print_, record)
        for event, print_, record, append in zip(events, prints, records, appends, strict=True)
        if append.outcome is Outcome.ACCEPTED
    ]
    if not accepted:
        return []
    connection.executemany(
        "INSERT INTO log VALUES (?, ?, ?)",
        [(sequence, print_.key, record) for sequence, _, print_, record in accepted],
    )
    connection.executemany(
        "INSERT INTO seen VALUES (?, ?, ?)",
        [(print_.key, sequence, print_.content) for sequence, _, print_, _ in accepted],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO guests VALUES (?, ?, ?, ?)",
        [
            (key, sequence, content, event.partition)
            for sequence, event, _, _ in accepted
            if isinstance(event, PartitionIn)
            for key, content in event.remembered
        ],
    )
    erased = [
        (sequence, event) for sequence, event, _, _ in accepted if isinstance(event, UserErase)
    ]
    removal.begin(connection, erased)
    return [sequence for sequence, _, _, _ in accepted]


def write_positions(connection: sqlite3.Connection, positions: Mapping[str, int]) -> None:
    """Write where to go on in the outside logs that events came from."""
    connection.executemany(
        "INSERT OR REPLACE INTO positions VALUES (?, ?)",
        [(source, pack((source, at))) for source, at in positions.items()],
    )
