"""Each of SQLite's errors becomes one of ours, with the file and what to do."""

import sqlite3
from pathlib import Path

import pytest

from recsys.errors import CorruptRecord, RecsysError, StoreError, StoreLocked
from recsys.store.sqlite_errors import translate, translated


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (sqlite3.SQLITE_BUSY, StoreLocked, "open in another process"),
        (sqlite3.SQLITE_BUSY_RECOVERY, StoreLocked, "open in another process"),
        (sqlite3.SQLITE_LOCKED, StoreLocked, "open in another process"),
        (sqlite3.SQLITE_FULL, StoreError, "the disk is full"),
        (sqlite3.SQLITE_READONLY, StoreError, "read-only"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, StoreError, "read-only"),
        (sqlite3.SQLITE_PERM, StoreError, "denied"),
        (sqlite3.SQLITE_CANTOPEN, StoreError, "cannot be opened"),
        (sqlite3.SQLITE_CANTOPEN_ISDIR, StoreError, "cannot be opened"),
        (sqlite3.SQLITE_IOERR, StoreError, "failed to read or write"),
        (sqlite3.SQLITE_IOERR_WRITE, StoreError, "failed to read or write"),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreError, "did not confirm"),
        (sqlite3.SQLITE_IOERR_DIR_FSYNC, StoreError, "did not confirm"),
        (sqlite3.SQLITE_CORRUPT, CorruptRecord, "damaged or no store"),
        (sqlite3.SQLITE_CORRUPT_VTAB, CorruptRecord, "damaged or no store"),
        (sqlite3.SQLITE_NOTADB, CorruptRecord, "damaged or no store"),
        (sqlite3.SQLITE_TOOBIG, StoreError, "larger than the 1 GB"),
        (sqlite3.SQLITE_MISUSE, StoreError, "SQLite refused: words"),
        (None, StoreError, "SQLite refused: words"),
    ],
)
def test_every_error_of_sqlite_becomes_ours(
    code: int | None, kind: type[RecsysError], message: str
) -> None:
    error = sqlite3.OperationalError("words")
    if code is not None:
        error.sqlite_errorcode = code
    ours = translate(error, Path("/data/store.sqlite"))
    assert isinstance(ours, kind)
    assert "/data/store.sqlite" in str(ours)
    assert message in str(ours)


def test_other_errors_pass_through() -> None:
    with pytest.raises(KeyError), translated(Path("/data/store.sqlite")):
        raise KeyError
    with pytest.raises(StoreError) as caught, translated(Path("/data/store.sqlite")):
        raise sqlite3.DataError
    assert isinstance(caught.value.__cause__, sqlite3.DataError)
