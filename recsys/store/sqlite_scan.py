"""Reads a store from end to end and names what is damaged."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from recsys.errors import CorruptRecord
from recsys.events import Event
from recsys.store.dedupe import remembered_as
from recsys.store.sqlite_parts import read_parts
from recsys.store.sqlite_rows import digest_parts, open_event, open_position, open_user, unsealed
from recsys.store.sqlite_schema import Head

__all__ = ["scan_ids", "scan_log", "scan_parts", "scan_positions", "scan_structure", "scan_users"]

Finding = str | None
"""What is wrong with a row, ``None`` when it is sound."""


def scan_structure(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite finds wrong with its own pages and indexes."""
    rows: list[tuple[str]] = connection.execute("PRAGMA integrity_check(5)").fetchall()
    return [text for (text,) in rows if text != "ok"]


def scan_log(
    connection: sqlite3.Connection, path: Path, head: Head
) -> Iterator[tuple[int, Event | None, str]]:
    """Yield every sequence that should be there, its event if it is sound, or what is wrong."""
    expected = head.pruned + 1
    rows: Iterator[tuple[int, bytes, bytes]] = connection.execute(
        "SELECT seq, event_key, record FROM log WHERE seq > ? AND seq <= ? ORDER BY seq",
        (head.pruned, head.high_water),
    )
    for sequence, key, record in rows:
        for missing in range(expected, sequence):
            yield missing, None, f"event {missing} is missing from the log"
        expected = sequence + 1
        try:
            yield sequence, open_event(path, sequence, key, record), ""
        except CorruptRecord as error:
            yield sequence, None, _short(path, error)
    for missing in range(expected, head.high_water + 1):
        yield missing, None, f"event {missing} is missing from the log"


def scan_ids(connection: sqlite3.Connection, sequence: int, event: Event) -> Finding:
    """Hold what is remembered of an event's id against the event."""
    key, content = remembered_as(event)
    row: tuple[int, int] | None = connection.execute(
        "SELECT seq, content FROM seen WHERE event_key = ?", (key,)
    ).fetchone()
    if row is None or row[0] != sequence:
        return f"the id of event {sequence} is forgotten"
    return None if row[1] == content else f"event {sequence} is remembered with other content"


def scan_parts(connection: sqlite3.Connection, path: Path, head: Head) -> list[str]:
    """Return what is wrong with the parts of the snapshot."""
    parts = read_parts(connection, head.generation)
    findings = []
    for name, record in parts.items():
        try:
            unsealed(path, f"part {name!r}", record)
        except CorruptRecord as error:
            findings.append(_short(path, error))
    if not findings and digest_parts(parts) != head.parts:
        findings.append("the parts of the snapshot are not those written")
    return findings


def scan_users(connection: sqlite3.Connection, path: Path) -> Iterator[tuple[str, Finding]]:
    """Yield every user and what is wrong with their record."""
    rows: Iterator[tuple[str, bytes, int]] = connection.execute(
        "SELECT user_id, record, binding FROM users ORDER BY user_id"
    )
    for user_id, record, binding in rows:
        try:
            open_user(path, user_id, record, binding)
        except CorruptRecord as error:
            yield user_id, _short(path, error)
        else:
            yield user_id, None


def scan_positions(connection: sqlite3.Connection, path: Path) -> Iterator[tuple[str, Finding]]:
    """Yield every outside log and what is wrong with the position in it."""
    for source, record in connection.execute("SELECT source, record FROM positions"):
        try:
            open_position(path, source, record)
        except CorruptRecord as error:
            yield source, _short(path, error)
        else:
            yield source, None


def _short(path: Path, error: CorruptRecord) -> str:
    """Return the finding alone: its reader knows the file, and is told once what to do."""
    return str(error).removeprefix(f"{path}: ").split("; ")[0]
