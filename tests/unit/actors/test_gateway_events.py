import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from actors.messages import Batch, decode
from recsys.clock import now_ms
from recsys.events import Feedback, digest_of
from tests.servers import Served, edge, served


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


def click(n: int = 1, **other: object) -> dict[str, object]:
    return {"type": "click", "user_id": "ann", "item_id": f"i{n}", "event_id": f"e{n}", **other}


def appended(server: Served) -> list[Feedback]:
    """All feedback that reached a shard."""
    batches = [decode(p, Batch) for _, method, p in server.port.calls if method == "append"]
    return [event for batch in batches for event in batch.events if isinstance(event, Feedback)]


async def test_events_are_accepted_and_learned(server: Served) -> None:
    answer = await server.client.post("/v1/events", json=[click(1), click(2)])
    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["duplicates"], body["failed"]) == (2, 0, 0)
    shard = body["results"][0]["shard"]
    assert body["results"] == [
        {"index": 0, "event_id": "e1", "status": "accepted", "shard": shard, "sequence": 1},
        {"index": 1, "event_id": "e2", "status": "accepted", "shard": shard, "sequence": 2},
    ]
    ann = (await server.client.get("/v1/users/ann")).json()
    assert ann["events"] == 2
    assert [item["item_id"] for item in ann["recent"]] == ["i2", "i1"]


LIST = msgspec.json.encode([click(n) for n in range(3)])
OBJECT = msgspec.json.encode({"events": [click(n) for n in range(3)]})
LINES = b"\n".join(msgspec.json.encode(click(n)) for n in range(3))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("application/json", msgspec.json.encode([click(n) for n in range(3)])),
        ("application/json; charset=UTF-8", msgspec.json.encode([click(n) for n in range(3)])),
        (
            "APPLICATION/JSON",
            b" \n" + msgspec.json.encode({"events": [click(n) for n in range(3)]}),
        ),
        ("application/x-ndjson", LINES),
        ("application/x-ndjson", LINES.replace(b"\n", b"\r\n\r\n") + b"\n"),
        ("application/msgpack", msgspec.msgpack.encode([click(n) for n in range(3)])),
        ("application/msgpack", msgspec.msgpack.encode({"events": [click(n) for n in range(3)]})),
    ],
)
async def test_every_form_of_a_batch(server: Served, kind: str, payload: bytes) -> None:
    headers = {"content-type": kind}
    answer = await server.client.post("/v1/events", content=payload, headers=headers)
    assert answer.status_code == 202
    assert [result["event_id"] for result in answer.json()["results"]] == ["e0", "e1", "e2"]


@pytest.mark.parametrize("payload", [b"[]", b'{"events": []}'])
async def test_an_empty_batch_is_no_error(server: Served, payload: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await server.client.post("/v1/events", content=payload, headers=headers)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 0, "duplicates": 0, "failed": 0, "results": []}


async def test_results_keep_the_order_of_the_batch_and_shards_that_of_each_user(
    server: Served,
) -> None:
    users = [f"u{n % 7}" for n in range(100)]
    batch = [click(n, user_id=user) for n, user in enumerate(users)]
    answer = await server.client.post("/v1/events", json=batch)
    results = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(100))
    assert [result["event_id"] for result in results] == [f"e{n}" for n in range(100)]
    assert {result["shard"] for result in results} == {0, 1}
    arrived = appended(server)
    for user in set(users):
        theirs = [event.event_id for event in arrived if event.user_id == user]
        assert theirs == [f"e{n}" for n, owner in enumerate(users) if owner == user]


async def test_a_retry_is_a_duplicate_and_counts_once(server: Served) -> None:
    await server.client.post("/v1/events", json=[click(1)])
    answer = await server.client.post("/v1/events", json=[click(1), click(2), click(2)])
    assert answer.status_code == 202
    body = answer.json()
    assert [result["status"] for result in body["results"]] == [
        "duplicate",
        "accepted",
        "duplicate",
    ]
    assert (body["accepted"], body["duplicates"]) == (1, 2)
    assert (await server.client.get("/v1/users/ann")).json()["events"] == 2


async def test_the_same_id_with_other_content_is_a_conflict(server: Served) -> None:
    await server.client.post("/v1/events", json=[click(1)])
    answer = await server.client.post("/v1/events", json=[click(1, value=3.0), click(2)])
    assert answer.status_code == 207
    body = answer.json()
    assert (body["accepted"], body["failed"]) == (1, 1)
    assert body["results"][0]["status"] == "conflict"
    assert "first one stays" in body["results"][0]["detail"]
    assert "retry-after" not in answer.headers


async def test_ids_are_compared_within_a_shard(server: Served) -> None:
    for n in range(20):
        batch = [click(n), click(n, user_id=f"u{n}")]
        first, second = (await server.client.post("/v1/events", json=batch)).json()["results"]
        same = first["shard"] == second["shard"]
        assert second["status"] == ("conflict" if same else "accepted")


async def test_an_event_without_id_gets_one(server: Served) -> None:
    event = {"type": "view", "user_id": "ann", "item_id": "i1"}
    answer = await server.client.post("/v1/events", json=[event, event])
    ids = {result["event_id"] for result in answer.json()["results"]}
    assert len(ids) == 2
    assert all(len(made) == 32 for made in ids)


