"""Moves a partition from one engine to another, in steps that may be broken off and begun again.

::

    the old owner exports            nothing of the partition may be learned from here on
    the new owner takes PartitionIn  part by part, durable; the last one makes it the owner
    the old owner takes PartitionOut durable; it forgets the people

Who routes requests sends them to the new owner after that. What is broken off before
``PartitionOut`` leaves the old owner as it was; the next attempt, of a later epoch, replaces
whatever the new one has taken. What is broken off after it has been done.
"""

from collections.abc import Iterator

from recsys.counters import Move
from recsys.engine import Engine
from recsys.errors import StoreError
from recsys.events import Event, PartitionIn, PartitionOut
from recsys.moving.export import Part
from recsys.store.base import Outcome

__all__ = ["arrival", "arrivals", "departure", "forget", "has_moved", "move"]


def arrivals(
    parts: Iterator[Part], partition: int, partitions: int, epoch: int, ts_ms: int, first: int = 0
) -> Iterator[PartitionIn]:
    """Yield the events by which a partition comes to an engine, the last of them marked so.

    Parameters
    ----------
    ts_ms
        The engine's clock.
    first
        Number of the first part.
    """
    number, part = first, next(parts)
    while True:
        following = next(parts, None)
        last = following is None
        yield arrival(part, partition, partitions, epoch, number, ts_ms=ts_ms, last=last)
        if following is None:
            return
        number, part = number + 1, following


def arrival(
    part: Part, partition: int, partitions: int, epoch: int, number: int, *, ts_ms: int, last: bool
) -> PartitionIn:
    """Return the event by which one part comes to an engine."""
    return PartitionIn(
        event_id=f"partition-{partition}-in-{epoch}-{number}",
        ts_ms=ts_ms,
        partition=partition,
        partitions=partitions,
        epoch=epoch,
        part=number,
        last=last,
        record=part.record,
        remembered=part.remembered,
    )


def departure(partition: int, partitions: int, epoch: int, ts_ms: int) -> PartitionOut:
    """Return the event by which a partition leaves an engine."""
    return PartitionOut(
        event_id=f"partition-{partition}-out-{epoch}",
        ts_ms=ts_ms,
        partition=partition,
        partitions=partitions,
        epoch=epoch,
    )


def move(old: Engine, new: Engine, partition: int, partitions: int, epoch: int) -> None:
    """Move a partition between two engines that nobody else uses in the meantime.

    Parameters
    ----------
    epoch
        Later than that of any move of this partition before, broken off or not.

    Raises
    ------
    StoreError
        When one of them could not write; the same call with a later epoch finishes it.
    """
    parts = old.export(partition, partitions, new.key)
    for event in arrivals(parts, partition, partitions, epoch, new.state.counters.clock_ms):
        _take(new, event)
    forget(old, partition, partitions, epoch)


def has_moved(old: Engine, new: Engine, partition: int) -> bool:
    """Return whether a partition's last move was from one engine to the other, and has ended."""
    gone, came = (one.state.counters.moves.get(partition) for one in (old, new))
    return gone is not None and not gone.came and came == Move(gone.epoch, came=True)


def forget(engine: Engine, partition: int, partitions: int, epoch: int) -> None:
    """Drop the people of a partition that another engine owns."""
    _take(engine, departure(partition, partitions, epoch, engine.state.counters.clock_ms))


def _take(engine: Engine, event: Event) -> None:
    failed = engine.stats().failed
    [append] = engine.apply([event])
    if append.outcome is not Outcome.ACCEPTED or engine.stats().failed > failed:
        detail = f"{event.event_id} was not taken: the epoch is not a new one"
        raise StoreError(detail)
