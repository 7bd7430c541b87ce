"""From a record in Kafka to learned: one shard, without Ray, on a broker of this machine.

Two questions. A backlog: how many events per second a shard learns that has a lot to catch up. A
stream: at a steady rate, how long it takes from the moment a producer made a record until the
model has learned it. The broker is that of the tests, or the one of KAFKA_BOOTSTRAP_SERVERS.
"""

import asyncio
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Final

import msgspec
import typer
from aiokafka import AIOKafkaProducer

from actors.kafka.admin import create_topics
from actors.kafka.settings import KafkaSettings, TopicSettings
from actors.kafka.side import attach
from actors.messages import ShardStats
from actors.settings import ServerSettings, ShardSettings
from actors.shard import Shard
from benchmarks.report import JsonOption, check_writable, run, write
from recsys.engine import Engine
from tests.kafka.broker import Broker, eventually
from tests.kafka.jars import KAFKA

__all__ = ["Figures", "main"]

_USERS: Final = 500
_ITEMS: Final = 1000
_PARTITIONS: Final = 8


class Figures(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes
    ----------
    backlog_per_s
        Events learned per second while catching up.
    fresh_p50_ms, fresh_p99_ms
        From the record's own time to learned, over the last thousand events of the stream; whole
        milliseconds, as Kafka counts.
    """

    kafka: str
    backlog_events: int
    backlog_s: float
    backlog_per_s: float
    stream_per_s: int
    stream_s: float
    fresh_p50_ms: float
    fresh_p99_ms: float


@contextmanager
def _servers(folder: Path) -> Iterator[list[str]]:
    foreign = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if foreign:
        yield foreign.split(",")
        return
    broker = Broker(folder)
    broker.start()
    try:
        yield [broker.bootstrap]
    finally:
        broker.stop()


def _record(n: int) -> tuple[bytes, bytes]:
    user = f"u{n % _USERS}"
    document = {
        "event_id": f"{n:08x}",
        "type": "click",
        "user_id": user,
        "item_id": f"i{n * 7 % _ITEMS}",
    }
    return user.encode(), msgspec.json.encode(document)


class _Bench:
    def __init__(self, settings: ServerSettings, folder: Path) -> None:
        self._settings = settings
        self._topic = settings.kafka.topics.feedback
        engine = Engine.open(folder / "shard", settings.engine)
        self._shard = Shard(0, settings, engine, attach=attach(settings))
        self._sent = 0

    async def run(self, backlog: int, rate: int, seconds: float) -> Figures:
        await create_topics(self._settings, replication=1)
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka.bootstrap_servers,
            acks="all",
            enable_idempotence=True,
        )
        await producer.start()
        try:
            for start in range(0, backlog, 1000):
                await self._send(producer, min(1000, backlog - start))
            await self._shard.start()
            await self._learned(1)
            began, first = perf_counter(), self._count()
            await self._learned(backlog)
            took = perf_counter() - began
            await self._stream(producer, rate, seconds)
            stats = self._shard.stats()
        finally:
            await producer.stop()
            await self._shard.stop()
        return Figures(
            kafka=KAFKA,
            backlog_events=backlog - first,
            backlog_s=took,
            backlog_per_s=(backlog - first) / took,
            stream_per_s=rate,
            stream_s=seconds,
            fresh_p50_ms=stats.freshness_p50_ms or 0.0,
            fresh_p99_ms=stats.freshness_p99_ms or 0.0,
        )

    async def _send(self, producer: AIOKafkaProducer, events: int) -> None:
        futures = []
        for n in range(self._sent, self._sent + events):
            key, value = _record(n)
            futures.append(await producer.send(self._topic, value, key=key))
        self._sent += events
        await asyncio.gather(*futures)

    async def _stream(self, producer: AIOKafkaProducer, rate: int, seconds: float) -> None:
        began = perf_counter()
        first = self._sent
        while (passed := perf_counter() - began) < seconds:
            due = int(passed * rate) - (self._sent - first)
            if due:
                await self._send(producer, due)
            await asyncio.sleep(0.01)
        await self._learned(self._sent)

    def _count(self) -> int:
        stats: ShardStats = self._shard.stats()
        return stats.engine.sequence

    async def _learned(self, events: int) -> None:
        async def enough() -> bool:
            return self._count() >= events

        await eventually(f"{events} events are learned", enough, timeout_s=600)


def main(
    *,
    backlog: Annotated[int, typer.Option(min=1000, help="Events to catch up with.")] = 20_000,
    rate: Annotated[int, typer.Option(min=1, help="Events per second of the stream.")] = 200,
    seconds: Annotated[float, typer.Option(min=6, help="How long the stream is.")] = 15.0,
    json_file: JsonOption = None,
) -> None:
    """Measure how fast and how fresh a shard learns from Kafka."""
    check_writable(json_file)
    Engine.warm_up()
    with (
        tempfile.TemporaryDirectory(prefix="recsys-kafka-") as name,
        _servers(Path(name)) as servers,
    ):
        mine = uuid.uuid4().hex[:8]
        settings = ServerSettings(
            shards=ShardSettings(count=1, partitions=_PARTITIONS),
            kafka=KafkaSettings(
                enabled=True,
                bootstrap_servers=servers,
                group=mine,
                topics=TopicSettings(
                    feedback=f"{mine}.feedback",
                    catalogue=f"{mine}.catalogue",
                    decisions=f"{mine}.decisions",
                    dead_letters=f"{mine}.dead-letters",
                ),
            ),
        )

        async def measure() -> Figures:
            return await _Bench(settings, Path(name)).run(backlog, rate, seconds)

        figures = asyncio.run(measure())
    typer.echo(
        f"catching up: {figures.backlog_per_s:,.0f} events/s "
        f"({figures.backlog_events:,} in {figures.backlog_s:.1f} s)\n"
        f"at {figures.stream_per_s}/s: record to learned p50 {figures.fresh_p50_ms:.0f} ms, "
        f"p99 {figures.fresh_p99_ms:.0f} ms"
    )
    parameters = {"backlog": backlog, "rate": rate, "seconds": seconds, "partitions": _PARTITIONS}
    write(json_file, "kafka", parameters, figures)


if __name__ == "__main__":
    run(main)
