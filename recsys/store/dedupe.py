"""What every store decides alike: which events are new, and which snapshots fit.

What counts as the same content: everything of an event but ``ts_ms``. An event that came without
a timestamp is stamped by the server when it arrives, so the honest retry of such an event carries
another ``ts_ms`` than its first attempt; it is a duplicate, not a conflict. The price: the same id
with another client-made timestamp counts as a duplicate too, and the first timestamp stays.
"""

import zlib
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from recsys.codec import encode_event
from recsys.errors import StoreError
from recsys.events import Decision, Event, Feedback, Tombstone
from recsys.ids import dedupe_key
from recsys.partition import partition_of
from recsys.store.base import Append, Outcome
from recsys.tombstones import BURIED, Cause

__all__ = [
    "LOG_EVENTS",
    "Fingerprint",
    "Seen",
    "admit",
    "check_fit",
    "check_retention",
    "fingerprint",
    "key_of",
    "of_partition",
    "remembered_as",
    "tombstone",
]

LOG_EVENTS: Final = 10_000_000
"""How many events before the snapshot a log keeps where nobody says otherwise."""

# Two clients may write the same context in another order; that is the same content.
_canonical = msgspec.msgpack.Encoder(order="deterministic")

_Featureless = msgspec.defstruct(
    "_Featureless",
    [name for name in Decision.__struct_fields__ if name != "features"],
    tag="decision",
    tag_field="kind",
)
"""A decision as of record format 1, whose retry must be recognised for ever."""
_Whole = msgspec.defstruct(
    "_Whole",
    [name for name in Feedback.__struct_fields__ if name != "survival"],
    tag="feedback",
    tag_field="kind",
)
"""Feedback of which none is left out, as of record formats 1 and 2."""
_whole = attrgetter(*_Whole.__struct_fields__)


class Fingerprint(NamedTuple):
    """An event's identity: key of its id (16 bytes) and CRC-32 of its content.

    A CRC-32 is enough for the content: whoever forges one gets ``duplicate`` for an answer instead
    of ``conflict``, and the first event stays in both cases.
    """

    key: bytes
    content: int


class Seen(NamedTuple):
    """What is remembered of an event of the log: its sequence and the CRC-32 of its content."""

    sequence: int
    content: int


def fingerprint(event: Event) -> Fingerprint:
    """Return the identity of an event; its content is canonical msgpack without ``ts_ms``."""
    timeless: msgspec.Struct = msgspec.structs.replace(event, ts_ms=0)
    if isinstance(event, Decision) and not event.features:
        timeless = _Featureless(
            *(getattr(timeless, name) for name in _Featureless.__struct_fields__)
        )
    elif isinstance(event, Feedback) and event.survival == 1.0:
        timeless = _Whole(*_whole(timeless))
    return Fingerprint(key_of(event), zlib.crc32(_canonical.encode(timeless)))


def remembered_as(event: Event) -> Fingerprint:
    """Return what the log remembers of one of its events."""
    if isinstance(event, Tombstone):
        return Fingerprint(key_of(event), BURIED)
    return fingerprint(event)


def key_of(event: Event) -> bytes:
    """Return the key under which an event of the log is filed."""
    if isinstance(event, Tombstone):
        return bytes.fromhex(event.event_id)
    return dedupe_key(event.event_id)


def tombstone(key: bytes, cause: Cause) -> bytes:
    """Return the record that takes the place of an event's."""
    return encode_event(Tombstone(event_id=key.hex(), cause=cause))


def admit(
    prints: Iterable[Fingerprint], known: Mapping[bytes, Seen], last_sequence: int
) -> list[Append]:
    """Give each event of a batch its outcome and its sequence.

    Parameters
    ----------
    known
        What the log remembers, by key; it may hold more than the keys of the batch.
    last_sequence
        Sequence of the newest event of the log; accepted events follow it without a gap, in order.
    """
    fresh: dict[bytes, Seen] = {}
    appends = []
    for key, content in prints:
        earlier = known.get(key) or fresh.get(key)
        if earlier is None:
            last_sequence += 1
            fresh[key] = Seen(last_sequence, content)
            appends.append(Append(Outcome.ACCEPTED, last_sequence))
        elif earlier.content in {content, BURIED}:
            appends.append(Append(Outcome.DUPLICATE, earlier.sequence))
        else:
            appends.append(Append(Outcome.CONFLICT, earlier.sequence))
    return appends


def of_partition(event: Event, partition: int, partitions: int) -> bool:
    """Return whether an event is about somebody of a partition, or may have been."""
    if isinstance(event, Tombstone):
        return True
    user_id = getattr(event, "user_id", None)
    return isinstance(user_id, str) and partition_of(user_id, partitions) == partition


def check_retention(log_events: int) -> None:
    """Refuse a retention that would drop events which no snapshot contains yet."""
    if log_events < 0:
        message = f"log_events must be at least 0, got {log_events}"
        raise ValueError(message)


def check_fit(sequence: int, snapshot: int, last_sequence: int) -> None:
    """Refuse a snapshot older than the last one, or newer than the log.

    Users that did not change since the last snapshot are kept: an older one would mix two states.
    """
    if not snapshot <= sequence <= last_sequence:
        detail = (
            f"a snapshot after event {sequence} does not fit between the last snapshot, after "
            f"{snapshot}, and the end of the log, {last_sequence}"
        )
        raise StoreError(detail)
