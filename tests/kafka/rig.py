"""Shards on a real broker without Ray, and the hands to feed them and to look inside."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Self

import httpx2
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from typer.testing import CliRunner

from actors.cli.main import app as commands
from actors.gateway import build_app
from actors.kafka.admin import create_topics
from actors.kafka.settings import TopicSettings
from actors.kafka.side import attach
from actors.kafka.stats import KafkaStats
from actors.layout import DataFolder, shard_folder
from actors.ports import LocalPort
from actors.settings import ServerSettings
from actors.shard import Shard
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event
from recsys.partition import partition_of
from tests.kafka.broker import eventually

__all__ = ["JSON", "Rig", "click", "gateway", "reset_offsets", "user_in"]

JSON = {"content-type": b"application/json"}


def click(n: int, user_id: str, **more: object) -> dict[str, object]:
    """Return a document as it stands on the feedback topic."""
    return {"event_id": f"e{n}", "type": "click", "user_id": user_id, "item_id": f"i{n}", **more}


def user_in(partition: int, partitions: int, nth: int = 0) -> str:
    """Return a user who belongs to a partition; another one for each ``nth``."""
    found = (f"u{n}" for n in range(100_000) if partition_of(f"u{n}", partitions) == partition)
    return [next(found) for _ in range(nth + 1)][-1]


class Rig:
    """Topics of its own on a broker, a producer, and shards that come and go."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.shards: dict[int, Shard] = {}
        self.engines: dict[int, Engine] = {}

    @property
    def topics(self) -> TopicSettings:
        """The names of the topics."""
        return self.settings.kafka.topics

    async def open(self) -> Self:
        await self.open_topics()
        servers = self.settings.kafka.bootstrap_servers
        self.admin = AIOKafkaAdminClient(bootstrap_servers=servers)
        self._producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
        await self.admin.start()
        await self._producer.start()
        DataFolder(self.settings.shards).release()
        return self

    async def open_topics(self) -> None:
        """Make the topics that are missing."""
        await create_topics(self.settings, replication=1)

    async def close(self) -> None:
        for index in list(self.shards):
            await self.stop(index)
        await self._producer.stop()
        await self.admin.close()

    async def start(self, *indices: int, settings: ServerSettings | None = None) -> None:
        """Open shards, all of them unless told which; as a restart does."""
        settings = settings or self.settings
        for index in indices or range(settings.shards.count):
            folder = shard_folder(settings.shards.data_dir, index)
            engine = Engine.open(folder, settings.engine)
            shard = Shard(index, settings, engine, attach=attach(settings))
            await shard.start()
            self.shards[index], self.engines[index] = shard, engine

    async def stop(self, index: int) -> None:
        """End a shard well."""
        await self.shards.pop(index).stop()
        del self.engines[index]

    async def send(
        self,
        topic: str,
        value: object,
        key: str | None = None,
        headers: Mapping[str, bytes] = JSON,
        partition: int | None = None,
        ts_ms: int | None = None,
    ) -> None:
        """Write one record; bytes and ``None`` go as they are, all else as JSON.

        Parameters
        ----------
        ts_ms
            When it was made; now, unless told.
        """
        body = value if isinstance(value, bytes) or value is None else msgspec.json.encode(value)
        await self._producer.send_and_wait(
            topic,
            body,
            key=None if key is None else key.encode(),
            headers=list(headers.items()),
            partition=partition,
            timestamp_ms=ts_ms,
        )

    async def feed(
        self, first: int, count: int, users: Sequence[str], ts_ms: int | None = None
    ) -> None:
        """Write clicks to the feedback topic, the users in turn."""
        for n in range(first, first + count):
            user = users[n % len(users)]
            await self.send(self.topics.feedback, click(n, user), user, ts_ms=ts_ms)

    @asynccontextmanager
    async def traffic(self, first: int, users: Sequence[str]) -> AsyncIterator[list[int]]:
        """Write clicks all the while; gives the numbers of those that were sent."""
        sent = list[int]()

        async def write() -> None:
            for number in count(first):
                await self.feed(number, 1, users)
                sent.append(number)

        writing = asyncio.create_task(write())
        try:
            yield sent
        finally:
            writing.cancel()
            await asyncio.wait([writing])

    def kafka(self, index: int) -> KafkaStats:
        """Return what a shard says of Kafka."""
        stats = self.shards[index].stats().kafka
        assert stats is not None
        return stats

    async def until(
        self, what: str, condition: Callable[[KafkaStats], bool], index: int = 0
    ) -> KafkaStats:
        """Wait until a shard says something of Kafka."""

        async def ask() -> KafkaStats | None:
            stats = self.kafka(index)
            return stats if condition(stats) else None

        answer = await eventually(what, ask)
        assert answer is not None
        return answer

    async def caught_up(self, records: int) -> None:
        """Wait until the shards have settled so many records since they were opened, together."""

        async def settled() -> bool:
            return sum(self.kafka(index).records for index in self.shards) >= records

        await eventually(f"{records} records are settled", settled)

    def events(self, index: int) -> list[Event]:
        """Return the log of a shard."""
        return [event for _, event in self.engines[index].store.read(after=0)]

    def ids(self, *indices: int) -> list[str]:
        """Return the ids of all feedback in the logs of shards, sorted."""
        return sorted(
            event.event_id
            for index in indices or self.engines
            for event in self.events(index)
            if event.event_id.startswith("e")
        )

    async def recommend(self, index: int, user_id: str, decision_id: str) -> None:
        """Ask a shard, and wait until the decision is durable."""
        request = Request(user_id=user_id, ts_ms=2_000_000_000_000, decision_id=decision_id, n=3)
        await self.shards[index].call("recommend", msgspec.msgpack.encode(request))

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Do what retention does."""
        await self.admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(offset)})

    async def read_all(self, topic: str, partitions: int, count: int) -> list[ConsumerRecord]:
        """Return the records of a topic, once there are so many."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka.bootstrap_servers, enable_auto_commit=False
        )
        await consumer.start()
        try:
            places = [TopicPartition(topic, number) for number in range(partitions)]
            consumer.assign(places)
            for place in places:
                consumer.seek(place, 0)
            found = list[ConsumerRecord]()

            async def enough() -> bool:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend(records)
                return len(found) >= count

            await eventually(f"{topic} holds {count} records", enough)
            return found
        finally:
            await consumer.stop()

    async def committed(self, topic: str, partition: int) -> int | None:
        """Return what Kafka was told of a partition."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka.bootstrap_servers,
            group_id=self.settings.kafka.group,
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            return await consumer.committed(TopicPartition(topic, partition))
        finally:
            await consumer.stop()


@asynccontextmanager
async def gateway(rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a gateway before the shards of a rig."""
    shards = [rig.shards[index] for index in sorted(rig.shards)]
    app = build_app(LocalPort(shards), rig.settings)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://recsys"
        ) as client,
    ):
        yield client


def reset_offsets(rig: Rig, *arguments: str) -> None:
    """Run the operator's command on the data directory of a stopped server."""
    path = rig.settings.shards.data_dir.parent / "server.yaml"
    path.write_bytes(msgspec.yaml.encode(rig.settings.model_dump(mode="json")))
    command = ["kafka", "reset-offsets", rig.topics.feedback, "--config", str(path), *arguments]
    done = CliRunner().invoke(commands, command)
    assert done.exit_code == 0, done.output
