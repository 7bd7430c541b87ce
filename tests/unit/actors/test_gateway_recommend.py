from collections.abc import AsyncIterator

import pytest

from actors.messages import decode
from recsys.decision import Request
from recsys.partition import partition_of
from tests.servers import Served, edge, served


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
