"""A shard's memory without a disk, for notebooks and tests; a restart forgets it."""

import copy
import threading
from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import nsmallest

from typing_extensions import override

from recsys.codec import decode_event, encode_event, open_record
from recsys.errors import StoreError
from recsys.events import Decision, Event, Feedback, PartitionIn, UserErase
from recsys.ids import dedupe_key
from recsys.store.base import Append, Outcome, Store
from recsys.store.dedupe import (
    LOG_EVENTS,
    Seen,
    admit,
    check_fit,
    check_retention,
    fingerprint,
    of_partition,
    tombstone,
)
from recsys.store.records import ERASURES, LETTERS, DeadLetter, Erasure, begun
from recsys.tombstones import BURIED, Cause

__all__ = ["MemoryStore"]


@dataclass
class _Durable:
    """What would be on the disk: records, not objects."""

    log: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    """Sequence to key and record, ascending."""
    seen: dict[bytes, Seen] = field(default_factory=dict)
    guests: dict[bytes, Seen] = field(default_factory=dict)
    """What other shards took of people who have come here since."""
    guests_of: dict[bytes, int] = field(default_factory=dict)
    """Their partitions."""
    positions: dict[str, int] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)
    users: dict[str, bytes] = field(default_factory=dict)
    erasures: dict[int, Erasure] = field(default_factory=dict)
    letters: dict[int, DeadLetter] = field(default_factory=dict)
    high_water: int = 0
    snapshot: int = 0


