from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest
from typing_extensions import override

from actors.errors import Overloaded, ShardUnavailable
from actors.gateway import build_app
from actors.http.schema import RecommendAnswer, RecommendManyAnswer
from actors.messages import Method, Recommendations, decode, encode
from recsys.decision import Request
from recsys.events import Decision
from recsys.partition import partition_of
from tests.servers import SETTINGS, DeafPort, Served, edge, served


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


async def stock(server: Served, n: int = 20) -> None:
    items = [{"item_id": f"i{k}", "attributes": {"genre": "ab"[k % 2]}} for k in range(n)]
    answer = await server.client.post("/v1/items:batch", json={"items": items})
    assert answer.status_code == 200


def asked(server: Served) -> Request:
    """Return the last question that reached a shard."""
    payloads = [payload for _, method, payload in server.port.calls if method == "recommend"]
    return decode(payloads[-1], Request)


async def test_recommend_gives_a_list_with_its_propensities(server: Served) -> None:
    await stock(server)
    answer = await server.client.post("/v1/recommend", json={"user_id": "ann", "n": 5})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert [item["rank"] for item in body["items"]] == [1, 2, 3, 4, 5]
    assert len({item["item_id"] for item in body["items"]}) == 5
    assert all(0 < item["propensity"] <= 1 for item in body["items"])
    assert body["policy"] in {"learner", "random"}
    assert body["model_sequence"] == 20
    assert body["fallback"] is True
    assert body["unknown_items"] == []
    assert body["took_ms"] > 0


async def test_answers_are_the_documents_that_are_told_of(server: Served) -> None:
    """Lists become JSON in the shard; the gateway adds how long it took."""
    await stock(server)
    odd = {"user_id": "é", "n": 2, "candidates": ['"\\/', "ü", "i3"]}
    one = await server.client.post("/v1/recommend", json=odd)
    assert one.content == msgspec.json.encode(msgspec.json.decode(one.content, type=StrictAnswer))
    assert one.json()["unknown_items"] == ['"\\/', "ü"]
    assert one.headers["content-length"] == str(len(one.content))
    many = await server.client.post("/v1/recommend:batch", json={"requests": [odd, odd]})
    documents = msgspec.json.decode(many.content, type=RecommendManyAnswer)
    assert many.content == msgspec.json.encode(documents)
    server.port.faults[partition_of("é", 64) % 2, "recommend_many"] = Overloaded(1, 2.0)
    bob = next(f"p{k}" for k in range(9) if (partition_of(f"p{k}", 64) ^ partition_of("é", 64)) % 2)
    some = await server.client.post(
        "/v1/recommend:batch", json={"requests": [odd, {"user_id": bob}]}
    )
    assert some.status_code == 207
    documents = msgspec.json.decode(some.content, type=RecommendManyAnswer)
    assert some.content == msgspec.json.encode(documents)


class StrictAnswer(RecommendAnswer, forbid_unknown_fields=True):
    """The document, and nothing else."""


class OldPort(DeafPort):
    """Reaches shards of a version that answered with the decision as it was logged."""

    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        made = Decision(event_id="d", user_id="ann", ts_ms=1, slots=(), policy="learner")
        old = encode({"decision": made, "unknown_items": (), "degraded": False})
        return old if method == "recommend" else encode(Recommendations((old,)))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/recommend", {"user_id": "ann"}),
        ("/v1/recommend:batch", {"requests": [{"user_id": "ann"}]}),
    ],
)
async def test_what_another_version_answers_is_not_copied(path: str, body: object) -> None:
    transport = httpx2.ASGITransport(app=build_app(OldPort(), SETTINGS))
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        answer = await client.post(path, json=body)
    assert answer.status_code == 503
    assert "runs another version" in answer.json()["detail"]


async def test_an_empty_catalogue_gives_an_empty_list(server: Served) -> None:
    answer = await server.client.post("/v1/recommend", json={"user_id": "ann"})
    assert answer.status_code == 200
    assert answer.json()["items"] == []


