"""Keeps what is intact of a damaged store, when its owner accepts that the rest is lost.

What the snapshot contains is learned, so that damage in the log before it costs old look-ups and
repeats only: the log then begins after it. After the snapshot the log ends before the first
damage. A damaged snapshot is dropped where the log reaches back to its start, and learned anew at
the next opening. Damage of the tables themselves, or of the head, is beyond this: a copy must be
restored.
"""

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from recsys.errors import CorruptRecord
from recsys.store.dedupe import remembered_as
from recsys.store.mark import Claim, Mark
from recsys.store.sqlite_check import check_there, mark_of
from recsys.store.sqlite_file import SqliteFile, atomic
from recsys.store.sqlite_scan import (
    scan_log,
    scan_parts,
    scan_positions,
    scan_structure,
    scan_users,
)
from recsys.store.sqlite_schema import (
    Head,
    check_log,
    is_new,
    migrated,
    number,
    read_head,
    write_head,
)

__all__ = ["give_up_damaged"]

_log = logging.getLogger(__name__)


def give_up_damaged(path: Path) -> list[str]:
    """Make a closed store open again without what is damaged in it.

    Returns
    -------
    list of str
        What was lost, a sentence each; empty when nothing was.

    Raises
    ------
    StoreLocked
        When a process has it open.
    CorruptRecord
        When a copy must be restored; nothing was changed.
    """
    mark = Mark(mark_of(path))
    claim = mark.read()
    if not check_there(path, claim):
        detail = f"{path} is missing; restore a generation (`recsys restore`)"
        raise CorruptRecord(detail)
    file = SqliteFile(path)
    try:
        with file.use() as connection, atomic(connection):
            head, losses = _mend(connection, path, claim)
        mark.begin(head.store_id, head.high_water)
    finally:
        file.close()
        mark.close()
    for loss in losses:
        _log.warning("%s: %s", path, loss)
    return losses


def _mend(
    connection: sqlite3.Connection, path: Path, claim: Claim | None
) -> tuple[Head, list[str]]:
    structure = scan_structure(connection)
    if structure or is_new(connection):
        why = structure[0] if structure else "nothing is in it"
        detail = f"{path} cannot be mended ({why}); restore a generation (`recsys restore`)"
        raise CorruptRecord(detail)
    head = migrated(connection, read_head(connection, path))
    acknowledged = head.high_water
    if claim is not None and claim.store_id == head.store_id:
        acknowledged = max(acknowledged, claim.high_water)
    losses: list[str] = []
    head = _mend_snapshot(connection, path, head, losses)
    head = _mend_log(connection, path, head, losses)
    gone = acknowledged - head.high_water
    if gone:
        losses.append(f"events {head.high_water + 1} to {acknowledged} are lost")
    head = msgspec.structs.replace(head, lost=head.lost + gone)
    write_head(connection, head)
    check_log(connection, head, path)
    return head, losses


def _mend_snapshot(
    connection: sqlite3.Connection, path: Path, head: Head, losses: list[str]
) -> Head:
    damaged = [user_id for user_id, finding in scan_users(connection, path) if finding]
    parts = scan_parts(connection, path, head)
    drop = bool(parts) and head.pruned == 0
    if damaged and head.pruned == 0:
        # Whom the snapshot has lost the log brings back, if all of it is there.
        drop = drop or all(event is not None for _, event, _ in scan_log(connection, path, head))
    if drop:
        losses.append("the snapshot is damaged; the state is learned anew from the whole log")
        connection.execute("DELETE FROM state")
        connection.execute("DELETE FROM users")
        head = msgspec.structs.replace(head, snapshot=0, parts=0)
    elif parts:
        detail = (
            f"{path}: {parts[0]}, and the log no longer reaches back to its start; restore a "
            "generation (`recsys restore`)"
        )
        raise CorruptRecord(detail)
    for user_id in damaged if head.snapshot else ():
        losses.append(f"what was known of user {user_id!r} is lost")
        connection.execute("DELETE FROM users WHERE user_id = ?", (user_id,))
    for source, finding in list(scan_positions(connection, path)):
        if finding:
            losses.append(f"the position in {source!r} is lost: it is read from its start")
            connection.execute("DELETE FROM positions WHERE source = ?", (source,))
    return msgspec.structs.replace(
        head,
        users=number(connection, "SELECT count(*) FROM users"),
        sources=number(connection, "SELECT count(*) FROM positions"),
    )


def _mend_log(connection: sqlite3.Connection, path: Path, head: Head, losses: list[str]) -> Head:
    begin, end = head.pruned, head.high_water
    for sequence, event, finding in scan_log(connection, path, head):
        if event is None:
            if sequence > head.snapshot:
                losses.append(finding)
                end = sequence - 1
                break
            begin = sequence
    if begin > head.pruned:
        losses.append(f"events up to {begin} are learned, but can no longer be looked up")
    kept = msgspec.structs.replace(head, pruned=begin, high_water=end)
    connection.execute("DELETE FROM log WHERE seq <= ? OR seq > ?", (begin, end))
    connection.execute("DELETE FROM seen")
    connection.executemany("INSERT INTO seen VALUES (?, ?, ?)", _ids(connection, path, kept))
    return kept


def _ids(
    connection: sqlite3.Connection, path: Path, head: Head
) -> Iterator[tuple[bytes, int, int]]:
    """Yield what is to be remembered of the events of the log."""
    for sequence, event, _ in scan_log(connection, path, head):
        if event is not None:
            key, content = remembered_as(event)
            yield key, sequence, content
