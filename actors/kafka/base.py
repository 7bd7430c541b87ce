"""What the rest of this package needs of a Kafka client, in our own words.

``actors.kafka.clients`` does it with aiokafka; tests do it in memory. Every implementation turns
its library's errors into the two below.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol

import msgspec
from typing_extensions import override

from recsys.events import Event
from recsys.store.base import Append

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Home",
    "KafkaUnreachable",
    "LockedOut",
    "Message",
    "Partition",
    "PartitionStuck",
    "Reader",
    "Record",
    "Span",
    "Topic",
    "Writer",
]


MAX_MESSAGE_BYTES: Final = 1_000_000
"""Of one record that we write, all in all; brokers take 1,048,588 unless told otherwise."""


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int

    @property
    def name(self) -> str:
        """Its name in positions, statistics and messages."""
        return f"{self.topic}-{self.number}"


class Record(msgspec.Struct, frozen=True):
    """One record as Kafka gives it.

    Attributes
    ----------
    ts_ms
        When its producer or its broker says that it was made; negative when nobody says.
    """

    partition: Partition
    offset: int
    ts_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Message(msgspec.Struct, frozen=True):
    """One record to be written; the partition is that of the key by Kafka's own partitioner."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Topic(msgspec.Struct, frozen=True):
    """What a cluster says of a topic.

    Attributes
    ----------
    mark
        Of this topic and no other, not even one that takes its name later; never 0.
    """

    partitions: int
    mark: int


class Span(NamedTuple):
    """What a partition holds: offsets from ``beginning`` up to, but without, ``end``."""

    beginning: int
    end: int


class KafkaUnreachable(Exception):
    """No broker answers, or none that lets us in. Whatever was asked may have happened."""


class LockedOut(KafkaUnreachable):
    """The brokers answer and do not let us in, or are not to be trusted; somebody has to act."""


class PartitionStuck(Exception):
    """Reading one partition cannot go on as it is.

    Parameters
    ----------
    partition
        Which one.
    why
        ``offset``: it does not hold the offset asked for; ``damaged``: bytes fail their checksum;
        ``withheld``: the broker gives nothing of what it says that it holds; ``skipped``: what the
        broker gives next does not begin there.
    goes_on
        Where it begins instead, when it is ``skipped``.
    """

    def __init__(
        self,
        partition: Partition,
        why: Literal["offset", "damaged", "withheld", "skipped"],
        goes_on: int = 0,
    ) -> None:
        super().__init__(partition, why, goes_on)
        self.partition = partition
        self.why = why
        self.goes_on = goes_on

    @override
    def __str__(self) -> str:
        match self.why:
            case "offset":
                what = "does not hold the offset asked for"
            case "damaged":
                what = "fails its checksum"
            case "withheld":
                what = "gives nothing of what it holds"
            case "skipped":
                what = f"leaves out what is before offset {self.goes_on}"
        return f"{self.partition.name} {what}"


class Reader(Protocol):
    """One connection for reading, from ``start`` to ``stop``; used by one task."""

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self) -> None:
        """Let go; never raises."""
        ...

    async def topics(self, names: Sequence[str]) -> dict[str, Topic]:
        """Return those of the topics that there are."""
        ...

    async def spans(self, partitions: Sequence[Partition]) -> dict[Partition, Span]:
        """Return what they hold; the end is that of what is committed."""
        ...

    def assign(self, starts: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets on, and no others; forgets what is fetched."""
        ...

    async def read(self, records: int, wait_s: float) -> list[Record]:
        """Return the next records, at most so many, in the order of each partition.

        Raises
        ------
        PartitionStuck
            When one partition cannot go on; ``assign`` anew.
        """
        ...

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        """Tell the cluster how far reading is, for those who watch the lag."""
        ...


class Writer(Protocol):
    """One connection for writing, from ``start`` to ``stop``; any number of tasks may use it."""

    @property
    def queued(self) -> int:
        """Records that were given to it and that no broker has confirmed yet."""
        ...

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self, *, flush: bool) -> None:
        """Let go; never raises. Without ``flush``, what was not confirmed is given up."""
        ...

    async def write(self, messages: Sequence[Message]) -> None:
        """Return when all replicas have the records, which they get in this order.

        Whoever stops waiting does not take them back.
        """
        ...


class Home(Protocol):
    """What a shard offers to those who read and write outside logs for it."""

    @property
    def index(self) -> int:
        """The shard's number."""
        ...

    @property
    def owned(self) -> Sequence[int]:
        """The partitions whose users the shard owns; they may change at any time."""
        ...

    @property
    def last_sequence(self) -> int:
        """Sequence of the newest durable event."""
        ...

    async def positions(self) -> dict[str, int]:
        """Return where to go on, as the store has it."""
        ...

    def check(self, events: Sequence[Event]) -> None:
        """Refuse events that the engine would not take; raises ``InvalidEvent``."""
        ...

    async def append(
        self, events: Sequence[Event], received_ms: int, positions: Mapping[str, int]
    ) -> list[Append]:
        """Wait for room, then make durable and learn, positions in the same commit.

        Raises
        ------
        ShardUnavailable
            When the store could not write; nothing happened.
        """
        ...

    async def log_after(self, sequence: int, events: int) -> list[tuple[int, Event]]:
        """Return the next events of the log, at most so many."""
        ...
