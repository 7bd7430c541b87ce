"""One SQLite connection that owns its file, lets one thread in at a time, and speaks our errors."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from recsys.errors import StoreError
from recsys.store.sqlite_errors import FlushFailed, translated
from recsys.store.sqlite_schema import check_kind

__all__ = ["SqliteFile", "atomic"]

_LOCK_PATIENCE_S: Final = 0.5  # a predecessor that was just killed may still hold the lock
_CHUNK: Final = 1 << 20  # bytes read at once
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # one flush per commit, before it returns
    "PRAGMA fullfsync = ON",  # macOS: a flush that means it; nothing elsewhere
    "PRAGMA secure_delete = FAST",  # some builds zero all that is deleted, which costs writes
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cache_size = -32768",  # KiB; the keys of ``seen`` are random, their pages are wanted
    # Pages (of 4 KiB) between checkpoints. ``seen`` dirties a page per event; a rarer checkpoint
    # writes each page once for many events.
    "PRAGMA wal_autocheckpoint = 8000",
    "PRAGMA journal_size_limit = 67108864",  # bytes left to ``-wal`` after a large snapshot
)


class SqliteFile:
    """The open file of one shard.

    Parameters
    ----------
    path
        The file; it and its folder are made if need be.

    Raises
    ------
    StoreLocked
        When another process has the file open.
    StoreError
        When the file cannot be opened, or is no store of this version.
    CorruptRecord
        When SQLite finds no database in the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._refusal = ""
        self._reader = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            detail = f"{path}: its folder cannot be made ({error}); choose another"
            raise StoreError(detail) from error
        with translated(path):
            self._connection = _connect(path)

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Let this thread, and no other, use the connection.

        After a failed flush nothing is let in any more: what the disk holds is unknown until the
        file is opened anew.

        Raises
        ------
        StoreError
            After ``close``, after a failed flush, and for whatever SQLite refuses.
        """
        with self._lock:
            if self._refusal:
                raise StoreError(self._refusal)
            try:
                with translated(self._path):
                    yield self._connection
            except FlushFailed as error:
                self._refusal = str(error)
                raise

    def contains(self, needles: Sequence[bytes]) -> bool:
        """Return whether one of some byte strings is anywhere in the file, used or not.

        Asks nobody for the lock: what is written meanwhile may be seen or not.

        Raises
        ------
        StoreError
            When the file cannot be read.
        """
        overlap = max(map(len, needles), default=1) - 1
        try:
            if self._reader < 0:
                # Kept: to close any descriptor of the file gives up the connection's lock on it.
                self._reader = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            place, tail = 0, b""
            while chunk := os.pread(self._reader, _CHUNK, place):
                text = tail + chunk
                if any(needle in text for needle in needles):
                    return True
                place += len(chunk)
                tail = text[len(text) - overlap :] if overlap else b""
        except OSError as error:
            detail = f"{self._path}: cannot be read ({error}); check the disk"
            raise StoreError(detail) from error
        return False

    def close(self) -> None:
        """Give the file back; a second call is fine."""
        with self._lock:
            self._refusal = f"{self._path}: the store is closed"
            self._connection.close()
            if self._reader >= 0:
                os.close(self._reader)
                self._reader = -1


@contextmanager
def atomic(connection: sqlite3.Connection) -> Iterator[None]:
    """Make the block one durable commit; when anything in it raises, nothing was written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # SQLite itself rolls back after some errors
            connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file for this process alone; SQLite cuts a torn tail of its log by itself here.

    One connection per file is what keeps SQLite before 3.51.3 clear of its WAL-reset fault, which
    needs two. ``locking_mode`` comes first: it keeps the lock from the first read on, and WAL then
    needs no shared memory.

    Raises
    ------
    StoreError
        When the file is no store, or one of another version.
    sqlite3.Error
        When the file is locked, damaged, or cannot be opened.
    """
    connection = sqlite3.connect(
        path, timeout=_LOCK_PATIENCE_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        check_kind(connection, path)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        mode: tuple[str] = connection.execute("PRAGMA journal_mode").fetchone()
        if mode[0] != "wal":
            detail = f"{path}: its file system cannot hold a write-ahead log; use a local disk"
            raise StoreError(detail)
    except BaseException:
        connection.close()
        raise
    return connection
