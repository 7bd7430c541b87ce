"""The people who are not in memory: their records in the store, and those on their way there."""

from collections.abc import Collection, Mapping

from recsys.events import Event, PartitionIn, PartitionOut, UserErase
from recsys.partition import partition_of
from recsys.store.base import Store

__all__ = ["Shelf", "Void", "is_in"]

Void = Mapping[tuple[int, int], int]
"""Partitions, and of how many, of which the store's records are no longer true."""


class Shelf:
    """Records by user id.

    Attributes
    ----------
    closed
        While the log is folded from its start, stored people are from the future: none is found.
    """

    def __init__(self, store: Store) -> None:
        self.closed = False
        self._store = store
        self._waiting = dict[str, bytes]()

    def load(self, user_id: str, void: Void) -> bytes | None:
        """Return somebody's newest record, ``None`` for a stranger."""
        if self.closed:
            return None
        record = self._waiting.get(user_id)
        if record is not None or is_in(user_id, void):
            return record
        return self._store.load_user(user_id)

    def ids(self, void: Void) -> set[str]:
        """Return the ids of all who have a record; reads the whole store."""
        stored = (user_id for user_id in self._store.user_ids() if not is_in(user_id, void))
        return {*self._waiting, *stored}

    def gone(self, void: Void) -> list[str]:
        """Return whose records in the store are no longer true; reads all ids if there are any."""
        if not void:
            return []
        return [user_id for user_id in self._store.user_ids() if is_in(user_id, void)]

    def add(self, records: Mapping[str, bytes]) -> dict[str, bytes]:
        """Take in what was captured, and return all that waits for its commit."""
        self._waiting.update(records)
        return dict(self._waiting)

    def settle(self, records: Mapping[str, bytes]) -> None:
        """Let go what was committed, but for those who have changed since."""
        for user_id, record in records.items():
            if self._waiting.get(user_id) is record:
                del self._waiting[user_id]

    def drop(self, event: Event) -> None:
        """Let go of what waits of those whom an event has dropped."""
        if isinstance(event, UserErase):
            self._waiting.pop(event.user_id, None)
        elif isinstance(event, PartitionOut) or (isinstance(event, PartitionIn) and not event.part):
            partition = event.partition, event.partitions
            for user_id in [one for one in self._waiting if is_in(one, {partition})]:
                del self._waiting[user_id]

    def clear(self) -> None:
        """Let go of all that waits."""
        self._waiting.clear()

    def __contains__(self, user_id: object) -> bool:
        """Return whether somebody's record waits for its commit."""
        return user_id in self._waiting


def is_in(user_id: str, partitions: Collection[tuple[int, int]]) -> bool:
    """Return whether somebody belongs to one of some partitions, each of so many."""
    return any(partition_of(user_id, of) == partition for partition, of in partitions)