async def test_the_decision_id_says_where_the_decision_lies(server: Served) -> None:
    await stock(server)
    for user_id in ("ann", "bob", "cem", "dora"):
        answer = await server.client.post("/v1/recommend", json={"user_id": user_id})
        decision_id = answer.json()["decision_id"]
        assert int(decision_id.split("-")[0], 16) == partition_of(user_id, 64)
        found = await server.client.get(f"/v1/decisions/{decision_id}")
        assert found.status_code == 200
        logged = found.json()
        assert logged["user_id"] == user_id
        shown = [(item["item_id"], item["propensity"]) for item in answer.json()["items"]]
        assert [(slot[0], slot[1]) for slot in logged["slots"]] == shown


async def test_defaults_and_options_reach_the_shard(server: Served) -> None:
    await stock(server)
    await server.client.post("/v1/recommend", json={"user_id": "ann"})
    plain = asked(server)
    assert (plain.n, plain.candidates, plain.exclude, plain.arm) == (10, None, (), None)
    options = {
        "user_id": "ann",
        "n": 2,
        "context": {"device": "phone", "hour": 9, "new": True},
        "candidates": ["i1", "i2", "i1", "i3"],
        "exclude_item_ids": ["i2", "i2"],
        "arm": "random",
    }
    answer = await server.client.post("/v1/recommend", json=options)
    assert answer.json()["policy"] == "random"
    assert {item["item_id"] for item in answer.json()["items"]} == {"i1", "i3"}
    full = asked(server)
    assert full.candidates == ("i1", "i2", "i3")
    assert full.context == {"device": "phone", "hour": 9, "new": True}


async def test_rank_orders_all_candidates_and_names_the_unknown(server: Served) -> None:
    await stock(server)
    body = {"user_id": "ann", "candidates": ["i3", "new", "i1", "i3"]}
    answer = (await server.client.post("/v1/rank", json=body)).json()
    assert {item["item_id"] for item in answer["items"]} == {"i3", "new", "i1"}
    assert answer["unknown_items"] == ["new"]
    assert (await server.client.post("/v1/rank", json={**body, "n": 1})).json()["items"][1:] == []


BAD: list[tuple[dict[str, object], str]] = [
    ({}, "/user_id"),
    ({"user_id": ""}, "/user_id"),
    ({"user_id": "x" * 257}, "/user_id"),
    ({"user_id": "é" * 129}, "/user_id"),
    ({"user_id": "a\u0000b"}, "/user_id"),
    ({"user_id": 5}, "/user_id"),
    ({"user_id": "ann", "n": 0}, "/n"),
    ({"user_id": "ann", "n": 101}, "/n"),
    ({"user_id": "ann", "n": 1.5}, "/n"),
    ({"user_id": "ann", "n": True}, "/n"),
    ({"user_id": "ann", "n": 10**30}, "/n"),
    ({"user_id": "ann", "candidates": []}, "/candidates"),
    ({"user_id": "ann", "candidates": ["a"] * 1001}, "/candidates"),
    ({"user_id": "ann", "candidates": ["a", "a", ""]}, "/candidates/2"),
    ({"user_id": "ann", "candidates": ["a", "a", "\n"]}, "/candidates/2"),
    ({"user_id": "ann", "exclude_item_ids": ["a", "\n"]}, "/exclude_item_ids/1"),
    ({"user_id": "ann", "exclude_item_ids": ["a"] * 1001}, "/exclude_item_ids"),
    ({"user_id": "ann", "context": {"a": [1]}}, "/context/a"),
    ({"user_id": "ann", "context": {"hour": 1, "~/": {"b": 1}}}, "/context/~0~1"),
    ({"user_id": "ann", "context": {"a/b~": "\n"}}, "/context/a~1b~0"),
    ({"user_id": "ann", "context": {"hour": 1e7}}, "/context/hour"),
    ({"user_id": "ann", "context": {str(n): 1 for n in range(33)}}, "/context"),
    ({"user_id": "ann", "arm": "nobody"}, "/arm"),
    ({"user_id": "ann", "scenario": "home"}, "/scenario"),
    ({"user_id": "ann", "a/b": 1}, "/a~1b"),
]


async def test_what_breaks_a_limit_is_named() -> None:
    async with edge() as client:
        for body, pointer in BAD:
            answer = await client.post("/v1/recommend", json=body)
            assert answer.status_code == 422, body
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert problem["type"] == "urn:recsys:problem:invalid"
            assert problem["errors"][0]["pointer"] == pointer
            assert problem["errors"][0]["detail"]


