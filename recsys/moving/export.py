"""Packs what a shard knows of the people of a partition, in parts that fit into events."""

from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple, Self, TypeVar

import msgspec

from recsys.codec import unpack
from recsys.learners.envelope import reseal_envelope
from recsys.moving.luggage import Luggage, pack_list, pack_person, seal_luggage
from recsys.partition import partition_of
from recsys.state import State
from recsys.store.base import Store
from recsys.users import User

__all__ = ["Part", "Scouted", "export", "memories"]

_PEOPLE: Final = 100
"""Per part; somebody with a long history and a River model has some 10 KB."""
_LISTS: Final = 100
_REMEMBERED: Final = 20_000

_T = TypeVar("_T")


class Part(NamedTuple):
    """Some of it; see ``recsys.moving.events.PartitionIn``."""

    record: bytes
    remembered: tuple[tuple[bytes, int], ...]


class Scouted(NamedTuple):
    """What was found out about a partition ahead of its export.

    Attributes
    ----------
    stored
        People whom the store holds; as good as new until the next snapshot.
    after
        Events of the log up to this sequence need not be remembered: they are already.
    """

    partition: int
    partitions: int
    stored: frozenset[str]
    after: int = 0

    @classmethod
    def of(cls, store: Store, partition: int, partitions: int, after: int = 0) -> Self:
        """Look for the people of a partition among all whom a store holds; blocks."""
        ids = (one for one in store.user_ids() if partition_of(one, partitions) == partition)
        return cls(partition, partitions, frozenset(ids), after)


def export(
    state: State,
    store: Store,
    load: Callable[[str], bytes | None],
    keys: tuple[bytes, bytes],
    scouted: Scouted,
) -> Iterator[Part]:
    """Yield all parts; at least one, and nothing may be learned in between.

    Parameters
    ----------
    load
        Returns the record of somebody who is not in memory.
    keys
        Under which this shard seals the models of its people, and the other one.
    """
    partition, partitions = scouted.partition, scouted.partitions

    def ours(user_id: str) -> bool:
        return partition_of(user_id, partitions) == partition

    people = _batches(_people(state, scouted.stored, load, ours), _PEOPLE)
    lists = _batches(iter(state.joiner.waiting(ours)), _LISTS)
    remembered = store.remembered(partition, partitions, after=scouted.after)
    empty = True
    for some in people:
        travellers = [pack_person(_resealed(user, keys), state.catalogue) for user in some]
        yield Part(seal_luggage(Luggage(people=travellers)), ())
        empty = False
    for waiting in lists:
        packed = [pack_list(pending, state.catalogue) for pending in waiting]
        yield Part(seal_luggage(Luggage(lists=packed)), ())
        empty = False
    for part in _memories(remembered):
        yield part
        empty = False
    if empty:
        yield Part(seal_luggage(Luggage()), ())


def memories(store: Store, partition: int, partitions: int) -> Iterator[Part]:
    """Yield parts that hold nothing but what is remembered of the log as it is now.

    They may go ahead of the others, while the shard goes on learning.
    """
    return _memories(store.remembered(partition, partitions))


def _memories(remembered: Iterator[tuple[bytes, int]]) -> Iterator[Part]:
    for prints in _batches(remembered, _REMEMBERED):
        yield Part(seal_luggage(Luggage()), tuple(prints))


def _people(
    state: State,
    stored: Collection[str],
    load: Callable[[str], bytes | None],
    ours: Callable[[str], bool],
) -> Iterator[User]:
    """Yield each person once, in the order of the ids, without bringing them into memory."""
    ids = set(stored).difference(state.users.erased)
    ids.update(user_id for user_id in state.users.in_memory() if ours(user_id))
    for user_id in sorted(ids):
        present = state.users.find(user_id)
        record = load(user_id) if present is None else state.seal_user(present)
        if record is not None:
            yield unpack(record, User)


def _resealed(user: User, keys: tuple[bytes, bytes]) -> User:
    if not user.model or keys[0] == keys[1]:
        return user
    ours, theirs = keys
    return msgspec.structs.replace(user, model=reseal_envelope(user.model, ours, theirs))


def _batches(values: Iterator[_T], size: int) -> Iterator[list[_T]]:
    batch = list[_T]()
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
