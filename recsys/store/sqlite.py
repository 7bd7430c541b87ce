"""A shard's durable memory in one SQLite file.

Commit order: an append writes log rows, remembered ids, positions and the head in one transaction,
and returns after its one flush; a snapshot writes parts, users, and the head in another. So each of
them is there as a whole or not at all, and there is nothing to reconcile after a crash.
"""

import logging
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec
from typing_extensions import override

from recsys.codec import decode_event, encode_event, open_record, pack, unpack
from recsys.errors import CorruptRecord
from recsys.events import Decision, Event, Feedback, UserErase
from recsys.ids import dedupe_key
from recsys.store import sqlite_removal as removal
from recsys.store.base import Append, Outcome, Store
from recsys.store.dedupe import (
    LOG_EVENTS,
    Fingerprint,
    Seen,
    admit,
    check_fit,
    check_retention,
    fingerprint,
    key_of,
)
from recsys.store.records import DeadLetter, Erasure
from recsys.store.sqlite_file import SqliteFile, atomic
from recsys.store.sqlite_schema import prepare, read_head, write_head
from recsys.tombstones import Cause

__all__ = ["SqliteStore"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_PAGE: Final = 500  # rows fetched under the lock at once, so that a reader never blocks long
_RECALLED: Final = 512  # keys asked for at once
_ADVICE: Final = "keep a copy of the file, then restore it from a backup"


class SqliteStore(Store):
    """One file on a local disk, open in one process.

    Any thread may call any method: a lock lets one in at a time, and nothing but the disk is
    waited for while it is held. Iterators take the lock page by page.

    Parameters
    ----------
    path
        The file; it and its folder are made if need be. SQLite keeps ``<path>-wal`` beside it,
        which is part of the store.
    log_events
        How many events up to the snapshot stay in the log for look-ups and repeats. Older ones go,
        and their ids are forgotten: the window for duplicates is the retention of the log.

    Raises
    ------
    StoreLocked
        When another process has the file open.
    StoreError
        When the file cannot be opened, or is no store of this version.
    CorruptRecord
        When the file is damaged: a gap in the log, a log that ends too early, a broken head.
    """

    def __init__(self, path: str | Path, *, log_events: int = LOG_EVENTS) -> None:
        check_retention(log_events)
        self._path = Path(path).absolute()
        self._log_events = log_events
        self._file = SqliteFile(self._path)
        try:
            with self._file.use() as connection, atomic(connection):
                self._head = prepare(connection, self._path)
        except BaseException:
            self._file.close()
            raise

    @property
    def epoch(self) -> int:
        """How often the file was opened, this time included."""
        return self._head.epoch

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        if not events and not positions:
            return []
        prints = [fingerprint(event) for event in events]
        records = [encode_event(event) for event in events]
        with self._file.use() as connection:
            with atomic(connection):
                head = read_head(connection, self._path)
                appends = admit(prints, _recall(connection, prints), head.high_water)
                rows = [
                    (append.sequence, print_, record)
                    for append, print_, record in zip(appends, prints, records, strict=True)
                    if append.outcome is Outcome.ACCEPTED
                ]
                erased = [
                    (append.sequence, event)
                    for append, event in zip(appends, events, strict=True)
                    if append.outcome is Outcome.ACCEPTED and isinstance(event, UserErase)
                ]
                if rows:
                    connection.executemany(
                        "INSERT INTO log VALUES (?, ?, ?)",
                        [(sequence, print_.key, record) for sequence, print_, record in rows],
                    )
                    connection.executemany(
                        "INSERT INTO seen VALUES (?, ?, ?)",
                        [(print_.key, sequence, print_.content) for sequence, print_, _ in rows],
                    )
                    removal.begin(connection, erased)
                    head = msgspec.structs.replace(head, high_water=rows[-1][0])
                    write_head(connection, head)
                if positions:
                    connection.executemany(
                        "INSERT OR REPLACE INTO positions VALUES (?, ?)",
                        [(source, pack((source, at))) for source, at in positions.items()],
                    )
            self._head = head  # still under the lock, so that it never goes back
        return appends

    @override
    def read(self, *, after: int) -> Iterator[tuple[int, Event]]:
        sequence, end = after, self._head.high_water
        while sequence < end:
            with self._file.use() as connection:
                # A snapshot between two pages may have dropped what was to be read next.
                sequence = max(sequence, read_head(connection, self._path).pruned)
                page: list[tuple[int, bytes, bytes]] = connection.execute(
                    "SELECT seq, event_key, record FROM log WHERE seq > ? AND seq <= ?"
                    " ORDER BY seq LIMIT ?",
                    (sequence, end, _PAGE),
                ).fetchall()
            if not page and sequence < end:
                raise self._missing(sequence + 1)
            for found, key, record in page:
                sequence += 1
                if found != sequence:
                    raise self._missing(sequence)
                yield sequence, self._open_event(sequence, key, record)

    def _missing(self, sequence: int) -> CorruptRecord:
        return CorruptRecord(f"{self._path}: event {sequence} is missing from the log; {_ADVICE}")

    def _open_event(self, sequence: int, key: bytes, record: bytes) -> Event:
        try:
            event = decode_event(record)
        except CorruptRecord as error:
            detail = f"{self._path}: event {sequence} of the log is damaged ({error}); {_ADVICE}"
            raise CorruptRecord(detail) from error
        if key_of(event) != key:
            detail = (
                f"{self._path}: event {sequence} of the log is filed under another id; {_ADVICE}"
            )
            raise CorruptRecord(detail)
        return event

    @override
    def find(self, event_id: str) -> tuple[int, Event] | None:
        key = dedupe_key(event_id)
        with self._file.use() as connection:
            row: tuple[int, bytes | None] | None = connection.execute(
                "SELECT seen.seq, log.record FROM seen LEFT JOIN log USING (seq)"
                " WHERE seen.event_key = ?",
                (key,),
            ).fetchone()
        if row is None:
            return None
        sequence, record = row
        return sequence, self._open_event(sequence, key, record or b"")

    @override
    def positions(self) -> dict[str, int]:
        with self._file.use() as connection:
            rows: list[tuple[str, bytes]] = connection.execute(
                "SELECT source, record FROM positions ORDER BY source"
            ).fetchall()
        return {source: self._position(source, record) for source, record in rows}

    def _position(self, source: str, record: bytes) -> int:
        try:
            named, at = unpack(record, tuple[str, int])
            if named != source:
                detail = f"it is that of {named!r}"
                raise CorruptRecord(detail)
        except CorruptRecord as error:
            detail = f"{self._path}: the position in {source!r} is damaged ({error}); {_ADVICE}"
            raise CorruptRecord(detail) from error
        return at

    @property
    @override
    def last_sequence(self) -> int:
        return self._head.high_water

    @property
    @override
    def snapshot_sequence(self) -> int:
        return self._head.snapshot

    @override
    def commit_snapshot(
        self,
        sequence: int,
        parts: Mapping[str, bytes],
        users: Mapping[str, bytes],
        *,
        gone: Collection[str] = (),
        letters: Sequence[DeadLetter] = (),
    ) -> None:
        with self._file.use() as connection:
            with atomic(connection):
                head = read_head(connection, self._path)
                check_fit(sequence, head.snapshot, head.high_water)
                connection.execute("DELETE FROM state")
                connection.executemany("INSERT INTO state VALUES (?, ?)", parts.items())
                connection.executemany(
                    "DELETE FROM users WHERE user_id = ?", [(user_id,) for user_id in gone]
                )
                connection.executemany("INSERT OR REPLACE INTO users VALUES (?, ?)", users.items())
                removal.add_letters(connection, letters)
                pruned = max(head.pruned, sequence - self._log_events)
                if pruned > head.pruned:
                    connection.execute(
                        "DELETE FROM seen WHERE event_key IN"
                        " (SELECT event_key FROM log WHERE seq <= ?)",
                        (pruned,),
                    )
                    connection.execute("DELETE FROM log WHERE seq <= ?", (pruned,))
                head = msgspec.structs.replace(head, snapshot=sequence, pruned=pruned)
                write_head(connection, head)
            self._head = head  # still under the lock, so that it never goes back

    @override
    def load(self) -> dict[str, bytes]:
        with self._file.use() as connection:
            rows: list[tuple[str, bytes]] = connection.execute(
                "SELECT name, record FROM state ORDER BY name"
            ).fetchall()
        return {name: self._checked(f"part {name!r}", record) for name, record in rows}

    @override
    def load_user(self, user_id: str) -> bytes | None:
        with self._file.use() as connection:
            row: tuple[bytes] | None = connection.execute(
                "SELECT record FROM users WHERE user_id = ?", (user_id,)
            ).fetchone()
        return None if row is None else self._checked(f"user {user_id!r}", row[0])

    def _checked(self, what: str, record: bytes) -> bytes:
        try:
            open_record(record)
        except CorruptRecord as error:
            detail = f"{self._path}: {what} of the snapshot is damaged ({error}); {_ADVICE}"
            raise CorruptRecord(detail) from error
        return record

    @override
    def user_ids(self) -> Iterator[str]:
        last = ""
        while True:
            with self._file.use() as connection:
                page: list[tuple[str]] = connection.execute(
                    "SELECT user_id FROM users WHERE user_id > ? ORDER BY user_id LIMIT ?",
                    (last, _PAGE),
                ).fetchall()
            if not page:
                return
            for (last,) in page:
                yield last

    @override
    def erasures(self) -> list[Erasure]:
        return self._records("erasures", Erasure)

    @override
    def dead_letters(self) -> list[DeadLetter]:
        return self._records("dead_letters", DeadLetter)

    def _records(self, table: Literal["erasures", "dead_letters"], kind: type[T]) -> list[T]:
        with self._file.use() as connection:
            rows: list[tuple[int, bytes]] = connection.execute(
                f"SELECT seq, record FROM {table} ORDER BY seq"
            ).fetchall()
        try:
            return [unpack(record, kind) for _, record in rows]
        except CorruptRecord as error:
            detail = f"{self._path}: a record of {table} is damaged ({error}); {_ADVICE}"
            raise CorruptRecord(detail) from error

    @override
    def events_of(self, user_ids: Collection[str], *, upto: int) -> Iterator[tuple[int, str]]:
        for page in removal.pages_of(self._file, user_ids, upto=upto):
            for sequence, key, record in page:
                event = self._open_event(sequence, key, record)
                if isinstance(event, Decision | Feedback | UserErase) and event.user_id in user_ids:
                    yield sequence, event.user_id

    @override
    def bury(
        self,
        sequences: Collection[int],
        cause: Cause,
        *,
        letters: Sequence[DeadLetter] = (),
        erasures: Sequence[Erasure] = (),
        afresh: bool = False,
    ) -> None:
        former = {erasure.sequence: erasure.user_id for erasure in self.erasures()}
        people = {former.get(erasure.sequence, "") for erasure in erasures} - {""}
        with self._file.use() as connection:
            with atomic(connection):
                head = read_head(connection, self._path)
                removal.bury(connection, sequences, cause)
                removal.replace(connection, erasures, people)
                removal.add_letters(connection, letters)
                if afresh:
                    connection.execute("DELETE FROM state")
                    connection.execute("DELETE FROM users")
                    head = msgspec.structs.replace(head, snapshot=0)
                    write_head(connection, head)
            self._head = head

    @override
    def scrub(self, user_ids: Collection[str]) -> None:
        if removal.scrub(self._file, user_ids) and user_ids:
            _log.info("%s: written anew, for pages had kept what was deleted", self._path)

    @override
    def close(self) -> None:
        self._file.close()


def _recall(connection: sqlite3.Connection, prints: Sequence[Fingerprint]) -> dict[bytes, Seen]:
    """Return what the log remembers of the ids of a batch."""
    known = dict[bytes, Seen]()
    keys = [key for key, _ in prints]
    for start in range(0, len(keys), _RECALLED):
        some = keys[start : start + _RECALLED]
        # One question for many keys costs a quarter of one each. SQLite translates each length
        # anew, so there are few: the last key fills up to a power of two.
        size = 1 << (len(some) - 1).bit_length()
        some += some[-1:] * (size - len(some))
        marks = ",".join("?" * size)
        rows: Iterator[tuple[bytes, int, int]] = connection.execute(
            f"SELECT event_key, seq, content FROM seen WHERE event_key IN ({marks})", some
        )
        known.update((key, Seen(sequence, content)) for key, sequence, content in rows)
    return known
