"""The events by which a partition comes to a shard and leaves it.

They are part of the shard's log, records and all, so that the log alone still determines the state.
No interface takes them from outside.
"""

from typing import Final

import msgspec

from recsys.errors import InvalidEvent
from recsys.tombstones import BURIED

__all__ = ["MAX_LUGGAGE_BYTES", "PartitionIn", "PartitionOut", "check_move"]

MAX_LUGGAGE_BYTES: Final = 8 << 20
_MAX_PARTITIONS: Final = 65_536
_MAX_EPOCH: Final = 2**63
_KEY_BYTES: Final = 16


class PartitionIn(
    msgspec.Struct,
    frozen=True,
    tag="partition_in",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """Some of what another shard knew of the people of a partition; the first part replaces all.

    Attributes
    ----------
    ts_ms
        The latest time of this shard's own log: an arrival closes no list.
    partition, partitions
        Which one, and of how many.
    epoch
        Of the shard map that the move makes; grows with every move of a partition.
    part, last
        Counted from 0; whether the shard owns the partition from here on.
    record
        A ``recsys.moving.luggage.Luggage``.
    remembered
        Key and content of events that the other shard took (``recsys.store.dedupe``): this one
        takes them no more.
    """

    event_id: str
    ts_ms: int
    partition: int
    partitions: int
    epoch: int
    part: int
    last: bool
    record: bytes
    remembered: tuple[tuple[bytes, int], ...] = ()


class PartitionOut(
    msgspec.Struct,
    frozen=True,
    tag="partition_out",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """Another shard owns a partition from here on; its people are forgotten here.

    Attributes
    ----------
    ts_ms, partition, partitions, epoch
        See ``PartitionIn``.
    """

    event_id: str
    ts_ms: int
    partition: int
    partitions: int
    epoch: int


def check_move(event: PartitionIn | PartitionOut, pointer: str) -> None:
    """Hold an event against the limits of its numbers and sizes.

    Raises
    ------
    InvalidEvent
        Naming the first field that breaks a limit.
    """
    if not 1 <= event.partitions <= _MAX_PARTITIONS:
        detail = f"must lie in 1..{_MAX_PARTITIONS}, got {event.partitions}"
        raise InvalidEvent(f"{pointer}/partitions", detail)
    if not 0 <= event.partition < event.partitions:
        detail = f"must lie in 0..{event.partitions - 1}, got {event.partition}"
        raise InvalidEvent(f"{pointer}/partition", detail)
    if not 1 <= event.epoch < _MAX_EPOCH:
        raise InvalidEvent(f"{pointer}/epoch", f"must lie in 1..2^63 - 1, got {event.epoch}")
    if isinstance(event, PartitionIn):
        if event.part < 0:
            raise InvalidEvent(f"{pointer}/part", f"must not be negative, got {event.part}")
        if len(event.record) > MAX_LUGGAGE_BYTES:
            detail = f"at most {MAX_LUGGAGE_BYTES} bytes, got {len(event.record)}"
            raise InvalidEvent(f"{pointer}/record", detail)
        for place, (key, content) in enumerate(event.remembered):
            if len(key) != _KEY_BYTES or not BURIED <= content < 2**32:
                raise InvalidEvent(f"{pointer}/remembered/{place}", "is no key and its content")