async def test_all_fields_reach_the_shard(server: Served) -> None:
    event = click(
        1, type="dwell", value=12, decision_id="d1", context={"hour": 3}, timestamp=10**12
    )
    await server.client.post("/v1/events", json=[event])
    assert appended(server) == [
        Feedback(
            event_id="e1",
            user_id="ann",
            ts_ms=10**12,
            type="dwell",
            item_id="i1",
            value=12.0,
            decision_id="d1",
            context={"hour": 3},
        )
    ]


async def test_a_time_is_now_or_epoch_milliseconds_or_rfc_3339(server: Served) -> None:
    before = now_ms()
    soon = datetime.now(UTC) + timedelta(minutes=4)
    times = [None, 1_600_000_000_123, "2020-09-13T14:26:40.123+02:00", soon.isoformat()]
    batch = [click(n, timestamp=time) for n, time in enumerate(times)]
    assert (await server.client.post("/v1/events", json=batch)).status_code == 202
    now, *given = [event.ts_ms for event in appended(server)]
    assert before <= now <= now_ms()
    assert given == [1_600_000_000_123, 1_600_000_000_123, int(soon.timestamp() * 1000)]


FAR = (datetime.now(UTC) + timedelta(days=1)).isoformat()
BAD: list[tuple[str, object]] = [
    ("timestamp", -1),
    ("timestamp", 1_600_000_000),
    ("timestamp", 10**16),
    ("timestamp", 10**30),
    ("timestamp", 1.5),
    ("timestamp", True),
    ("timestamp", "2020-09-13"),
    ("timestamp", "2020-09-13T14:26:40"),
    ("timestamp", "yesterday"),
    ("timestamp", "0001-01-01T00:00:00+23:59"),
    ("timestamp", "9999-12-31T23:59:59-23:59"),
    ("timestamp", FAR),
    ("type", "purr"),
    ("type", 1),
    ("user_id", ""),
    ("user_id", "a\u0000b"),
    ("item_id", "x" * 257),
    ("item_id", "\u2028"),
    ("event_id", ""),
    ("decision_id", 7),
    ("value", 1e7),
    ("value", True),
    ("value", "NaN"),
    ("context", []),
    ("colour", "red"),
]
FORMS: dict[str, tuple[str, str, Callable[[list[dict[str, object]]], bytes]]] = {
    "array": ("", "application/json", msgspec.json.encode),
    "object": ("/events", "application/json", lambda batch: msgspec.json.encode({"events": batch})),
    "lines": ("", "application/x-ndjson", msgspec.json.Encoder().encode_lines),
    "msgpack": ("", "application/msgpack", msgspec.msgpack.encode),
}


@pytest.mark.parametrize("form", FORMS)
async def test_a_bad_event_is_named_and_refuses_the_whole_batch(form: str) -> None:
    prefix, kind, encode = FORMS[form]
    async with edge() as client:
        for field, value in BAD:
            if form == "msgpack" and value == 10**30:
                continue  # there is no such integer in msgpack
            payload = encode([click(1), click(2, **{field: value}), click(3)])
            headers = {"content-type": kind}
            answer = await client.post("/v1/events", content=payload, headers=headers)
            assert answer.status_code == 422, (field, value)
            assert answer.json()["errors"][0]["pointer"] == f"{prefix}/1/{field}"


async def test_a_batch_is_bounded(server: Served) -> None:
    event = {"type": "view", "user_id": "ann", "item_id": "i"}
    answer = await server.client.post("/v1/events", json={"events": [event] * 1001})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/events", "detail": "at most 1000 events, got 1001"}
    ]
    assert (await server.client.post("/v1/events", json=[event] * 1000)).status_code == 202


async def test_strange_ids_are_data(server: Served) -> None:
    ids = ["a|b:c d", "'save_/tmp/x", "../../etc/passwd", "\U0001f600\u202e", "e\u0301", "%2e%2e"]
    batch = [click(n, user_id=strange, item_id=strange) for n, strange in enumerate(ids)]
    assert (await server.client.post("/v1/events", json=batch)).json()["accepted"] == len(ids)
    assert sorted(event.item_id for event in appended(server)) == sorted(ids)


async def test_many_writers_at_once_are_all_answered(server: Served) -> None:
    answers = await asyncio.gather(
        *(server.client.post("/v1/events", json=[click(n, user_id=f"u{n}")]) for n in range(50))
    )
    assert all(answer.json()["accepted"] == 1 for answer in answers)
    stats = (await server.client.get("/v1/stats")).json()
    assert sum(shard["engine"]["feedback"]["click"] for shard in stats["shards"]) == 50


@pytest.mark.parametrize("path", ["/v1/events", "/v1/items:batch"])
async def test_nobody_brings_a_base_over_http(server: Served, path: str) -> None:
    base = {
        "kind": "adopt", "event_id": "a", "ts_ms": 0, "version": 1, "choices": 0, "record": "",
        "digest": digest_of(b""), "loss": 1.0, "baseline": 2.0,
    }  # fmt: skip
    for payload in ([base], {"events": [base]}, {"items": [base]}):
        answer = await server.client.post(path, json=payload)
        assert answer.status_code in {400, 422}, answer.text
    answer = await server.client.post("/v1/events", json=[{**click(1), "kind": "adopt"}])
    assert answer.status_code in {400, 422}, answer.text
    assert not any(method == "append" for _, method, _ in server.port.calls)