BAD_RANKS: list[tuple[dict[str, object], str]] = [
    ({"user_id": "ann"}, "/candidates"),
    ({"user_id": "ann", "candidates": []}, "/candidates"),
    ({"user_id": "ann", "candidates": ["a"], "n": 1001}, "/n"),
    ({"user_id": "ann", "candidates": ["a"], "exclude_item_ids": ["a"]}, "/exclude_item_ids"),
]


async def test_rank_has_limits_of_its_own() -> None:
    async with edge() as client:
        for body, pointer in BAD_RANKS:
            answer = await client.post("/v1/rank", json=body)
            assert answer.status_code == 422, body
            assert answer.json()["errors"][0]["pointer"] == pointer


async def ask_many(server: Served, *people: object) -> tuple[int, dict[str, Any]]:
    requests = [{"user_id": one} if isinstance(one, str) else one for one in people]
    answer = await server.client.post("/v1/recommend:batch", json={"requests": requests})
    body: dict[str, Any] = answer.json()
    return answer.status_code, body


async def test_a_batch_answers_each_request_as_by_itself(server: Served) -> None:
    await stock(server)
    people = [f"person-{number}" for number in range(9)]
    status, body = await ask_many(server, *people, {"user_id": "person-0", "n": 3, "arm": "random"})
    assert status == 200
    assert body["failed"] == 0
    assert [result["index"] for result in body["results"]] == list(range(10))
    lists = [result["answer"] for result in body["results"]]
    assert [len(one["items"]) for one in lists] == [10] * 9 + [3]
    assert lists[9]["policy"] == "random"
    assert len({one["decision_id"] for one in lists}) == 10
    for user_id, one in zip([*people, "person-0"], lists, strict=True):
        logged = (await server.client.get(f"/v1/decisions/{one['decision_id']}")).json()
        assert logged["user_id"] == user_id
        assert [slot[0] for slot in logged["slots"]] == [item["item_id"] for item in one["items"]]
    shards = [shard for shard, method, _ in server.port.calls if method == "recommend_many"]
    assert sorted(shards) == [0, 1]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"user_id": ""}, "/requests/1/user_id"),
        ({"user_id": "bob", "n": 0}, "/requests/1/n"),
        ({"user_id": "bob", "arm": "nobodys"}, "/requests/1/arm"),
        ({"user_id": "bob", "exclude_item_ids": ["a\nb"]}, "/requests/1/exclude_item_ids/0"),
        ({"user_id": "bob", "context": {"a": "x" * 2000}}, "/requests/1/context/a"),
    ],
)
async def test_one_wrong_request_refuses_the_batch_and_says_where(
    server: Served, wrong: dict[str, object], pointer: str
) -> None:
    status, body = await ask_many(server, "ann", wrong, "cem")
    assert status == 422
    assert body["errors"][0]["pointer"] == pointer
    assert not server.port.calls


async def test_a_batch_has_a_bound(server: Served) -> None:
    status, body = await ask_many(server, *["ann"] * 101)
    assert status == 422
    assert "at most 100 requests, got 101" in body["detail"]
    assert (await ask_many(server))[0] == 422


async def test_the_lists_of_a_shard_that_is_away_fail_and_the_others_come(server: Served) -> None:
    await stock(server)
    here, away = (
        next(f"p{k}" for k in range(99) if partition_of(f"p{k}", 64) % 2 == shard)
        for shard in (0, 1)
    )
    server.port.faults[1, "recommend_many"] = ShardUnavailable(1, "it is restarting")
    requests = [{"user_id": user_id} for user_id in (away, here, away)]
    answer = await server.client.post("/v1/recommend:batch", json={"requests": requests})
    assert answer.status_code == 207
    assert answer.headers["retry-after"] == "1"
    body = answer.json()
    assert body["failed"] == 2
    results = body["results"]
    assert [result["status"] for result in results] == ["unavailable", "ok", "unavailable"]
    assert "restarting" in results[0]["detail"]
    assert results[1]["answer"]["items"]
    status, _ = await ask_many(server, away)
    assert status == 503
    server.port.faults[1, "recommend_many"] = Overloaded(1, 2.0)
    status, body = await ask_many(server, here, away)
    assert [result["status"] for result in body["results"]] == ["ok", "overloaded"]
    status, _ = await ask_many(server, away)
    assert status == 429
