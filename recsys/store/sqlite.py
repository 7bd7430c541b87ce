"""A shard's durable memory in one SQLite file.

Commit order: an append writes log rows, remembered ids, positions and the head in one transaction,
and returns after its one flush; a snapshot writes users and the head, which says which parts are in
force, in another. So each of them is there as a whole or not at all, and there is nothing to
reconcile after a crash.
"""

import logging
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from typing_extensions import override

from recsys.codec import encode_event
from recsys.errors import CorruptRecord, StoreError
from recsys.events import Decision, Event, Feedback, PartitionIn, UserErase
from recsys.ids import dedupe_key
from recsys.killpoints import kill_point
from recsys.store import sqlite_removal as removal
from recsys.store.base import Append, Store
from recsys.store.dedupe import (
    LOG_EVENTS,
    admit,
    check_fit,
    check_retention,
    fingerprint,
    of_partition,
    remembered_as,
)
from recsys.store.mark import Mark
from recsys.store.records import DeadLetter, Erasure
from recsys.store.sqlite_append import write_events, write_positions
from recsys.store.sqlite_check import examine, mark_of
from recsys.store.sqlite_file import SqliteFile, atomic
from recsys.store.sqlite_look_ups import (
    find_user,
    guests_of,
    ids_after,
    recall,
    records,
    users_after,
)
from recsys.store.sqlite_parts import load_parts, write_parts
from recsys.store.sqlite_rows import ADVICE, bind, digest_parts, open_event, open_position
from recsys.store.sqlite_schema import number, prepare, read_head, write_head
from recsys.store.sqlite_staging import drop_former, stage, sweep
from recsys.tombstones import Cause

__all__ = ["SqliteStore"]

_log = logging.getLogger(__name__)

_PAGE: Final = 500  # rows fetched under the lock at once, so that a reader never blocks long


