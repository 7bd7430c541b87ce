"""The gateway that writes to Kafka, before shards that read from it; over HTTP, without Ray."""

import asyncio

from actors.settings import ServerSettings
from recsys.events import ItemRemove, ItemUpsert
from tests.kafka.broker import Broker, eventually
from tests.kafka.rig import Rig, click, gateway, user_in


def with_log(settings: ServerSettings) -> ServerSettings:
    return settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"gateway_log": True}),
            "http": settings.http.model_copy(update={"shard_timeout_s": 2.0}),
        }
    )


async def test_events_and_items_go_through_kafka(rig: Rig) -> None:
    rig.settings = with_log(rig.settings)
    await rig.start()
    people = [user_in(number, 4) for number in range(4)]
    async with gateway(rig) as client:
        answer = await client.post("/v1/events", json=[click(n, people[n % 4]) for n in range(20)])
        assert answer.status_code == 202
        results = answer.json()["results"]
        assert [result["status"] for result in results] == ["accepted"] * 20
        assert not any("sequence" in result for result in results)
        again = await client.post("/v1/events", json=[click(0, people[0])])
        assert again.json()["accepted"] == 1  # Kafka cannot know; the shard will

        put = await client.put("/v1/items/a", json={"attributes": {"genre": "x"}})
        assert (put.status_code, put.json()) == (202, {"item_id": "a", "status": "accepted"})
        batch = await client.post("/v1/items:batch", json={"items": [{"item_id": "b"}]})
        assert batch.status_code == 202
        removed = await client.delete("/v1/items/a")
        assert (removed.status_code, removed.json()["status"]) == (202, "removed")

        await rig.caught_up(21 + 2 * 3)
        ready = (await client.get("/readyz")).json()
    assert [check["name"] for check in ready["checks"] if check["ok"]] == [
        "shard 0", "shard 1", "kafka of shard 0", "kafka of shard 1",
    ]  # fmt: skip
    assert rig.ids() == sorted(f"e{n}" for n in range(20))
    for index in range(2):
        items = [e for e in rig.events(index) if isinstance(e, ItemUpsert | ItemRemove)]
        assert [type(e).__name__ for e in items if e.item_id == "a"] == ["ItemUpsert", "ItemRemove"]
        assert sum(e.item_id == "b" for e in items) == 1


async def test_without_a_broker_events_are_refused_in_time_and_lists_are_served(
    rig: Rig, own_broker: Broker
) -> None:
    rig.settings = with_log(rig.settings)
    await rig.start()
    user = user_in(0, 4)
    async with gateway(rig) as client:
        assert (await client.post("/v1/events", json=[click(0, user)])).status_code == 202
        await asyncio.to_thread(own_broker.kill)
        try:
            loop = asyncio.get_running_loop()
            for n in (1, 2):
                asked = loop.time()
                refused = await client.post("/v1/events", json=[click(n, user)])
                assert refused.status_code == 503
                assert "Retry-After" in refused.headers
                assert "Kafka did not take it" in refused.json()["detail"]
                assert loop.time() - asked < rig.settings.http.shard_timeout_s + 0.5
            served = await client.post("/v1/recommend", json={"user_id": user})
            assert served.status_code == 200
        finally:
            await asyncio.to_thread(own_broker.start)

        async def accepted() -> bool:
            answer = await client.post("/v1/events", json=[click(n, user) for n in (1, 2, 3)])
            return answer.status_code == 202

        await eventually("the broker takes events again", accepted)

        async def learned() -> bool:
            return rig.ids() == ["e0", "e1", "e2", "e3"]

        await eventually("each is learned once", learned)
