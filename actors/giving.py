"""How a shard gives a partition to another one while both serve.

::

    old owner                                      new owner
    what the log remembers of the partition   ->   durable, part by part; nobody waits
    the partition is held: its people wait
    its topic in Kafka is left
    the writer pauses, all before is learned
    people and lists                          ->   durable, part by part
    the last part, with the place in Kafka    ->   owns the partition
    forgets the people; the writer goes on

Until the last part is sent, whatever fails leaves all as it was. After it the partition stays held
until the supervisor has found out what the new owner holds (``actors.moves``).

Snapshots wait from the moment on at which people are looked for in the store, for one that is taken
later would write people whom nobody has seen there.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from typing import Final, Protocol

import msgspec

from actors.batcher import Batcher
from actors.errors import MoveFailed
from actors.home import Side
from actors.kafka.base import Partition
from actors.kafka.positions import mark_name
from actors.settings import ServerSettings
from actors.shard_map import Moving
from actors.territory import Territory
from recsys.engine import Engine
from recsys.events import PartitionIn
from recsys.killpoints import kill_point
from recsys.moving.export import Part, Scouted, memories
from recsys.moving.move import arrival, arrivals, departure

__all__ = ["Delivery", "Given", "Giving", "Moved", "Receiver"]

_ANSWER_S: Final = 30.0
"""A part that takes longer to be durable ends the move."""
_LEAVE_S: Final = 10.0
_TOGETHER: Final = 8
"""Parts under way at a time, so that they share flushes."""


class Given(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes
    ----------
    parts, bytes
        That were sent.
    held_s
        So long nobody of the partition was served.
    paused_s
        So long, of that, the shard learned nothing at all.
    """

    parts: int
    bytes: int
    held_s: float
    paused_s: float


class Moved(msgspec.Struct, frozen=True):
    """A move that has ended with the new owner; ``given`` is unknown where it had to be mended."""

    partition: int
    old: int
    new: int
    given: Given | None


class Delivery(msgspec.Struct, frozen=True):
    """One part on its way.

    Attributes
    ----------
    event
        Its time is the new owner's to say.
    positions
        Where to go on in outside logs.
    """

    event: PartitionIn
    positions: Mapping[str, int] = {}


class Receiver(Protocol):
    """The new owner, as the old one sees it."""

    async def key(self) -> bytes:
        """Return the secret under which its estimators are sealed."""
        ...

    async def take(self, delivery: Delivery) -> None:
        """Return when a part is durable and learned."""
        ...


class Giving:
    """One move, from the old owner's side; goes once.

    Parameters
    ----------
    snapshots
        Held by whoever takes a snapshot.
    side
        What reads from Kafka for the shard, if anything does.
    """

    def __init__(
        self,
        order: Moving,
        receiver: Receiver,
        settings: ServerSettings,
        engine: Engine,
        batcher: Batcher,
        territory: Territory,
        snapshots: asyncio.Lock,
        side: Side | None,
    ) -> None:
        self._order = order
        self._receiver = receiver
        self._topics = settings.kafka.topics
        self._engine = engine
        self._batcher = batcher
        self._territory = territory
        self._snapshots = snapshots
        self._side = side
        self._parts = 0
        self._bytes = 0
        self._in_doubt = False

    async def run(self) -> Given:
        """Do it; what is raised before the last part is sent leaves all as it was.

        Raises
        ------
        MoveFailed
            When a part was not taken.
        ShardUnavailable
            When one of the two shards does not answer or cannot write.
        """
        key = await self._receiver.key()
        after = await self._send_ahead()
        async with self._snapshots:
            partition, partitions = self._order.partition, self._territory.partitions
            store = self._engine.store
            scouted = await asyncio.to_thread(Scouted.of, store, partition, partitions, after)
            self._territory.hold(partition, self._order.epoch)
            held_s = monotonic()
            try:
                await self._leave_kafka()
                async with self._batcher.paused():
                    paused_s = monotonic()
                    await self._send_people(key, scouted)
                    kill_point("before-departure")
                    clock_ms = self._engine.state.counters.clock_ms
                    done = self._batcher.put_first(
                        departure(partition, partitions, self._order.epoch, clock_ms)
                    )
                ended_s = monotonic()
                await done
            except BaseException:
                if not self._in_doubt:
                    self._territory.release(partition)
                raise
        return Given(self._parts, self._bytes, ended_s - held_s, ended_s - paused_s)

    async def _send_ahead(self) -> int:
        """Send what the log remembers while all goes on; return up to which event."""
        store, partition = self._engine.store, self._order.partition
        after = store.last_sequence
        parts = memories(store, partition, self._territory.partitions)
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            await self._send(self._event(part))
        return after

    def _event(self, part: Part) -> PartitionIn:
        partition, partitions = self._order.partition, self._territory.partitions
        number, epoch = self._parts, self._order.epoch
        return arrival(part, partition, partitions, epoch, number, ts_ms=0, last=False)

    async def _leave_kafka(self) -> None:
        """Wait until nothing of the partition is on its way from Kafka into the queue."""
        if self._side is None:
            return
        try:
            async with asyncio.timeout(_LEAVE_S):
                await self._side.settled()
        except TimeoutError:
            detail = f"what was read from Kafka was not written within {_LEAVE_S:g} s"
            raise MoveFailed(self._order.partition, detail) from None

    async def _send_people(self, key: bytes, scouted: Scouted) -> None:
        parts = self._engine.export(scouted.partition, scouted.partitions, key, scouted)
        waiting = list[PartitionIn]()
        for event in self._arrivals(parts):
            # Packing takes milliseconds a part, and others ask for lists meanwhile.
            await asyncio.sleep(0)
            if event.last:
                await self._send_all(waiting)
                positions = await asyncio.to_thread(self._positions)
                self._in_doubt = True
                await self._send(event, positions)
                return
            waiting.append(event)
            if event.part == 0 or len(waiting) == _TOGETHER:
                await self._send_all(waiting)
                waiting = []

    def _arrivals(self, parts: Iterator[Part]) -> Iterator[PartitionIn]:
        order, partitions = self._order, self._territory.partitions
        return arrivals(parts, order.partition, partitions, order.epoch, 0, first=self._parts)

    async def _send_all(self, events: Sequence[PartitionIn]) -> None:
        await asyncio.gather(*(self._send(event) for event in events))

    async def _send(self, event: PartitionIn, positions: Mapping[str, int] | None = None) -> None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._receiver.take(Delivery(event, positions or {}))
        except TimeoutError:
            detail = f"part {event.part} was not answered within {_ANSWER_S:g} s"
            raise MoveFailed(event.partition, detail) from None
        self._parts += 1
        self._bytes += len(event.record)

    def _positions(self) -> dict[str, int]:
        """Return where the new owner is to go on in the partition of the same number in Kafka."""
        feedback = Partition(self._topics.feedback, self._order.partition)
        names = {feedback.name, mark_name(feedback)}
        stored = self._engine.store.positions()
        return {name: at for name, at in stored.items() if name in names}