class MemoryStore(Store):
    """The contract without the disk; what is read back is decoded anew, as from a disk.

    Any thread may call any method.

    Parameters
    ----------
    log_events
        How many events up to the snapshot stay in the log; older ones and their ids are forgotten.
    """

    def __init__(self, *, log_events: int = LOG_EVENTS) -> None:
        check_retention(log_events)
        self._log_events = log_events
        self._lock = threading.Lock()
        self._closed = False
        self._durable = _Durable()

    def reopened(self) -> "MemoryStore":
        """Return a new store with everything durable, as a process finds it after a crash.

        Works on a closed store too. What is done to either one later does not reach the other.
        """
        with self._lock:
            other = MemoryStore(log_events=self._log_events)
            other._durable = copy.deepcopy(self._durable)
            return other

    @contextmanager
    def _use(self) -> Iterator[_Durable]:
        with self._lock:
            if self._closed:
                detail = "the store is closed"
                raise StoreError(detail)
            yield self._durable

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        prints = [fingerprint(event) for event in events]
        records = [encode_event(event) for event in events]
        with self._use() as durable:
            known = ChainMap(durable.seen, durable.guests)
            appends = admit(prints, known, durable.high_water)
            for event, append, (key, content), record in zip(
                events, appends, prints, records, strict=True
            ):
                if append.outcome is Outcome.ACCEPTED:
                    if isinstance(event, UserErase):
                        durable.erasures[append.sequence] = begun(append.sequence, event)
                    durable.log[append.sequence] = (key, record)
                    durable.seen[key] = Seen(append.sequence, content)
                    durable.high_water = append.sequence
                    if isinstance(event, PartitionIn):
                        for guest, said in event.remembered:
                            durable.guests.setdefault(guest, Seen(append.sequence, said))
                            durable.guests_of.setdefault(guest, event.partition)
            durable.positions.update(positions or {})
        return appends

    @override
    def read(self, *, after: int) -> Iterator[tuple[int, Event]]:
        with self._use() as durable:
            rows = [(sequence, row) for sequence, row in durable.log.items() if sequence > after]
        for sequence, (_, record) in rows:
            yield sequence, decode_event(record)

    @override
    def find(self, event_id: str) -> tuple[int, Event] | None:
        with self._use() as durable:
            seen = durable.seen.get(dedupe_key(event_id))
            if seen is None:
                return None
            _, record = durable.log[seen.sequence]
        return seen.sequence, decode_event(record)

    @override
    def positions(self) -> dict[str, int]:
        with self._use() as durable:
            return dict(durable.positions)

    @property
    @override
    def last_sequence(self) -> int:
        return self._durable.high_water

    @property
    @override
    def snapshot_sequence(self) -> int:
        return self._durable.snapshot

    @override
    def remembered(
        self, partition: int, partitions: int, *, after: int = 0
    ) -> Iterator[tuple[bytes, int]]:
        with self._use() as durable:
            guests = [
                (key, durable.guests[key].content)
                for key, of in durable.guests_of.items()
                if of == partition and durable.guests[key].sequence > after
            ]
            rows = [
                (durable.seen[key], key, record)
                for sequence, (key, record) in durable.log.items()
                if sequence > after
            ]
        yield from guests
        for seen, key, record in rows:
            if of_partition(decode_event(record), partition, partitions):
                yield key, seen.content

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
        with self._use() as durable:
            check_fit(sequence, durable.snapshot, durable.high_water)
            durable.parts = dict(parts)
            for user_id in gone:
                durable.users.pop(user_id, None)
            durable.users.update(users)
            _keep(durable, letters)
            durable.snapshot = sequence
            for old in [seq for seq in durable.log if seq <= sequence - self._log_events]:
                key, _ = durable.log.pop(old)
                del durable.seen[key]
            for key, seen in list(durable.guests.items()):
                if seen.sequence <= sequence - self._log_events:
                    del durable.guests[key], durable.guests_of[key]

    @override
    def load(self) -> dict[str, bytes]:
        with self._use() as durable:
            parts = dict(durable.parts)
        for record in parts.values():
            open_record(record)
        return parts

    @override
    def load_user(self, user_id: str) -> bytes | None:
        with self._use() as durable:
            record = durable.users.get(user_id)
        if record is not None:
            open_record(record)
        return record

    @override
    def user_ids(self) -> Iterator[str]:
        with self._use() as durable:
            ids = sorted(durable.users)
        yield from ids

    @property
    @override
    def n_users(self) -> int:
        with self._use() as durable:
            return len(durable.users)

    @override
    def users_after(self, user_id: str, limit: int) -> list[tuple[str, bytes]]:
        with self._use() as durable:
            ids = nsmallest(limit, (one for one in durable.users if one > user_id))
            rows = [(one, durable.users[one]) for one in ids]
        for _, record in rows:
            open_record(record)
        return rows

    @override
    def erasures(self) -> list[Erasure]:
        with self._use() as durable:
            return [erasure for _, erasure in sorted(durable.erasures.items())]

    @override
    def dead_letters(self) -> list[DeadLetter]:
        with self._use() as durable:
            return [letter for _, letter in sorted(durable.letters.items())]

    @override
    def events_of(self, user_ids: Collection[str], *, upto: int) -> Iterator[tuple[int, str]]:
        for sequence, event in self.read(after=0):
            if sequence > upto:
                return
            if isinstance(event, Decision | Feedback | UserErase) and event.user_id in user_ids:
                yield sequence, event.user_id

    @override
    def arrivals(
        self, user_ids: Collection[str], *, upto: int
    ) -> Iterator[tuple[int, PartitionIn]]:
        for sequence, event in self.read(after=0):
            if sequence <= upto and isinstance(event, PartitionIn):
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
        with self._use() as durable:
            people = {durable.erasures[erasure.sequence].user_id for erasure in erasures} - {""}
            for sequence in sequences:
                durable.letters.pop(sequence, None)
                if sequence in durable.log:
                    key, _ = durable.log[sequence]
                    durable.log[sequence] = (key, tombstone(key, cause))
                    durable.seen[key] = Seen(sequence, BURIED)
            for sequence, other in (others or {}).items():
                if sequence in durable.log:
                    print_ = fingerprint(other)
                    durable.log[sequence] = (print_.key, encode_event(other))
                    durable.seen[print_.key] = Seen(sequence, print_.content)
            for sequence, letter in list(durable.letters.items()):
                event = decode_event(letter.record)
                if isinstance(event, Decision | Feedback | UserErase) and event.user_id in people:
                    del durable.letters[sequence]
            _keep(durable, letters)
            durable.erasures.update({erasure.sequence: erasure for erasure in erasures})
            finished = sorted(seq for seq, one in durable.erasures.items() if one.done_ms)
            for sequence in finished[:-ERASURES]:
                del durable.erasures[sequence]
            if afresh:
                durable.parts, durable.users, durable.snapshot = {}, {}, 0

    @override
    def scrub(self, user_ids: Collection[str]) -> None:
        """Nothing to do: there are no files."""

    @override
    def close(self) -> None:
        with self._lock:
            self._closed = True


def _keep(durable: _Durable, letters: Sequence[DeadLetter]) -> None:
    durable.letters.update({letter.sequence: letter for letter in letters})
    for sequence in sorted(durable.letters)[:-LETTERS]:
        del durable.letters[sequence]
