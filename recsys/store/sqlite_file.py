"""One SQLite connection that owns its file, lets one thread in at a time, and speaks our errors."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from recsys.errors import StoreError
from recsys.store.sqlite_errors import FlushFailed, translated
from recsys.store.sqlite_schema import check_kind

__all__ = ["SqliteFile", "atomic"]

_LOCK_PATIENCE_S: Final = 0.5  # a predecessor that was just killed may still hold the lock
_BLOCK_BYTES: Final = 1 << 20
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
    vfs
        Name of one of SQLite's virtual file systems, where ``path`` then lies, its folder included;
        ``None`` for the system's own.

    Raises
    ------
    StoreLocked
        When another process has the file open.
    StoreError
        When the file cannot be opened, or is no store of this version.
    CorruptRecord
        When SQLite finds no database in the file.
    """

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._refusal = ""
        if vfs is None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                detail = f"{path}: its folder cannot be made ({error}); choose another"
                raise StoreError(detail) from error
        with translated(path):
            self._connection = _connect(path, vfs)

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

    def close(self) -> None:
        """Give the file back; a second call is fine."""
        with self._lock:
            self._refusal = f"{self._path}: the store is closed"
            self._connection.close()


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


def _connect(path: Path, vfs: str | None) -> sqlite3.Connection:
    """Open the file for this process alone; SQLite cuts a torn tail of its log by itself here.

    One connection per file is what keeps SQLite before 3.51.3 clear of its WAL-reset fault, which
    needs two. ``locking_mode`` comes first: it keeps the lock from the first read on, and WAL then
    needs no shared memory.

    Raises
    ------
    StoreError
        When the file is no store, or one of another version, or its log cannot be flushed.
    sqlite3.Error
        When the file is locked, damaged, or cannot be opened.
    """
    connection = sqlite3.connect(
        path if vfs is None else f"{path.as_uri()}?vfs={quote(vfs)}",
        timeout=_LOCK_PATIENCE_S,
        isolation_level=None,
        check_same_thread=False,
        uri=vfs is not None,
    )
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        check_kind(connection, path)
        if vfs is None:
            _flush_again(path.with_name(f"{path.name}-wal"))
        for pragma in _PRAGMAS:
            # To the end: a switch to WAL that fails answers first, and raises only then. SQLite
            # would go on with a rollback journal, whose commits a power cut may undo.
            connection.execute(pragma).fetchall()
        mode: tuple[str] = connection.execute("PRAGMA journal_mode").fetchone()
        if mode[0] != "wal":
            detail = f"{path}: its file system cannot hold a write-ahead log; use a local disk"
            raise StoreError(detail)
    except BaseException:
        connection.close()
        raise
    return connection


def _flush_again(log: Path) -> None:
    """Bring what a killed process left in SQLite's log to the disk, byte for byte.

    After a failed flush the kernel takes the lost pages for written: whoever opens the file next
    reads them, builds on them, and no later flush writes them. So they are written anew, in place;
    nobody else touches them while this process has the lock.

    Raises
    ------
    FlushFailed
        When the disk does not confirm it again.
    """
    try:
        with log.open("r+b") as file:
            while block := file.read(_BLOCK_BYTES):
                file.seek(-len(block), os.SEEK_CUR)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    except OSError as error:
        detail = f"{log}: the disk did not take it again ({error}); check the disk"
        raise FlushFailed(detail) from error
