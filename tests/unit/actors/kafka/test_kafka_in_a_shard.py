"""A whole shard with a Kafka in memory beside it: statistics, readiness, metrics, troubles."""

from collections.abc import Sequence

import httpx2

from actors.auth.settings import AuthSettings
from actors.gateway import build_app
from actors.kafka.base import Partition
from actors.kafka.metrics import RayKafkaObserver
from actors.kafka.side import KafkaSide
from actors.kafka.stats import KafkaStats
from actors.ports import LocalPort
from actors.settings import HttpSettings
from actors.shard import Shard
from recsys.engine import Engine
from tests.unit.actors.kafka.fakes import SETTINGS, FakeKafka, until, user_in
from tests.unit.actors.kafka.test_side import fill


async def told_strangers(shards: Sequence[Shard]) -> str:
    """Return what a server that asks for keys says of shard 0's reading to who has none."""
    http = HttpSettings(auth=AuthSettings(always=True))
    app = build_app(LocalPort(shards), SETTINGS.model_copy(update={"http": http}))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        checks = (await client.get("/readyz")).json()["checks"]
    return str(checks[2]["detail"])


def kafka_of(shard: Shard) -> KafkaStats:
    stats = shard.stats().kafka
    assert stats is not None
    return stats


def shard_on(kafka: FakeKafka, index: int, engine: Engine) -> Shard:
    return Shard(
        index,
        SETTINGS,
        engine,
        attach=lambda home, stored: KafkaSide(
            home, SETTINGS, stored, kafka.clients(), RayKafkaObserver(index)
        ),
    )


async def test_what_happens_in_kafka_shows_over_http() -> None:
    kafka = FakeKafka.for_settings()
    engines = [Engine.open(None, SETTINGS.engine) for _ in range(2)]
    shards = [shard_on(kafka, index, engine) for index, engine in enumerate(engines)]
    for shard in shards:
        await shard.start()
    fill(kafka, range(3))
    kafka.put(SETTINGS.kafka.topics.feedback, 0, b"{", user_in(0).encode())
    app = build_app(LocalPort(shards), SETTINGS)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        # Decisions, positions and events share the shard's writer, and its queue empties.
        served = await client.post("/v1/recommend", json={"user_id": user_in(0), "n": 1})
        assert served.status_code == 200
        await until(lambda: kafka_of(shards[0]).records == 4)
        await until(lambda: kafka_of(shards[1]).state == "reading")
        stats = (await client.get("/v1/stats")).json()["shards"][0]["kafka"]
        assert stats["state"] == "reading"
        assert stats["dead_letters"] == {"unreadable": 1}
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        names = [check["name"] for check in ready.json()["checks"]]
        assert names == ["shard 0", "shard 1", "kafka of shard 0", "kafka of shard 1"]
        assert all(check["ok"] for check in ready.json()["checks"])

        # A server that cannot read Kafka still answers, so it stays ready and says why.
        kafka.down = True
        await until(lambda: kafka_of(shards[0]).state == "connecting")
        away = await client.get("/readyz")
        assert (away.status_code, away.json()["status"]) == (200, "ready")
        assert away.json()["checks"][2] == {
            "name": "kafka of shard 0", "ok": False, "detail": "connecting: nobody answers",
        }  # fmt: skip
        strangers = await told_strangers(shards)
        assert strangers == "connecting: why is in /v1/stats"
        kafka.beginnings[Partition(SETTINGS.kafka.topics.feedback, 0)] = 6
        fill(kafka, range(4, 9))
        kafka.down = False
        await until(lambda: shards[0].trouble() != ())
        gapped = (await client.get("/readyz")).json()["checks"][2]
        assert not gapped["ok"]
        assert "data_gap in recsys.feedback-0: offsets 4 to 6" in gapped["detail"]
        assert shards[0].trouble()[0] == gapped["detail"]
        assert await told_strangers(shards) == "data_gap: retention"
    await app.stream.close()
    for shard in shards:
        await shard.stop()


async def test_a_shard_without_kafka_says_nothing_of_it() -> None:
    shard = Shard(0, SETTINGS, Engine.open(None, SETTINGS.engine))
    await shard.start()
    assert shard.stats().kafka is None
    assert shard.trouble() == ()
    await shard.stop()
