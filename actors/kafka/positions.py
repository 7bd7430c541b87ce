"""Where to go on in each partition, and which partitions cannot go on.

A shard keeps two numbers per partition in its store: under the partition's name the offset to be
read next, and under the name with ``#topic`` the mark of the topic that the offset belongs to.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from actors.kafka.base import Partition, PartitionStuck, Span, Topic
from actors.kafka.stats import GapCause, PartitionGap
from actors.settings import ServerSettings

__all__ = [
    "DECISIONS",
    "EARLIEST",
    "LATEST",
    "Plan",
    "gap_of",
    "mark_name",
    "partitions_of",
    "plan",
]

DECISIONS: Final = "decisions-out"
"""Name of the place in the shard's own log up to which decisions are published."""
LATEST: Final = -1
EARLIEST: Final = -2
"""An operator's word for an offset that is looked up when the partition is read next."""
_ANY_TOPIC: Final = 0
"""A mark of no topic: take it as it is."""


class Plan(NamedTuple):
    """What a session begins with.

    Attributes
    ----------
    starts
        Partitions that are read, and from where.
    gaps
        Those that are not.
    positions
        What the store does not hold yet, and must before anything is read.
    """

    starts: dict[Partition, int]
    gaps: dict[Partition, PartitionGap]
    positions: dict[str, int]


def mark_name(partition: Partition) -> str:
    """Return under what name the mark of a partition's topic is kept."""
    return f"{partition.name}#topic"


def partitions_of(
    owned: Sequence[int], settings: ServerSettings, catalogue: int
) -> list[Partition]:
    """Return what a shard reads: feedback of its own users, and all of the catalogue.

    Parameters
    ----------
    owned
        Its partitions.
    catalogue
        How many partitions that topic has.
    """
    topics = settings.kafka.topics
    return [
        *(Partition(topics.feedback, number) for number in owned),
        *(Partition(topics.catalogue, number) for number in range(catalogue)),
    ]


def plan(
    partitions: Iterable[Partition],
    stored: Mapping[str, int],
    topics: Mapping[str, Topic],
    spans: Mapping[Partition, Span],
    latest: frozenset[str],
) -> Plan:
    """Decide for each partition.

    Parameters
    ----------
    stored
        The positions of the store.
    latest
        Topics of which a partition that was never read begins at its end.
    """
    made = Plan({}, {}, {})
    for partition in partitions:
        span, mark = spans[partition], topics[partition.topic].mark
        at = stored.get(partition.name)
        if at is None:
            at = LATEST if partition.topic in latest else EARLIEST
        known = stored.get(mark_name(partition), _ANY_TOPIC)
        if at in {LATEST, EARLIEST}:
            at = span.end if at == LATEST else span.beginning
            known = _ANY_TOPIC
        gap = gap_of(partition, at, span, recreated=known not in {_ANY_TOPIC, mark})
        if gap is not None:
            made.gaps[partition] = gap
            continue
        made.starts[partition] = at
        for name, value in ((partition.name, at), (mark_name(partition), mark)):
            if stored.get(name) != value:
                made.positions[name] = value
    return made


def gap_of(
    partition: Partition,
    at: int,
    span: Span,
    *,
    recreated: bool = False,
    given_up: PartitionStuck | None = None,
) -> PartitionGap | None:
    """Return why a partition cannot be read from an offset, ``None`` when it can.

    Parameters
    ----------
    given_up
        What the reader found there, when it was tried often enough.
    """
    cause: GapCause
    missing = (at, at)
    if recreated:
        cause = "recreated"
    elif at < span.beginning:
        cause, missing = "retention", (at, span.beginning)
    elif at > span.end:
        cause, missing = "beyond_end", (span.end, at)
    elif given_up is not None and given_up.why != "offset":
        cause = given_up.why
        if cause == "skipped":
            missing = (at, given_up.goes_on)
    else:
        return None
    return PartitionGap(
        partition=partition.name,
        cause=cause,
        position=at,
        beginning=span.beginning,
        end=span.end,
        missing_from=missing[0],
        missing_to=missing[1],
    )
