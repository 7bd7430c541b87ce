"""The interfaces of ``actors.kafka.base``, done with aiokafka; nobody else imports it.

What aiokafka would do by itself and we do not want: forget where we are (``auto_offset_reset``),
say that something is done that is not (``enable_auto_commit``), show what was taken back
(``isolation_level``), and decode, where one bad record would end all reading.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    CorruptRecordException,
    KafkaConnectionError,
    KafkaError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
)
from typing_extensions import override

from actors.kafka.base import (
    MAX_MESSAGE_BYTES,
    KafkaUnreachable,
    Message,
    Partition,
    PartitionStuck,
    Reader,
    Record,
    Span,
    Topic,
    Writer,
)
from actors.kafka.connection import connection, unreachable
from actors.kafka.damage import Inspection, listen
from actors.kafka.identity import describe
from actors.kafka.knock import knock
from actors.kafka.quiet import quieten
from actors.kafka.settings import KafkaSettings

__all__ = ["KafkaReader", "KafkaWriter", "describe_topics"]

# At the level DEBUG it writes each request into the log, and with it the password.
logging.getLogger("aiokafka.conn").setLevel(logging.INFO)
quieten("aiokafka")

_FETCH_BYTES: Final = 8 << 20
"""At most so much of one answer, all partitions together."""
_PARTITION_BYTES: Final = 1 << 20
_STOP_S: Final = 5.0
_DAMAGE: Final = (CorruptRecordException, RecordTooLargeError)
_Fetched: TypeAlias = dict[TopicPartition, list[ConsumerRecord]]


async def describe_topics(settings: KafkaSettings, names: Sequence[str]) -> dict[str, Topic]:
    """Ask a cluster for these topics, by a connection of its own.

    Raises
    ------
    StartupError
        See ``connection``.
    KafkaUnreachable
        When it does not answer, or does not let us in.
    """
    await knock(settings, "recsys-topics")
    with unreachable():
        client = AIOKafkaClient(**connection(settings, "recsys-topics"))
        try:
            async with asyncio.timeout(settings.answer_timeout_s):
                await client.bootstrap()
                return await describe(client, names)
        finally:
            await client.close()


class KafkaReader(Reader):
    """A consumer without a group's help: the shard knows its partitions and offsets by itself.

    Parameters
    ----------
    client
        See ``connection``.
    """

    def __init__(self, settings: KafkaSettings, client: str) -> None:
        self._settings = settings
        self._name = client
        self._timeout_s = settings.answer_timeout_s
        self._client = AIOKafkaClient(**connection(settings, client))
        self._next = dict[Partition, int]()
        # The group is only where offsets are told; nobody joins it.
        self._consumer = AIOKafkaConsumer(
            **connection(settings, client),
            group_id=settings.group,
            auto_offset_reset="none",
            enable_auto_commit=False,
            isolation_level="read_committed",
            fetch_max_bytes=_FETCH_BYTES,
            max_partition_fetch_bytes=_PARTITION_BYTES,
            metadata_max_age_ms=30_000,
        )
        self._inspection = Inspection(settings.topics.feedback, settings.withheld_s)
        listen(self._consumer._client, self._inspection)

    @override
    async def start(self) -> None:
        await knock(self._settings, self._name)
        with unreachable():
            async with asyncio.timeout(self._timeout_s):
                await self._client.bootstrap()
                await self._consumer.start()

    @override
    async def stop(self) -> None:
        await self._client.close()
        # Its stop may be ended by the cancellation of a task of its own, while its connections are
        # open: neither may reach us.
        ending = asyncio.create_task(self._consumer.stop())
        await asyncio.wait([ending], timeout=_STOP_S)
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        await self._consumer._client.close()

    @override
    async def topics(self, names: Sequence[str]) -> dict[str, Topic]:
        with unreachable():
            async with asyncio.timeout(self._timeout_s):
                try:
                    return await describe(self._client, names)
                except KafkaConnectionError:
                    # Without a word a broker closes connections whose login has run out
                    # (connections.max.reauth.ms). The next one has a login of its own.
                    return await describe(self._client, names)

    @override
    async def spans(self, partitions: Sequence[Partition]) -> dict[Partition, Span]:
        asked = [TopicPartition(*partition) for partition in partitions]
        with unreachable():
            async with asyncio.timeout(self._timeout_s):
                beginnings, ends = await asyncio.gather(
                    self._consumer.beginning_offsets(asked), self._consumer.end_offsets(asked)
                )
        return {
            Partition(*partition): Span(beginnings[partition], ends[partition])
            for partition in asked
        }

    @override
    def assign(self, starts: Mapping[Partition, int]) -> None:
        self._consumer.assign([TopicPartition(*partition) for partition in starts])
        for partition, offset in starts.items():
            self._consumer.seek(TopicPartition(*partition), offset)
        self._next = dict(starts)
        self._inspection.forget()

    @override
    async def read(self, records: int, wait_s: float) -> list[Record]:
        try:
            found = await self._fetched(records, wait_s)
        except KafkaUnreachable as error:
            if isinstance(error.__cause__, OffsetOutOfRangeError):
                (partition,) = error.__cause__.args[0]
                raise PartitionStuck(Partition(*partition), "offset") from error.__cause__
            if not isinstance(error.__cause__, _DAMAGE):
                raise
            found = await self._around_damage(str(error.__cause__), records, wait_s)
        for partition, several in found.items():
            self._next[Partition(*partition)] = several[-1].offset + 1
        return [
            Record(
                partition=Partition(*partition),
                offset=one.offset,
                ts_ms=one.timestamp,
                key=one.key,
                value=one.value,
                # A header without a value is allowed.
                headers=tuple((name, content or b"") for name, content in one.headers),
            )
            for partition, several in found.items()
            for one in several
        ]

    async def _fetched(self, records: int, wait_s: float, *only: TopicPartition) -> _Fetched:
        self._inspection.check()
        with unreachable():
            found: _Fetched = await self._consumer.getmany(
                *only, timeout_ms=int(wait_s * 1000), max_records=records
            )
        # What came meanwhile may have a hole before it; it is fetched again.
        self._inspection.check()
        return found

    async def _around_damage(self, damage: str, records: int, wait_s: float) -> _Fetched:
        """Read record by record, so that what is whole is had: aiokafka threw it away.

        Parameters
        ----------
        damage
            What aiokafka says of it; that may name the partition, or not.

        Raises
        ------
        PartitionStuck
            When the damage comes next in its partition; what was read meanwhile is forgotten.
        """
        for partition, offset in self._next.items():
            self._consumer.seek(TopicPartition(*partition), offset)
        spans = await self.spans(list(self._next))
        behind = [TopicPartition(*one) for one, at in self._next.items() if at < spans[one].end]
        whole: _Fetched = {}
        for place in sorted(behind, key=lambda place: str(place) not in damage):
            mine = list[ConsumerRecord]()
            try:
                while len(mine) < records and (found := await self._fetched(1, wait_s, place)):
                    mine += found[place]
            except KafkaUnreachable as error:
                if not isinstance(error.__cause__, _DAMAGE):
                    raise
                if not mine:
                    raise PartitionStuck(Partition(*place), "damaged") from error.__cause__
                return {**whole, place: mine}
            if mine:
                whole[place] = mine
        return whole

    @override
    async def commit(self, positions: Mapping[Partition, int]) -> None:
        with unreachable():
            async with asyncio.timeout(self._timeout_s):
                await self._consumer.commit(
                    {TopicPartition(*partition): at for partition, at in positions.items()}
                )


class KafkaWriter(Writer):
    """An idempotent producer: what the network loses is sent again, and lands once and in order."""

    def __init__(self, settings: KafkaSettings, client: str) -> None:
        self._settings = settings
        self._name = client
        self._timeout_s = settings.answer_timeout_s
        self._producer = AIOKafkaProducer(
            **connection(settings, client),
            acks="all",
            enable_idempotence=True,
            max_request_size=MAX_MESSAGE_BYTES,
            max_batch_size=1 << 16,
            metadata_max_age_ms=30_000,
        )
        self._queued = 0

    @property
    @override
    def queued(self) -> int:
        return self._queued

    @override
    async def start(self) -> None:
        await knock(self._settings, self._name)
        with unreachable():
            async with asyncio.timeout(self._timeout_s):
                await self._producer.start()

    @override
    async def stop(self, *, flush: bool) -> None:
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_STOP_S if flush else 0):
                await self._producer.flush()
        # An idempotent producer tries for ever; only what is given up lets it go.
        self._producer._message_accumulator.fail_all(KafkaError("it was given up"))
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._producer.stop()

    @override
    async def write(self, messages: Sequence[Message]) -> None:
        confirmed = list[asyncio.Future[object]]()
        with unreachable():
            for one in messages:
                future = await self._producer.send(
                    one.topic, one.value, key=one.key, headers=list(one.headers)
                )
                self._queued += 1
                future.add_done_callback(self._settled)
                confirmed.append(future)
            if confirmed:
                # Not gather, which would cancel futures whose records are on their way.
                await asyncio.wait(confirmed)
            for future in confirmed:
                future.result()

    def _settled(self, future: "asyncio.Future[object]") -> None:
        self._queued -= 1
        if not future.cancelled():
            # Nobody may be waiting any more who would look at it.
            future.exception()
