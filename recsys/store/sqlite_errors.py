"""Turns SQLite's errors into ours; the only place that knows its error codes."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys.errors import CorruptRecord, FlushFailed, RecsysError, StoreError, StoreLocked
from recsys.store.sqlite_rows import ADVICE as REPAIR

__all__ = ["translate", "translated"]


_FSYNC_CODES = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, then send the same again",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only; make both writable",
    sqlite3.SQLITE_PERM: "access to the file is denied; give this user the right to write it",
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened; its folder must exist and be writable, and `ulimit -n` allow it"
    ),
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; check the disk and its quota",
    sqlite3.SQLITE_TOOBIG: "a record is larger than the 1 GB that SQLite stores in one value",
}


def translate(error: sqlite3.Error, path: Path) -> RecsysError:
    """Return our error for one of SQLite's.

    Returns
    -------
    RecsysError
        ``StoreLocked`` when another connection holds the file, ``CorruptRecord`` when SQLite
        itself finds damage, ``FlushFailed`` after a failed flush, else ``StoreError``.
    """
    # Errors of Python's own layer (a value that cannot be bound) carry no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in _FSYNC_CODES:
        # The kernel may forget the dirty pages of a failed flush, so that a second flush succeeds
        # without the bytes ever reaching the disk: never retried, never acked.
        return FlushFailed(f"{path}: the disk did not confirm a write; restart to recover from it")
    match code & 0xFF:  # the low byte is the primary code of an extended one
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreLocked(
                f"{path} is open in another process; stop that one, or choose another folder"
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return _damaged(path, str(error))
        case primary if primary in _ADVICE:
            return StoreError(f"{path}: {_ADVICE[primary]} ({error})")
        case _:
            return StoreError(f"{path}: SQLite refused: {error}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise our errors for SQLite's inside the block."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error
    except UnicodeDecodeError as error:
        # Damaged text: of a row, or of the schema in a complaint of SQLite's about it.
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> CorruptRecord:
    return CorruptRecord(f"{path} is damaged or no store ({why}); {REPAIR}")