class SqliteStore(Store):
    """One file on a local disk, open in one process.

    Any thread may call any method: a lock lets one in at a time, and nothing but the disk is
    waited for while it is held. Iterators take the lock page by page.

    Parameters
    ----------
    path
        The file; it and its folder are made if need be. SQLite keeps ``<path>-wal`` beside it,
        and its high-water mark in ``<path>-mark``; both are part of the store.
    log_events
        How many events up to the snapshot stay in the log for look-ups and repeats. Older ones go,
        and their ids are forgotten: the window for duplicates is the retention of the log.
    vfs
        SQLite's virtual file system that the file lies on, where it is not the system's own.

    Raises
    ------
    StoreLocked
        When another process has the file open.
    StoreError
        When the file cannot be opened, or is no store of this version.
    CorruptRecord
        When the file is damaged: a gap in the log, a log that ends before the last acknowledged
        event, a broken head. The files stay as they were.
    """

    def __init__(
        self, path: str | Path, *, log_events: int = LOG_EVENTS, vfs: str | None = None
    ) -> None:
        check_retention(log_events)
        self._path = Path(path).absolute()
        self._log_events = log_events
        self.folder = self._path.parent if vfs is None else None
        self._mark = Mark(mark_of(self._path)) if vfs is None else None
        if self._mark is not None:
            examine(self._path, self._mark)
        self._file = SqliteFile(self._path, vfs=vfs)
        self._staged: Mapping[str, bytes] | None = None
        try:
            with self._file.use() as connection, atomic(connection):
                self._head = prepare(connection, self._path)
            self._begin_mark()
        except BaseException:
            self._file.close()
            raise

    def _begin_mark(self) -> None:
        if self._mark is None:
            return
        try:
            self._mark.begin(self._head.store_id, self._head.high_water)
        except OSError as error:
            detail = f"{self._mark.path} cannot be written: {error.strerror}; make it writable"
            raise StoreError(detail) from error

    @property
    def epoch(self) -> int:
        """How often the file was opened, this time included."""
        return self._head.epoch

    @property
    def store_id(self) -> bytes:
        """16 bytes that no other store has."""
        return self._head.store_id

    @property
    def cut_bytes(self) -> int:
        """What was torn at the end and left out at this opening."""
        return self._file.cut_bytes

    @property
    @override
    def lost(self) -> int:
        return self._head.lost

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
                appends = admit(prints, recall(connection, prints, self._path), head.high_water)
                accepted = write_events(connection, events, prints, records, appends)
                if accepted:
                    head = msgspec.structs.replace(head, high_water=accepted[-1])
                if positions:
                    write_positions(connection, positions)
                    sources = number(connection, "SELECT count(*) FROM positions")
                    head = msgspec.structs.replace(head, sources=sources)
                if head != self._head:
                    write_head(connection, head)
                kill_point("before-sync")
            kill_point("after-sync")
            self._head = head  # still under the lock, so that it never goes back
            if accepted and self._mark is not None:
                self._mark.write(head.high_water)
        return appends

    @override
    def read(self, *, after: int) -> Iterator[tuple[int, Event]]:
        sequence, end = after, self._head.high_water
        while sequence < end:
            with self._file.use() as connection:
                # A snapshot between two pages may have dropped what was to be read next.
                sequence = max(sequence, read_head(connection, self._path).pruned)
                page: list[tuple[int, bytes, bytes, int | None]] = connection.execute(
                    "SELECT log.seq, log.event_key, record, seen.seq FROM log"
                    " LEFT JOIN seen USING (event_key)"
                    " WHERE log.seq > ? AND log.seq <= ? ORDER BY log.seq LIMIT ?",
                    (sequence, end, _PAGE),
                ).fetchall()
            if not page and sequence < end:
                raise self._missing(sequence + 1)
            for found, key, record, remembered in page:
                sequence += 1
                if found != sequence:
                    raise self._missing(sequence)
                event = open_event(self._path, sequence, key, record)
                if remembered != sequence:
                    detail = f"{self._path}: the id of event {sequence} is forgotten; {ADVICE}"
                    raise CorruptRecord(detail)
                yield sequence, event

    def _missing(self, sequence: int) -> CorruptRecord:
        return CorruptRecord(f"{self._path}: event {sequence} is missing from the log; {ADVICE}")

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
        return sequence, open_event(self._path, sequence, key, record or b"")

    @override
    def positions(self) -> dict[str, int]:
        with self._file.use() as connection:
            rows: list[tuple[str, bytes]] = connection.execute(
                "SELECT source, record FROM positions ORDER BY source"
            ).fetchall()
        return {source: open_position(self._path, source, record) for source, record in rows}

    @property
    @override
    def last_sequence(self) -> int:
        return self._head.high_water

    @property
    @override
    def snapshot_sequence(self) -> int:
        return self._head.snapshot

    @override
    def remembered(
        self, partition: int, partitions: int, *, after: int = 0
    ) -> Iterator[tuple[bytes, int]]:
        with self._file.use() as connection:
            guests = guests_of(connection, partition, after)
        yield from guests
        for _, event in self.read(after=after):
            if of_partition(event, partition, partitions):
                yield remembered_as(event)

    @override
    def staging(self, parts: Mapping[str, bytes]) -> Iterator[None]:
        self._staged = None
        yield from self.sweeping()
        yield from stage(self._file, self._head.generation + 1, parts)
        self._staged = parts

    @override
    def sweeping(self) -> Iterator[None]:
        yield from sweep(self._file, self._head.generation)

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
                generation = head.generation + 1
                if self._staged is not parts:
                    write_parts(connection, generation, parts)
                left = connection.executemany(
                    "DELETE FROM users WHERE user_id = ?", [(user_id,) for user_id in gone]
                ).rowcount
                rows = [(name, record, bind(name, record)) for name, record in users.items()]
                known = connection.executemany(
                    "UPDATE users SET record = ?2, binding = ?3 WHERE user_id = ?1", rows
                ).rowcount
                connection.executemany("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", rows)
                removal.add_letters(connection, letters)
                pruned = max(head.pruned, sequence - self._log_events)
                removal.prune(connection, head.pruned, pruned)
                head = msgspec.structs.replace(
                    head,
                    snapshot=sequence,
                    pruned=pruned,
                    generation=generation,
                    parts=digest_parts(parts),
                    users=head.users - max(0, left) + len(rows) - max(0, known),
                )
                write_head(connection, head)
                kill_point("mid-snapshot")
            self._head = head  # still under the lock, so that it never goes back
            self._staged = None
            if self._mark is not None:
                self._mark.flush()

    @override
    def load(self) -> dict[str, bytes]:
        with self._file.use() as connection:
            return load_parts(connection, self._path, self._head.generation, self._head.parts)

    @override
    def load_user(self, user_id: str) -> bytes | None:
        with self._file.use() as connection:
            return find_user(connection, self._path, user_id)

    @override
    def user_ids(self) -> Iterator[str]:
        page = [""]
        while page:
            with self._file.use() as connection:
                page = ids_after(connection, page[-1], _PAGE)
            yield from page

    @property
    @override
    def n_users(self) -> int:
        return self._head.users

    @override
    def users_after(self, user_id: str, limit: int) -> list[tuple[str, bytes]]:
        with self._file.use() as connection:
            return users_after(connection, self._path, user_id, limit)

    def copy_to(self, target: Path, stop: threading.Event) -> None:
        """Copy the store to a new file while it is used; see ``SqliteFile.copy_to``."""
        self._file.copy_to(target, stop)

    @override
    def erasures(self) -> list[Erasure]:
        with self._file.use() as connection:
            return records(connection, self._path, "erasures", Erasure)

    @override
    def dead_letters(self) -> list[DeadLetter]:
        with self._file.use() as connection:
            return records(connection, self._path, "dead_letters", DeadLetter)

    @override
    def events_of(self, user_ids: Collection[str], *, upto: int) -> Iterator[tuple[int, str]]:
        for page in removal.pages_of(self._file, user_ids, upto=upto):
            for sequence, key, record in page:
                event = open_event(self._path, sequence, key, record)
                if isinstance(event, Decision | Feedback | UserErase) and event.user_id in user_ids:
                    yield sequence, event.user_id

    @override
    def arrivals(
        self, user_ids: Collection[str], *, upto: int
    ) -> Iterator[tuple[int, PartitionIn]]:
        for page in removal.pages_of(self._file, user_ids, upto=upto):
            for sequence, key, record in page:
                event = open_event(self._path, sequence, key, record)
                if isinstance(event, PartitionIn):
                    yield sequence, event

    @override
    def bury(
        self,
        sequences: Collection[int],
        cause: Cause,
        *,
        others: Mapping[int, Event] | None = None,
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
                removal.rewrite(connection, others or {})
                removal.replace(connection, erasures, people)
                removal.add_letters(connection, letters)
                if afresh:
                    connection.execute("DELETE FROM state")
                    connection.execute("DELETE FROM users")
                    head = msgspec.structs.replace(head, snapshot=0, parts=0, users=0)
                    write_head(connection, head)
            self._head = head

    @override
    def scrub(self, user_ids: Collection[str]) -> None:
        drop_former(self._file, self._head.generation)
        if removal.scrub(self._file, user_ids) and user_ids:
            _log.info("%s: written anew, for pages had kept what was deleted", self._path)

    @override
    def close(self) -> None:
        self._file.close()
        if self._mark is not None:
            self._mark.close()
