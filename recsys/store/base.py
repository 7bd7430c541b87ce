"""The contract of a store: one shard's log, dedupe set, snapshot and users.

Lifecycle: the owner opens the store, asks ``snapshot_sequence`` and ``load`` for the last snapshot,
folds ``read(after=...)``, then alternates ``append`` and ``commit_snapshot`` and at last calls
``close``. Calls may come from several threads; a store lets one in at a time. ``append`` blocks
until the operating system says that the bytes are on the disk; ``close`` may never run.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path

import msgspec

from recsys.events import Event, PartitionIn
from recsys.store.records import DeadLetter, Erasure
from recsys.tombstones import Cause

__all__ = ["Append", "Outcome", "Store"]


class Outcome(Enum):
    """What became of one event of an append."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """The same id with the same content is in the log already; nothing was written."""
    CONFLICT = "conflict"
    """The same id with other content is in the log already; the first one stays."""


class Append(msgspec.Struct, frozen=True):
    """The result of one event's append.

    Attributes
    ----------
    sequence
        Its place in the log; of the earlier event for duplicates and conflicts.
    """

    outcome: Outcome
    sequence: int


class Store(ABC):
    """One shard's durable memory. Sequences start at 1 and have no gaps.

    Attributes
    ----------
    folder
        Where its files lie; ``None`` where it has none, or keeps them on no disk of the system's.
    """

    folder: Path | None = None

    @abstractmethod
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        """Write events in one durable commit, each id at most once while the log holds it.

        Repeats inside ``events`` count as duplicates or conflicts of the first. Content is
        everything but ``ts_ms``, which a server may have made (``recsys.store.dedupe``).

        Parameters
        ----------
        positions
            Where to go on reading the outside logs that the events came from, by their names. They
            are written by the same commit, so that each event of such a log is taken once.

        Raises
        ------
        StoreError
            When nothing was written (disk full, read-only, closed); after a failed flush the
            events may be found all the same at the next opening.
        """

    @abstractmethod
    def read(self, *, after: int) -> Iterator[tuple[int, Event]]:
        """Yield ``(sequence, event)`` with sequences above ``after``, in order.

        Begins at the oldest event kept where older ones have left the log, and ends where the log
        ended when the reading began.

        Raises
        ------
        CorruptRecord
            At a damaged row or a gap, saying which and what to do.
        """

    @abstractmethod
    def find(self, event_id: str) -> tuple[int, Event] | None:
        """Return an event of the log by its id, ``None`` when it is not (or no longer) there."""

    @abstractmethod
    def positions(self) -> dict[str, int]:
        """Return where to go on reading outside logs, by their names.

        Raises
        ------
        CorruptRecord
            When one fails its checksum.
        """

    @property
    @abstractmethod
    def last_sequence(self) -> int:
        """Sequence of the newest event, 0 for an empty log."""

    @property
    @abstractmethod
    def snapshot_sequence(self) -> int:
        """Sequence of the last event that the snapshot contains, 0 without a snapshot."""

    @property
    def lost(self) -> int:
        """Acknowledged events that were damaged and given up by their owner's order."""
        return 0

    @abstractmethod
    def remembered(
        self, partition: int, partitions: int, *, after: int = 0
    ) -> Iterator[tuple[bytes, int]]:
        """Yield key and content of what the log holds of a partition's people, in log order.

        With what came with the partition from other shards (``recsys.moving``), and with what was
        taken out of the log, of which nobody knows any more whose it was: whoever is told all of it
        takes none of these events again.

        Parameters
        ----------
        after
            Sequence of the last event that is left aside.

        Raises
        ------
        CorruptRecord
            See ``read``.
        """

    def staging(self, parts: Mapping[str, bytes]) -> Iterator[None]:
        """Write parts ahead in short steps, between which others may use the store.

        To be given to ``commit_snapshot`` afterwards, the same mapping. What is not given to it is
        no part of anything. A store to which this does not matter does nothing here.

        Raises
        ------
        StoreError
            When it cannot write.
        """
        yield from ()

    def sweeping(self) -> Iterator[None]:
        """Delete in short steps what the last snapshot has replaced, after ``staging``.

        Raises
        ------
        StoreError
            When it cannot write; the next ``staging`` does it.
        """
        yield from ()

    @abstractmethod
    def commit_snapshot(
        self,
        sequence: int,
        parts: Mapping[str, bytes],
        users: Mapping[str, bytes],
        *,
        gone: Collection[str] = (),
        letters: Sequence[DeadLetter] = (),
    ) -> None:
        """Replace the snapshot in one transaction.

        Parameters
        ----------
        sequence
            The state is the one after this event.
        parts
            Every part of the shared state, name to record; parts not named are dropped.
        users
            The users that changed since the last snapshot; the others stay as they are.
        gone
            Users who were erased, or went to another shard, since then; dropped before ``users``
            are written.
        letters
            Of events that could not be learned; of all there are, the newest stay.

        Raises
        ------
        StoreError
            When nothing was written, or when ``sequence`` lies before the last snapshot or after
            the end of the log.
        """

    @abstractmethod
    def load(self) -> dict[str, bytes]:
        """Return the parts of the last snapshot, empty without one.

        Raises
        ------
        CorruptRecord
            When a part fails its checksum.
        """

    @abstractmethod
    def load_user(self, user_id: str) -> bytes | None:
        """Return one user's record as of the last snapshot, ``None`` for a stranger.

        Raises
        ------
        CorruptRecord
            When the record fails its checksum.
        """

    @abstractmethod
    def user_ids(self) -> Iterator[str]:
        """Yield the ids of all users of the last snapshot, sorted."""

    @property
    @abstractmethod
    def n_users(self) -> int:
        """How many users the last snapshot has."""

    @abstractmethod
    def users_after(self, user_id: str, limit: int) -> list[tuple[str, bytes]]:
        """Return ids and records of the first users behind an id, sorted; ``""`` is before all.

        Raises
        ------
        CorruptRecord
            When a record fails its checksum.
        """

    @abstractmethod
    def erasures(self) -> list[Erasure]:
        """Return the erasures of people, oldest first.

        One begins with the append of its ``UserErase``, in the same commit.

        Raises
        ------
        CorruptRecord
            When one fails its checksum.
        """

    @abstractmethod
    def dead_letters(self) -> list[DeadLetter]:
        """Return the events that could not be learned, oldest first.

        Raises
        ------
        CorruptRecord
            When one fails its checksum.
        """

    @abstractmethod
    def events_of(self, user_ids: Collection[str], *, upto: int) -> Iterator[tuple[int, str]]:
        """Yield ``(sequence, user_id)`` of the events of people, in order, page by page.

        Parameters
        ----------
        upto
            Last sequence that is looked at.

        Raises
        ------
        CorruptRecord
            At a damaged row.
        """

    @abstractmethod
    def arrivals(
        self, user_ids: Collection[str], *, upto: int
    ) -> Iterator[tuple[int, PartitionIn]]:
        """Yield the events that may have brought people here, and their sequences, in order.

        They brought others along. Raises as ``events_of``.
        """

    @abstractmethod
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
        """Put tombstones in the place of events, in one commit.

        Their ids are still remembered: whatever comes under one of them is a duplicate. The dead
        letters of these events go, and so do those that hold something of an erased person.

        Parameters
        ----------
        others
            Events that take the place of those with the same ids, by sequence.
        letters
            Dead letters to be kept of them.
        erasures
            Take the place of the erasures of the same sequences.
        afresh
            Whether to drop the snapshot and all users with it, so that the next opening folds the
            log from its start.

        Raises
        ------
        StoreError
            When nothing was written.
        """

    @abstractmethod
    def scrub(self, user_ids: Collection[str]) -> None:
        """Let no byte of what was deleted stay where this store keeps its files; blocks.

        Parameters
        ----------
        user_ids
            Who must not be found afterwards. Empty when they are not known any more: then the
            files are written anew.

        Raises
        ------
        StoreError
            When it could not be done; it may be tried again.
        """

    @abstractmethod
    def close(self) -> None:
        """Release files and locks. The store cannot be used afterwards; a second call is fine."""
