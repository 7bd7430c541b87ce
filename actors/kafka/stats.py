"""What a shard says of its reading from Kafka and writing to it."""

from typing import Literal

import msgspec
from typing_extensions import override

__all__ = ["GapCause", "KafkaStats", "PartitionGap"]

GapCause = Literal["retention", "beyond_end", "recreated", "damaged", "withheld", "skipped"]


class PartitionGap(msgspec.Struct, frozen=True):
    """A partition that is not read any further, because what came next is not there.

    Attributes
    ----------
    cause
        ``retention``: Kafka has deleted it; ``beyond_end``: Kafka has lost its newest records;
        ``recreated``: the topic is another one of the same name; ``damaged``: a checksum fails;
        ``withheld``: the broker gives nothing of what it says that it holds; ``skipped``: it goes
        on behind what should come next.
    position
        Where reading would have gone on.
    beginning, end
        What the partition holds now: offsets from ``beginning`` up to, but without, ``end``.
    missing_from, missing_to
        The offsets that nobody can read any more, from the first up to, but without, the second.
    """

    partition: str
    cause: GapCause
    position: int
    beginning: int
    end: int
    missing_from: int
    missing_to: int

    @override
    def __str__(self) -> str:
        holds = f"it holds offsets {self.beginning} to {self.end}, without the last"
        if self.beginning == self.end:
            holds = f"it holds nothing, and goes on at {self.end}"
        gone = f"offsets {self.missing_from} to {self.missing_to}, without the last,"
        match self.cause:
            case "retention":
                what = f"{gone} were deleted before they were read"
            case "beyond_end":
                what = f"{gone} were read, but are not in Kafka any more"
            case "recreated":
                what = f"its topic was made anew; in the old one, {self.position} came next"
            case "damaged":
                what = f"the record at offset {self.position}, or one soon after, is damaged"
            case "withheld":
                what = (
                    f"the broker gives nothing from offset {self.position} on, as when the length "
                    "of what it holds there is damaged"
                )
            case "skipped":
                what = f"{gone} are left out by the broker: its log is damaged there, or compacted"
        return (
            f"data_gap in {self.partition}: {what}; {holds}. It is not read until "
            "`recsys kafka reset-offsets` says where to go on"
        )


class KafkaStats(msgspec.Struct, frozen=True, kw_only=True):
    """State of one shard's side of Kafka.

    Attributes
    ----------
    state
        ``reading``, or ``connecting`` (no broker answers, or lets us in, or a topic is missing), or
        ``refused`` (the topics do not fit the shards).
    detail
        Why it is not reading, empty otherwise.
    lag
        By partition, records between what is learned and the end; as of the last look.
    records, tombstones
        Read since the shard was opened; tombstones are the records of feedback without a value.
    dead_letters
        Since then, by cause.
    gaps
        Partitions that are not read any further.
    reconnects
        How often the connection was lost, or could not be made.
    decisions_behind
        Events of the log that were not looked through yet for decisions to publish.
    decisions_published
        Since the shard was opened; after a crash, some a second time.
    decisions_missed
        Events that had left the log before their decisions were published.
    """

    state: Literal["connecting", "reading", "refused"]
    detail: str
    lag: dict[str, int]
    records: int
    tombstones: int
    dead_letters: dict[str, int]
    gaps: tuple[PartitionGap, ...]
    reconnects: int
    decisions_behind: int
    decisions_published: int
    decisions_missed: int
