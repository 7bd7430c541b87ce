"""One SQLite connection that owns its file, lets one thread in at a time, and speaks our errors."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import quote

from recsys.errors import FlushFailed, StoreError
from recsys.store.sqlite_errors import translated
from recsys.store.sqlite_schema import check_kind

__all__ = ["SqliteFile", "atomic", "reading", "wal_of"]

_log = logging.getLogger(__name__)

_LOCK_PATIENCE_S: Final = 0.5  # a predecessor that was just killed may still hold the lock
_BLOCK_BYTES: Final = 1 << 20  # read at once
_PAGES_AT_ONCE: Final = 64  # of a copy
_BREATH_S: Final = 0.0005
_WAL_HEADER: Final = 32  # https://sqlite.org/fileformat2.html#the_write_ahead_log
_WAL_SALTS: Final = slice(16, 24)
_FRAME_HEADER: Final = 24
_FRAME_SALTS: Final = slice(8, 16)
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # one flush per commit, before it returns
    "PRAGMA fullfsync = ON",  # macOS: a flush that means it; nothing elsewhere
    "PRAGMA secure_delete = FAST",  # some builds zero all that is deleted, which costs writes
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cache_size = -32768",  # KiB; the keys of ``seen`` are random, their pages are wanted
    # Pages (of 4 KiB) between checkpoints. ``seen`` dirties a page per event; a rarer checkpoint
    # writes each page once for many events, but all wait for it: some 15 ms for so many.
    "PRAGMA wal_autocheckpoint = 2000",
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

    Attributes
    ----------
    cut_bytes
        What SQLite left out at this opening because it was torn.

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
        self._reader = -1
        if vfs is None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                detail = f"{path}: its folder cannot be made ({error}); choose another"
                raise StoreError(detail) from error
        with translated(path):
            self._connection = _connect(path, vfs)
            self.cut_bytes = _cut_bytes(self._connection, path)
        if self.cut_bytes:
            _log.warning(
                "%s: %d bytes of a commit that was never finished were cut from the end",
                path,
                self.cut_bytes,
            )

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
            while chunk := os.pread(self._reader, _BLOCK_BYTES, place):
                text = tail + chunk
                if any(needle in text for needle in needles):
                    return True
                place += len(chunk)
                tail = text[len(text) - overlap :] if overlap else b""
        except OSError as error:
            detail = f"{self._path}: cannot be read ({error}); check the disk"
            raise StoreError(detail) from error
        return False

    def copy_to(self, target: Path, stop: threading.Event) -> None:
        """Copy the file as it is at the end of the copying, while others go on using it.

        The lock is given up after every few pages, so that nobody waits long for the disk or for
        this. What others write meanwhile goes into the copy as well: SQLite sees to that.

        Raises
        ------
        StoreError
            As for ``use``; also when ``stop`` was set, and when the copy cannot be written.
        """

        def breathe(status: int, remaining: int, total: int) -> None:
            self._lock.release()
            # Not only released: a lock that is taken again at once is never given to a waiter.
            time.sleep(_BREATH_S)
            self._lock.acquire()
            if stop.is_set():
                self._stopped_copying()
            if self._refusal:
                raise StoreError(self._refusal)

        with self.use() as connection, closing(sqlite3.connect(target)) as copy:
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")
            connection.backup(copy, pages=_PAGES_AT_ONCE, progress=breathe)

    def _stopped_copying(self) -> NoReturn:
        detail = f"{self._path}: the copying was stopped"
        raise StoreError(detail)

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


def wal_of(path: Path) -> Path:
    """Return where SQLite keeps the write-ahead log of a file."""
    return path.with_name(f"{path.name}-wal")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Look into a file that nobody has open; neither it nor its log is changed.

    A connection that may write would, when it is closed, carry the readable part of the log over
    and delete the log: with it what somebody might still save of a damaged one.

    Raises
    ------
    StoreLocked
        When somebody has it open.
    StoreError, CorruptRecord
        As for ``SqliteFile``.
    """
    shared = path.with_name(f"{path.name}-shm")
    with translated(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=_LOCK_PATIENCE_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA cell_size_check = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            # One transaction: nobody can begin to write in between.
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
            shared.unlink(missing_ok=True)


def _cut_bytes(connection: sqlite3.Connection, path: Path) -> int:
    """Return how many bytes of the log's own generation SQLite did not take over.

    A log is written anew from its start after a checkpoint, under another salt: what is left of the
    generation before is not counted. To be asked before the first write.
    """
    pages: tuple[int, int, int] = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    size: tuple[int] = connection.execute("PRAGMA page_size").fetchone()
    wal = wal_of(path)
    if not wal.exists():
        return 0
    end = _WAL_HEADER + max(0, pages[1]) * (_FRAME_HEADER + size[0])
    with wal.open("rb") as file:
        salts = file.read(_WAL_HEADER)[_WAL_SALTS]
        file.seek(end)
        frame = file.read(_FRAME_HEADER)[_FRAME_SALTS]
    beyond = wal.stat().st_size - end
    return beyond if beyond > 0 and (len(frame) < len(salts) or frame == salts) else 0


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
        detail = (
            f"{log}: what a killed process left cannot be written and flushed again ({error}); "
            "make it writable, and check the disk"
        )
        raise FlushFailed(detail) from error
