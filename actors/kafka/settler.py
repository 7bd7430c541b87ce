"""Settles records: each one is learned, skipped or put aside before its position moves on.

The order for a batch: 1 dead letters are confirmed by Kafka, 2 events and positions are written by
one commit, 3 events are learned. A crash between 1 and 2 writes a dead letter twice, and nothing
else happens twice or not at all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from actors.kafka.base import Home, Partition, Record
from actors.kafka.dead_letters import DeadLetters
from actors.kafka.observer import KafkaObserver
from actors.kafka.records import Decoder, Refused
from actors.settings import ServerSettings
from recsys.clock import now_ms
from recsys.errors import InvalidEvent
from recsys.events import Event

__all__ = ["Settler"]


class Settler:
    """What one shard does with what it reads.

    Attributes
    ----------
    records, tombstones
        Settled so far.
    dead
        Of them, put aside, by cause.
    """

    def __init__(
        self, home: Home, settings: ServerSettings, letters: DeadLetters, observer: KafkaObserver
    ) -> None:
        self.records = 0
        self.tombstones = 0
        self.dead = Counter[str]()
        self._home = home
        self._letters = letters
        self._observer = observer
        self._decoder = Decoder(settings)
        self._shards = settings.shards.count
        self._catalogue = settings.kafka.topics.catalogue
        self._aside = set[tuple[Partition, int]]()

    async def settle(
        self, records: Sequence[Record], marks: Mapping[str, int]
    ) -> dict[Partition, int]:
        """Settle a batch, and return where to go on in its partitions.

        Parameters
        ----------
        marks
            Of the topics.

        Raises
        ------
        ShardUnavailable
            When the store cannot write; settle the same batch again.
        KafkaUnreachable
            When dead letters are not confirmed; likewise.
        """
        after = {record.partition: record.offset + 1 for record in records}
        events, refused, tombstones = self._decode(records, marks)
        await self._put_aside(refused)
        received_ms = min((record.ts_ms for record in records if record.ts_ms >= 0), default=-1)
        if received_ms < 0:
            received_ms = now_ms()
        try:
            self._home.check([event for _, event in events])
        except InvalidEvent:
            # One of them finds no room; which ones do depends on those before.
            for record, event in events:
                await self._settle_one(record, event, received_ms)
            events = []
        await self._home.append(
            [event for _, event in events], received_ms, {p.name: at for p, at in after.items()}
        )
        self._aside.clear()
        self.tombstones += tombstones
        self._count(records)
        return after

    def _decode(
        self, records: Sequence[Record], marks: Mapping[str, int]
    ) -> tuple[list[tuple[Record, Event]], list[tuple[Record, Refused]], int]:
        events = list[tuple[Record, Event]]()
        refused = list[tuple[Record, Refused]]()
        tombstones = 0
        for record in records:
            try:
                event = self._decoder.event(record, marks[record.partition.topic])
            except Refused as why:
                # Every shard reads the catalogue; one of them speaks of its bad records.
                if (
                    record.partition.topic != self._catalogue
                    or record.partition.number % self._shards == self._home.index
                ):
                    refused.append((record, why))
            else:
                if event is None:
                    tombstones += 1
                else:
                    events.append((record, event))
        return events, refused, tombstones

    async def _settle_one(self, record: Record, event: Event, received_ms: int) -> None:
        try:
            self._home.check([event])
        except InvalidEvent as error:
            # The limits were looked at already, so it is the shard that has no place for it.
            await self._put_aside([(record, Refused("room", str(error)))])
            return
        position = {record.partition.name: record.offset + 1}
        await self._home.append([event], received_ms, position)

    async def _put_aside(self, refused: Sequence[tuple[Record, Refused]]) -> None:
        """Write dead letters, once per record even if the batch must be settled again."""
        new = [
            (record, why)
            for record, why in refused
            if (record.partition, record.offset) not in self._aside
        ]
        await self._letters.put(new)
        for record, why in new:
            self._aside.add((record.partition, record.offset))
            self.dead[why.cause] += 1
            self._observer.on_dead_letter(why.cause)

    def _count(self, records: Sequence[Record]) -> None:
        self.records += len(records)
        for topic, count in Counter(record.partition.topic for record in records).items():
            self._observer.on_records(topic, count)
