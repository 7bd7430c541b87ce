"""The gateway that writes to Kafka, at its limits; what works is in ``tests/kafka``."""

import asyncio

import httpx2
import msgspec
import pytest

from actors.gateway import build_app
from actors.http.events import EventRoutes
from actors.http.shards import Shards
from actors.http.whereabouts import Whereabouts
from actors.kafka.base import Partition, Record
from actors.kafka.gateway import BufferFull, LogShards, LogUnavailable, message_of
from actors.kafka.pauses import Backoff, pause
from actors.kafka.records import Decoder
from actors.settings import HttpSettings, ServerSettings
from actors.shard_map import ShardMap
from recsys.events import Decision, Event, Feedback, ItemRemove, ItemUpsert
from recsys.partition import partition_of
from tests.servers import DeafPort
from tests.unit.actors.kafka.fakes import SETTINGS, FakeKafka

LOGGED = SETTINGS.model_copy(
    update={
        "kafka": SETTINGS.kafka.model_copy(update={"gateway_log": True, "buffer_events": 3}),
        "http": HttpSettings(shard_timeout_s=0.2),
    }
)
WHERE = Whereabouts(ShardMap.dealt_out(SETTINGS.shards.count, SETTINGS.shards.partitions))


def feedback(n: int) -> Feedback:
    return Feedback(
        event_id=f"e{n}", user_id="ann", ts_ms=1_700_000_000_000 + n, type="rating", item_id="i",
        value=4.0, decision_id="d", context={"page": "home"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [
        feedback(1),
        msgspec.structs.replace(feedback(1), survival=0.25),
        ItemUpsert(event_id="p1", ts_ms=1_700_000_000_000, item_id="a b", attributes={"n": 1.0}),
    ],
)
def test_what_is_written_is_read_as_the_same_event(event: Event) -> None:
    message = message_of(event, LOGGED)
    number = partition_of("ann", 4) if isinstance(event, Feedback) else 0
    record = Record(
        Partition(message.topic, number), 0, 0, message.key, message.value, message.headers
    )
    assert Decoder(LOGGED).event(record, 1) == event


def test_a_record_says_nothing_of_what_it_lacks() -> None:
    """So that a server of before ``survival`` reads all feedback that stands for itself."""
    value = message_of(feedback(1), LOGGED).value
    assert value is not None
    assert msgspec.msgpack.decode(value).keys() == {
        "type", "user_id", "item_id", "event_id", "decision_id", "value", "timestamp", "context",
    }  # fmt: skip


def test_a_removal_is_a_record_without_a_value() -> None:
    message = message_of(ItemRemove(event_id="r", ts_ms=1, item_id="a"), LOGGED)
    assert (message.key, message.value) == (b"a", None)
    with pytest.raises(TypeError, match="Decision"):
        message_of(Decision(event_id="d", user_id="u", ts_ms=1, slots=(), policy="p"), LOGGED)


async def test_a_full_buffer_is_an_overload_and_silence_is_told_in_time() -> None:
    kafka = FakeKafka.for_settings(LOGGED)
    shards = LogShards(DeafPort(), LOGGED, WHERE, kafka.clients())
    await shards.append(0, [feedback(0)], 0)
    kafka.mute = True
    waiting = asyncio.create_task(shards.append(0, [feedback(1), feedback(2)], 0))
    await asyncio.sleep(0)
    while not shards._publisher.queued:  # noqa: ASYNC110, SLF001
        await asyncio.sleep(0)
    with pytest.raises(BufferFull, match="too many events wait for Kafka"):
        await shards.append(0, [feedback(3), feedback(4)], 0)
    with pytest.raises(LogUnavailable, match=r"no broker has confirmed it within 0\.2 s"):
        await waiting
    kafka.mute, kafka.down = False, True
    kafka.written.clear()
    # The silent connection was given up; the next one is not made, and nobody waits for it.
    with pytest.raises(LogUnavailable):
        await shards.append(0, [feedback(5)], 0)
    with pytest.raises(LogUnavailable, match="nobody answers"):
        await shards.append_everywhere([feedback(5)], 0)
    assert kafka.written == []
    await shards.close()


async def test_http_says_429_and_503_as_for_a_shard() -> None:
    kafka = FakeKafka.for_settings(LOGGED)
    kafka.down = True
    app = build_app(DeafPort(), SETTINGS)
    routes = EventRoutes(LogShards(DeafPort(), LOGGED, WHERE, kafka.clients()), LOGGED)
    app.add_api_route("/logged", routes.post, methods=["POST"])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        body = [{"type": "click", "user_id": "ann", "item_id": "i", "event_id": "e"}]
        refused = await client.post("/logged", json=body)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.json()["detail"] == "Kafka did not take it: nobody answers"


def test_only_a_gateway_with_a_log_learns_later() -> None:
    assert not Shards(DeafPort(), SETTINGS, WHERE).learns_later


def test_a_log_that_nobody_reads_is_refused() -> None:
    with pytest.raises(ValueError, match="gateway_log needs enabled"):
        ServerSettings.model_validate({"kafka": {"gateway_log": True}})
    with pytest.raises(ValueError, match="needs a username"):
        ServerSettings.model_validate({"kafka": {"security": {"protocol": "SASL_SSL"}}})
    with pytest.raises(ValueError, match="a name of its own"):
        ServerSettings.model_validate({"kafka": {"topics": {"feedback": "a", "decisions": "a"}}})


async def test_pauses_grow_to_the_longest_and_end_at_a_stop() -> None:
    backoff = Backoff(0.1, 1.0)
    pauses = [backoff.next_s() for _ in range(40)]
    assert all(0.05 * 2**n <= pauses[n] <= 0.1 * 2**n for n in range(3))
    assert all(0.5 <= one <= 1.0 for one in pauses[5:])
    backoff.reset()
    assert backoff.next_s() <= 0.1
    stopping = asyncio.Event()
    assert not await pause(stopping, 0.001)
    stopping.set()
    assert await pause(stopping, 60.0)
