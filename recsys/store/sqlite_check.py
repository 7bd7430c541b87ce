"""What is looked at before a store is opened for writing, while all of it is as it was found."""

import logging
from pathlib import Path

from recsys.errors import CorruptRecord
from recsys.store.mark import Claim, Mark
from recsys.store.sqlite_file import reading, wal_of
from recsys.store.sqlite_rows import ADVICE
from recsys.store.sqlite_schema import Head, check_kind, is_new, read_head

__all__ = ["check_claim", "check_there", "examine", "mark_of"]

_log = logging.getLogger(__name__)


def mark_of(path: Path) -> Path:
    """Return where the high-water mark of a store lies."""
    return path.with_name(f"{path.name}-mark")


def examine(path: Path, mark: Mark) -> None:
    """Hold a store against its mark; changes nothing.

    Raises
    ------
    StoreLocked, StoreError
        When somebody has it open, or when it is no store of this version.
    CorruptRecord
        When acknowledged events are missing, or the head is damaged.
    """
    claim = mark.read()
    if not check_there(path, claim):
        return
    with reading(path) as connection:
        check_kind(connection, path)
        head = Head() if is_new(connection) else read_head(connection, path)
    check_claim(path, head, claim)
    if claim is None and head.store_id and head.high_water:
        _log.warning(
            "%s is missing or damaged, so that nothing tells whether the newest events of the "
            "store are there; it is written anew",
            mark.path,
        )


def check_there(path: Path, claim: Claim | None) -> bool:
    """Say whether there is a store; a file of no bytes is none.

    Raises
    ------
    CorruptRecord
        When there is none, but what belonged to one. SQLite would take the file for a new one, and
        delete the log beside it.
    """
    if not path.is_file() or not path.stat().st_size:
        wal = wal_of(path)
        if (claim and claim.high_water) or (wal.exists() and wal.stat().st_size):
            detail = f"{path} is missing or empty, but what belongs to it is there; {ADVICE}"
            raise CorruptRecord(detail)
        return False
    return True


def check_claim(path: Path, head: Head, claim: Claim | None) -> None:
    """Hold the head of a store against what its mark says.

    Raises
    ------
    CorruptRecord
        When acknowledged events are missing, or when the two do not belong together.
    """
    if claim is None or not claim.high_water:
        return
    if claim.store_id != head.store_id:
        detail = (
            f"{mark_of(path)} is that of another store, up to event {claim.high_water}; put the "
            f"store that belongs to it back. If there is none, {ADVICE}"
        )
        raise CorruptRecord(detail)
    if head.high_water < claim.high_water:
        detail = (
            f"{path} ends at event {head.high_water}, but event {claim.high_water} was "
            f"acknowledged: {claim.high_water - head.high_water} are missing; {ADVICE}"
        )
        raise CorruptRecord(detail)
