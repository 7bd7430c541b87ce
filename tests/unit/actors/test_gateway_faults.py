"""What callers hear when shards are full or down."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from actors.errors import Overloaded, RuntimeFault, ShardUnavailable
from actors.gateway import build_app
from actors.ports import LocalPort
from actors.settings import HttpSettings, ServerSettings
from actors.shard import Shard
from recsys.errors import InvalidEvent, StoreError
from recsys.partition import partition_of
from tests.servers import SETTINGS, GatedStore, ScriptedPort, Served, engine_on, served

DOWN = ShardUnavailable(1, "restarting")
FULL = Overloaded(1, 2.5)


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


def user_of(shard: int) -> str:
    return next(f"u{n}" for n in range(1000) if partition_of(f"u{n}", 64) % 2 == shard)


def click(n: int, shard: int) -> dict[str, object]:
    return {"type": "click", "user_id": user_of(shard), "item_id": "i", "event_id": f"e{n}"}


@pytest.mark.parametrize(
    ("fault", "status", "kind", "retry_after"),
    [(DOWN, 503, "unavailable", "1"), (FULL, 429, "overloaded", "3")],
)
async def test_questions_to_a_shard_that_cannot_answer(
    server: Served, fault: RuntimeFault, status: int, kind: str, retry_after: str
) -> None:
    user_id = user_of(1)
    partition = partition_of(user_id, 64)
    for method in ("recommend", "user", "decision", "append"):
        server.port.faults[1, method] = fault
    answers = [
        await server.client.post("/v1/recommend", json={"user_id": user_id}),
        await server.client.post("/v1/rank", json={"user_id": user_id, "candidates": ["a"]}),
        await server.client.get(f"/v1/users/{user_id}"),
        await server.client.get(f"/v1/decisions/{partition:x}-{'0' * 32}"),
        await server.client.post("/v1/events", json=[click(1, 1), click(2, 1)]),
    ]
    for answer in answers:
        assert answer.status_code == status
        assert answer.headers["retry-after"] == retry_after
        assert answer.json()["type"] == f"urn:recsys:problem:{kind}"
    other = await server.client.post("/v1/recommend", json={"user_id": user_of(0)})
    assert other.status_code == 200


@pytest.mark.parametrize("fault", [DOWN, FULL])
async def test_a_batch_of_which_one_shard_fails_is_answered_by_event(
    server: Served, fault: RuntimeFault
) -> None:
    server.port.faults[1, "append"] = fault
    batch = [click(0, 0), click(1, 1), click(2, 0), click(3, 1)]
    answer = await server.client.post("/v1/events", json=batch)
    assert answer.status_code == 207
    assert answer.headers["retry-after"]
    body = answer.json()
    assert (body["accepted"], body["failed"]) == (2, 2)
    expected = ["accepted", "unavailable", "accepted", "unavailable"]
    assert [result["status"] for result in body["results"]] == expected
    assert "same event_id" in body["results"][1]["detail"]
    server.port.faults.clear()
    again = (await server.client.post("/v1/events", json=batch)).json()
    assert (again["accepted"], again["duplicates"], again["failed"]) == (2, 2, 0)


async def test_when_all_shards_of_a_batch_fail_the_request_fails(server: Served) -> None:
    server.port.faults = {(0, "append"): Overloaded(0, 1.0), (1, "append"): FULL}
    batch = [click(0, 0), click(1, 1)]
    assert (await server.client.post("/v1/events", json=batch)).status_code == 429
    server.port.faults[1, "append"] = DOWN
    assert (await server.client.post("/v1/events", json=batch)).status_code == 503


async def test_an_item_is_accepted_only_when_all_shards_have_it(server: Served) -> None:
    server.port.faults[1, "append"] = DOWN
    answers = [
        await server.client.put("/v1/items/i1", json={}),
        await server.client.delete("/v1/items/i1"),
        await server.client.post("/v1/items:batch", json={"items": [{"item_id": "i1"}]}),
    ]
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["detail"] == (
            "shard 1 is unavailable: restarting; the others may have taken it: send it again"
        )
    server.port.faults[1, "append"] = FULL
    assert (await server.client.put("/v1/items/i1", json={})).status_code == 503
    server.port.faults[0, "append"] = Overloaded(0, 1.0)
    assert (await server.client.put("/v1/items/i1", json={})).status_code == 429
    server.port.faults.clear()
    assert (await server.client.put("/v1/items/i1", json={})).status_code == 200


async def test_an_item_that_one_shard_refuses_is_not_refused_as_a_whole(server: Served) -> None:
    no_room = InvalidEvent("/events/0/item_id", "there is no room for another item")
    server.port.faults[1, "append"] = no_room
    calls: list[tuple[str, str, dict[str, object]]] = [
        ("/path/item_id", "PUT", {}),
        ("/items/0/item_id", "POST", {"items": [{"item_id": "i1"}]}),
    ]
    cases: list[tuple[Exception | None, int]] = [
        (None, 503),
        (ShardUnavailable(0, "too slow"), 503),
        (Overloaded(0, 1.0), 422),
        (no_room, 422),
    ]
    for fault, status in cases:
        if fault is not None:
            server.port.faults[0, "append"] = fault
        for pointer, method, body in calls:
            path = "/v1/items/i1" if method == "PUT" else "/v1/items:batch"
            answer = await server.client.request(method, path, json=body)
            assert answer.status_code == status
            assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
            assert ("shard 1 refused" in answer.json()["detail"]) == (status == 503)
            assert ("retry-after" in answer.headers) == (status == 503)
    server.port.faults[0, "append"] = RuntimeError("broken")
    assert (await server.client.put("/v1/items/i1", json={})).status_code == 500


async def test_a_shard_may_refuse_what_the_edge_let_through(server: Served) -> None:
    server.port.faults[1, "recommend"] = InvalidEvent("/arm", "must be one of a, b")
    answer = await server.client.post("/v1/recommend", json={"user_id": user_of(1)})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/arm"


async def test_readiness_and_statistics_name_the_shard_that_is_down(server: Served) -> None:
    ready = await server.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    server.port.faults[1, "stats"] = DOWN
    answer = await server.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert [check["ok"] for check in answer.json()["checks"]] == [True, False]
    assert "restarting" in answer.json()["checks"][1]["detail"]
    assert (await server.client.get("/livez")).status_code == 200
    stats = (await server.client.get("/v1/stats")).json()
    assert [shard["shard"] for shard in stats["shards"]] == [0]
    assert stats["unavailable"][0]["shard"] == 1


async def test_a_server_that_cannot_write_is_ready_for_lists_and_says_what_is_wrong() -> None:
    store = GatedStore()
    store.gate.set()
    store.fault = StoreError("/data/shard-0/log.sqlite: the disk is full")
    shard = Shard(0, SETTINGS, engine_on(store))
    await shard.start()
    app = build_app(LocalPort([shard]), SETTINGS)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        refused = await client.post("/v1/events", json=[click(1, 0)])
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["detail"] == (
            "shard 0 is unavailable: its store cannot write: the disk is full"
        ), "callers hear of no paths"
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        (check,) = ready.json()["checks"]
        assert check["detail"] == "answers, but takes no events: its store cannot write"
        assert not (await client.get("/v1/stats")).json()["shards"][0]["writing"]
        store.fault = None
        assert (await client.post("/v1/events", json=[click(1, 0)])).status_code == 202
        (check,) = (await client.get("/readyz")).json()["checks"]
        assert check["detail"] == "answers"
    await shard.stop()


async def test_every_call_has_a_deadline() -> None:
    store = GatedStore()
    settings = ServerSettings(engine=SETTINGS.engine, http=HttpSettings(shard_timeout_s=0.05))
    shard = Shard(0, settings, engine_on(store, settings))
    await shard.start()
    app = build_app(ScriptedPort(LocalPort([shard])), settings)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        answer = await client.post("/v1/events", json=[click(1, 0)])
        assert answer.status_code == 503
        assert "within 0.05 s" in answer.json()["detail"]
        store.gate.set()
    await shard.stop()
    assert store.last_sequence == 1


async def test_a_full_queue_sheds_and_recovers() -> None:
    store = GatedStore()
    settings = ServerSettings(
        engine=SETTINGS.engine.model_copy(
            update={"store": SETTINGS.engine.store.model_copy(update={"queue_events": 2})}
        )
    )
    shard = Shard(0, settings, engine_on(store, settings))
    await shard.start()
    app = build_app(LocalPort([shard]), settings)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        first = asyncio.create_task(client.post("/v1/events", json=[click(1, 0), click(2, 0)]))
        assert await asyncio.to_thread(store.entered.wait, 10)
        answer = await client.post("/v1/events", json=[click(3, 0)])
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
        assert (await client.post("/v1/recommend", json={"user_id": "a"})).status_code == 429
        store.gate.set()
        assert (await first).status_code == 202
        assert (await client.post("/v1/events", json=[click(3, 0)])).status_code == 202
        assert (await client.post("/v1/recommend", json={"user_id": "a"})).status_code == 200
    await shard.stop()
