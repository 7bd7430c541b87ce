"""A closed store held against all that it knows about itself; nothing is changed."""

import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from recsys.errors import RecsysError, StoreError, StoreLocked
from recsys.store.mark import Mark
from recsys.store.sqlite_check import check_claim, check_there, mark_of
from recsys.store.sqlite_file import reading
from recsys.store.sqlite_scan import (
    scan_ids,
    scan_log,
    scan_parts,
    scan_positions,
    scan_structure,
    scan_users,
)
from recsys.store.sqlite_schema import (
    SCHEMA,
    Head,
    check_kind,
    check_log,
    is_new,
    number,
    read_head,
)

__all__ = ["Report", "verify"]

_FINDINGS: Final = 20  # named; the others are counted


class Report(msgspec.Struct, kw_only=True):
    """What was found.

    Attributes
    ----------
    events, users, parts
        How many were read.
    high_water, snapshot
        See ``recsys.store.sqlite_schema.Head``.
    acknowledged
        What the mark beside the store says, ``None`` where it is missing or damaged.
    lost
        Events that were given up earlier.
    damage
        What is wrong, a sentence each, the first 20.
    more
        How many more there are.
    notes
        What is unusual but right.
    """

    schema: int = 0
    store_id: str = ""
    events: int = 0
    users: int = 0
    parts: int = 0
    high_water: int = 0
    snapshot: int = 0
    acknowledged: int | None = None
    lost: int = 0
    damage: list[str] = []
    more: int = 0
    notes: list[str] = []

    def add(self, finding: str | None) -> None:
        """Take a finding, ``None`` being none."""
        if finding is None:
            return
        if len(self.damage) < _FINDINGS:
            self.damage.append(finding)
        else:
            self.more += 1


def verify(path: Path) -> Report:
    """Read a store that nobody has open, all of it.

    Raises
    ------
    StoreLocked
        When a process has it open.
    """
    report = Report()
    try:
        _verify(path, report)
    except StoreLocked:
        raise
    except RecsysError as error:
        # Where the structure is broken the rows below cannot be told.
        report.add(str(error).removeprefix(f"{path}: "))
    return report


def _verify(path: Path, report: Report) -> None:
    claim = Mark(mark_of(path)).read()
    report.acknowledged = None if claim is None else claim.high_water
    if not check_there(path, claim):
        detail = f"{path} is missing"
        raise StoreError(detail)
    with reading(path) as connection:
        check_kind(connection, path)
        if is_new(connection):
            report.notes.append("nothing was ever written")
            return
        report.schema = number(connection, "PRAGMA user_version")
        for finding in scan_structure(connection):
            report.add(finding)
        head = read_head(connection, path)
        report.high_water, report.snapshot, report.lost = head.high_water, head.snapshot, head.lost
        report.store_id = head.store_id.hex()
        try:
            check_claim(path, head, claim)
        except RecsysError as error:
            report.add(str(error).removeprefix(f"{path} ").split("; ")[0])
        for sequence, event, finding in scan_log(connection, path, head):
            report.events += event is not None
            report.add(scan_ids(connection, sequence, event) if event is not None else finding)
        report.parts = number(connection, "SELECT count(DISTINCT name) FROM state")
        if report.schema != SCHEMA:
            report.notes.append(
                f"of schema {report.schema}; the next opening brings it to {SCHEMA}, and only then "
                "are users and parts bound to their names"
            )
            return
        _verify_snapshot(connection, path, head, report)
        if claim is None and head.high_water:
            report.notes.append("its high-water mark is missing; the next opening writes it anew")


def _verify_snapshot(
    connection: sqlite3.Connection, path: Path, head: Head, report: Report
) -> None:
    if not report.damage:
        check_log(connection, head, path)
    for finding in scan_parts(connection, path, head):
        report.add(finding)
    for _, found in scan_users(connection, path):
        report.users += 1
        report.add(found)
    for _, found in scan_positions(connection, path):
        report.add(found)
