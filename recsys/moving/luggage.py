"""People and their waiting lists, told by ids instead of a shard's dense indices.

Each shard numbers items and attribute tokens in the order in which its own log named them. What
leaves a shard is therefore written with ids and tokens, and what arrives is numbered anew. An item
or a token for which the new shard has no room is left behind.
"""

from collections.abc import Collection, Iterable

import msgspec
import numpy as np

from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.joiner import Pending
from recsys.moving.events import PartitionIn
from recsys.past import Consumed, Seen
from recsys.tastes import Tastes
from recsys.users import User

__all__ = [
    "Luggage",
    "Traveller",
    "Waiting",
    "open_luggage",
    "pack_list",
    "pack_person",
    "seal_luggage",
    "unpack_list",
    "unpack_person",
    "without",
]


class Traveller(msgspec.Struct):
    """A person.

    Attributes
    ----------
    user
        Without what is told by indices.
    items, seen, consumed
        What the fields of ``User`` with these names hold, by ids and in their order.
    tastes
        Of each attribute token: mean, share of the prior that is left, lesson that touched it last.
    """

    user: User
    items: list[str]
    seen: list[tuple[str, int]]
    consumed: list[str]
    tastes: list[tuple[str, float, float, int]]


class Waiting(msgspec.Struct):
    """A list inside its reward window, and the ids of its items, by slot."""

    pending: Pending
    items: list[str]


class Luggage(msgspec.Struct):
    """What travels together."""

    people: list[Traveller] = []
    lists: list[Waiting] = []


def seal_luggage(luggage: Luggage) -> bytes:
    """Return the record of some luggage."""
    return pack(luggage)


def open_luggage(record: bytes) -> Luggage:
    """Return the luggage of a record.

    Raises
    ------
    CorruptRecord
        When the record is damaged or holds something else.
    """
    return unpack(record, Luggage)


def without(event: PartitionIn, user_ids: Collection[str]) -> PartitionIn | None:
    """Return an arrival as if some people had not been part of it, ``None`` if none of them was.

    Raises
    ------
    CorruptRecord
        When its record is damaged.
    """
    luggage = open_luggage(event.record)
    people = [one for one in luggage.people if one.user.user_id not in user_ids]
    lists = [one for one in luggage.lists if one.pending.user_id not in user_ids]
    if len(people) == len(luggage.people) and len(lists) == len(luggage.lists):
        return None
    return msgspec.structs.replace(event, record=seal_luggage(Luggage(people, lists)))


def pack_person(user: User, catalogue: Catalogue) -> Traveller:
    """Return a person told by ids; their personal models must have been stored in ``user``."""

    def ids(items: Iterable[int]) -> list[str]:
        return [catalogue[item].item_id for item in items]

    known = user.tastes
    return Traveller(
        user=msgspec.structs.replace(
            user,
            items=user.items[:0],
            seen=Seen(),
            consumed=Consumed(),
            tastes=Tastes(lessons=known.lessons),
            session=-1,
        ),
        items=ids(user.items.tolist()),
        seen=[(catalogue[item].item_id, count) for item, count in user.seen.counts()],
        consumed=ids(user.consumed.items.tolist()),
        tastes=[
            (catalogue.token(token), mean, left, touched)
            for token, mean, left, touched in known.columns()
        ],
    )


def unpack_person(traveller: Traveller, catalogue: Catalogue, ts_ms: int) -> User:
    """Return a person whose items and tokens are numbered as in this catalogue.

    Parameters
    ----------
    ts_ms
        When items that this shard does not know are said to have been named first.
    """
    user = traveller.user
    liked = [
        (item, at)
        for item_id, at in zip(traveller.items, user.times_ms.tolist(), strict=True)
        if (item := catalogue.mention(item_id, ts_ms)) is not None
    ]
    known = [
        (token, mean, left, touched)
        for name, mean, left, touched in traveller.tastes
        if (token := catalogue.token_index(name)) is not None
    ]
    return msgspec.structs.replace(
        user,
        items=np.array([item for item, _ in liked], np.int32),
        times_ms=np.array([at for _, at in liked], np.int64),
        seen=Seen.of(
            (item, count)
            for item_id, count in traveller.seen
            if (item := catalogue.mention(item_id, ts_ms)) is not None
        ),
        consumed=Consumed.of(
            item
            for item_id in traveller.consumed
            if (item := catalogue.mention(item_id, ts_ms)) is not None
        ),
        tastes=Tastes.of(known, user.tastes.lessons),
    )


def pack_list(pending: Pending, catalogue: Catalogue) -> Waiting:
    """Return a waiting list told by ids."""
    items = [
        slot.item_id if slot.item < 0 else catalogue[slot.item].item_id for slot in pending.slots
    ]
    return Waiting(pending, items)


def unpack_list(waiting: Waiting, catalogue: Catalogue) -> Pending:
    """Return a list, numbered alike; to have been shown brings no item into a catalogue."""
    pending = waiting.pending
    for slot, item_id in zip(pending.slots, waiting.items, strict=True):
        item = catalogue.index(item_id)
        slot.item, slot.item_id = (-1, item_id) if item is None else (item, "")
    return pending
