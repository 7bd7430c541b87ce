"""A small Kafka in memory, behind the interfaces of ``actors.kafka.base``."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from typing_extensions import override

from actors.errors import ShardUnavailable
from actors.kafka.base import (
    Home,
    KafkaUnreachable,
    LockedOut,
    Message,
    Partition,
    PartitionStuck,
    Reader,
    Record,
    Span,
    Topic,
    Writer,
)
from actors.kafka.settings import KafkaSettings
from actors.kafka.side import Clients
from actors.settings import ServerSettings, ShardSettings
from actors.shard_map import ShardMap
from recsys.engine import Engine
from recsys.errors import InvalidEvent
from recsys.events import Event, ItemUpsert
from recsys.partition import partition_of
from recsys.store.base import Append
from recsys.store.memory import MemoryStore
from tests.servers import engine_on

__all__ = ["SETTINGS", "FakeHome", "FakeKafka", "until", "user_in"]

SETTINGS = ServerSettings(
    shards=ShardSettings(count=2, partitions=4),
    kafka=KafkaSettings(
        enabled=True, probe_every_s=0.02, answer_timeout_s=1.0, longest_pause_s=0.02
    ),
)


def user_in(partition: int) -> str:
    """Return a user who belongs to a partition."""
    return next(f"u{n}" for n in range(1000) if partition_of(f"u{n}", 4) == partition)


async def until(condition: object, timeout_s: float = 10.0) -> None:
    """Wait until something holds."""
    assert callable(condition)
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@dataclass
class FakeKafka:
    """Topics, and what can go wrong with them.

    Attributes
    ----------
    logs
        Records by partition; the place in the list is the offset.
    beginnings
        First offset that is still there.
    down
        Whether nobody answers.
    locked
        Why nobody is let in; empty: all are.
    stuck
        Raised by the next readings, one each.
    told
        Offsets that were committed.
    written
        What was written, all topics together.
    readers
        Connections for reading that were made.
    """

    topics: dict[str, Topic] = field(default_factory=dict)
    logs: dict[Partition, list[Record]] = field(default_factory=dict)
    beginnings: dict[Partition, int] = field(default_factory=dict)
    down: bool = False
    locked: str = ""
    mute: bool = False
    stuck: list[Exception] = field(default_factory=list)
    told: dict[Partition, int] = field(default_factory=dict)
    written: list[Message] = field(default_factory=list)
    readers: int = 0

    @classmethod
    def for_settings(cls, settings: ServerSettings = SETTINGS) -> "FakeKafka":
        names = settings.kafka.topics
        return cls(
            topics={
                names.feedback: Topic(settings.shards.partitions, 11),
                names.catalogue: Topic(1, 12),
                names.decisions: Topic(1, 13),
                names.dead_letters: Topic(1, 14),
            }
        )

    def put(
        self,
        topic: str,
        number: int,
        value: bytes | None,
        key: bytes | None = None,
        headers: tuple[tuple[str, bytes], ...] = (),
        ts_ms: int = 1_700_000_000_000,
    ) -> None:
        partition = Partition(topic, number)
        log = self.logs.setdefault(partition, [])
        log.append(Record(partition, len(log), ts_ms, key, value, headers))

    def clients(self) -> Clients:
        async def greet() -> None:
            return None

        return Clients(lambda: FakeReader(self), lambda: FakeWriter(self), greet)


class FakeReader(Reader):
    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self._at: dict[Partition, int] = {}

    def _ask(self) -> None:
        if self._kafka.down:
            raise KafkaUnreachable("nobody answers")
        if self._kafka.locked:
            raise LockedOut(self._kafka.locked)

    @override
    async def start(self) -> None:
        self._ask()
        self._kafka.readers += 1

    @override
    async def stop(self) -> None:
        self._at = {}

    @override
    async def topics(self, names: Sequence[str]) -> dict[str, Topic]:
        self._ask()
        return {name: self._kafka.topics[name] for name in names if name in self._kafka.topics}

    @override
    async def spans(self, partitions: Sequence[Partition]) -> dict[Partition, Span]:
        self._ask()
        return {
            p: Span(self._kafka.beginnings.get(p, 0), len(self._kafka.logs.get(p, [])))
            for p in partitions
        }

    @override
    def assign(self, starts: Mapping[Partition, int]) -> None:
        self._at = dict(starts)

    @override
    async def read(self, records: int, wait_s: float) -> list[Record]:
        self._ask()
        if self._kafka.stuck:
            raise self._kafka.stuck.pop(0)
        found = list[Record]()
        for partition, at in self._at.items():
            if at < self._kafka.beginnings.get(partition, 0):
                raise PartitionStuck(partition, "offset")
            new = self._kafka.logs.get(partition, [])[at : at + records - len(found)]
            self._at[partition] += len(new)
            found += new
        if not found:
            await asyncio.sleep(0.002)
        return found

    @override
    async def commit(self, positions: Mapping[Partition, int]) -> None:
        self._ask()
        self._kafka.told.update(positions)


class FakeWriter(Writer):
    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self._queued = 0

    @property
    @override
    def queued(self) -> int:
        return self._queued

    @override
    async def start(self) -> None:
        if self._kafka.down:
            raise KafkaUnreachable("nobody answers")

    @override
    async def stop(self, *, flush: bool) -> None:
        self._queued = 0

    @override
    async def write(self, messages: Sequence[Message]) -> None:
        if self._kafka.down:
            raise KafkaUnreachable("nobody answers")
        self._queued += len(messages)
        if self._kafka.mute:
            await asyncio.Event().wait()
        self._queued -= len(messages)
        self._kafka.written += messages


class FakeHome(Home):
    """A shard without a shard: an engine, written to and taught at once.

    Attributes
    ----------
    broken
        Whether the store cannot write.
    commits
        The positions of each append, with how many events it held.
    mine
        The partitions that it owns.
    resumed, waiting
        Cleared, it stands still with the next append; whether one waits.
    """

    def __init__(self, index: int = 0, room: int | None = None) -> None:
        self.store = MemoryStore()
        self.engine: Engine = engine_on(self.store)
        self.broken = False
        self.waiting = False
        self.resumed = asyncio.Event()
        self.resumed.set()
        self.commits: list[tuple[int, dict[str, int]]] = []
        shards = SETTINGS.shards
        self.mine = ShardMap.dealt_out(shards.count, shards.partitions).owned_by(index)
        self._index = index
        self._room = room

    @property
    @override
    def index(self) -> int:
        return self._index

    @property
    @override
    def owned(self) -> Sequence[int]:
        return self.mine

    @property
    @override
    def last_sequence(self) -> int:
        return self.store.last_sequence

    @override
    def check(self, events: Sequence[Event]) -> None:
        self.engine.check(events)
        items = sum(isinstance(event, ItemUpsert) for event in events)
        if self._room is not None and items > self._room - self.engine.stats().items:
            raise InvalidEvent("/0/item_id", "the catalogue is full")

    @override
    async def append(
        self, events: Sequence[Event], received_ms: int, positions: Mapping[str, int]
    ) -> list[Append]:
        if self.broken:
            raise ShardUnavailable(self._index, "its store cannot write")
        self.waiting = True
        await self.resumed.wait()
        self.waiting = False
        self.commits.append((len(events), dict(positions)))
        appends = self.engine.append(events, positions)
        self.engine.fold(events, appends)
        return appends

    @override
    async def positions(self) -> dict[str, int]:
        return self.store.positions()

    @override
    async def log_after(self, sequence: int, events: int) -> list[tuple[int, Event]]:
        return list(islice(self.store.read(after=sequence), events))
