"""Stores to be crashed, damaged and brought into trouble by tests."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from recsys.codec import pack
from recsys.events import Event, Feedback
from recsys.store.base import Store
from recsys.store.dedupe import LOG_EVENTS
from recsys.store.memory import MemoryStore
from recsys.store.sqlite import SqliteStore

__all__ = [
    "MemoryPlace",
    "RawStore",
    "SqlitePlace",
    "clicks",
    "damage",
    "filled",
    "flush_fails",
    "raw",
    "sequences",
]


def clicks(first: int, last: int) -> list[Event]:
    """Return the events ``e<first>`` to ``e<last>``."""
    return [
        Feedback(event_id=f"e{n}", user_id="u", ts_ms=n, type="click", item_id="i")
        for n in range(first, last + 1)
    ]


def sequences(store: Store) -> list[int]:
    """Return the sequences of everything in the log."""
    return [sequence for sequence, _ in store.read(after=0)]


class SqlitePlace:
    """Opens each time a copy of the files as they lie there: what a killed process leaves behind.

    The store opened before keeps its lock on its own copy; nobody writes to it any more.
    """

    def __init__(self, folder: Path, *, log_events: int = LOG_EVENTS) -> None:
        self._folder = folder
        self._log_events = log_events
        self._stores: list[SqliteStore] = []

    @property
    def path(self) -> Path:
        """The file of the store opened last."""
        return self._path(len(self._stores) - 1)

    def _path(self, place: int) -> Path:
        return self._folder / str(place) / "store.sqlite"

    def __call__(self) -> SqliteStore:
        path = self._path(len(self._stores))
        path.parent.mkdir(parents=True)
        if self._stores:
            for name in (self.path.name, f"{self.path.name}-wal", f"{self.path.name}-mark"):
                if (left := self.path.with_name(name)).exists():
                    shutil.copyfile(left, path.with_name(name))
        self._stores.append(SqliteStore(path, log_events=self._log_events))
        return self._stores[-1]

    def close(self) -> None:
        """Close every store that was opened."""
        for store in self._stores:
            store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class MemoryPlace:
    """Opens each time a store with what the last one had made durable."""

    def __init__(self, **options: int) -> None:
        self._store = MemoryStore(**options)

    def __call__(self) -> MemoryStore:
        self._store = self._store.reopened()
        return self._store


class RawStore(SqliteStore):
    """Runs statements on the store's own connection, to bring it into trouble."""

    def run(self, query: str) -> None:
        with self._file.use() as connection:
            connection.execute(query)

    def ask(self, query: str) -> int:
        with self._file.use() as connection:
            row: tuple[int] = connection.execute(query).fetchone()
        return row[0]


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """Reach into the file past the store, which must be closed."""
    connection = sqlite3.connect(path)
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


def filled(path: Path) -> Path:
    """Leave a closed store of 20 events, a snapshot after 10, one part and one user."""
    store = SqliteStore(path)
    store.append(clicks(1, 20))
    store.commit_snapshot(10, {"model": pack(b"model")}, {"ann": pack(b"ann")})
    store.close()
    return path


def damage(path: Path, query: str, *values: str | bytes | int) -> Path:
    """Change rows of a closed store."""
    with raw(path) as connection:
        assert connection.execute(query, values).rowcount > 0
    return path


@contextmanager
def flush_fails(path: Path) -> Iterator[None]:
    """Let writes to an open file succeed and its flushes fail: ``/dev/null`` does both."""
    descriptors = Path("/proc/self/fd")
    (file,) = [int(fd.name) for fd in descriptors.iterdir() if fd.exists() and fd.samefile(path)]
    kept = os.dup(file)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, file)
    try:
        yield
    finally:
        os.dup2(kept, file)
        os.close(kept)
        os.close(null)
