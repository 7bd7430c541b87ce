"""A path names exactly one thing: nothing is cut off it or replaced in it on the way."""

import pytest

from tests.servers import edge, served

CALLS = [
    ("PUT", "/v1/items/", "/path/item_id"),
    ("DELETE", "/v1/items/", "/path/item_id"),
    ("GET", "/v1/users/", "/path/user_id"),
    ("GET", "/v1/decisions/", "/path/decision_id"),
]


@pytest.mark.parametrize(("method", "path", "pointer"), CALLS)
@pytest.mark.parametrize("bad", ["x%0A", "x%0Ay", "%0A", "x%0D%0A", "x%E2%80%A8", ""])
async def test_an_id_with_a_line_break_is_refused_by_name(
    method: str, path: str, pointer: str, bad: str
) -> None:
    async with edge() as client:
        answer = await client.request(method, f"{path}{bad}", json={})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("path", ["/livez", "/v1/stats", "/console", "/openapi.json"])
async def test_a_line_break_behind_a_path_makes_another_path(path: str) -> None:
    async with edge() as client:
        assert (await client.get(f"{path}%0A")).status_code == 404


async def test_an_item_is_not_removed_under_another_id() -> None:
    async with served() as server:
        await server.client.put("/v1/items/victim", json={})
        assert (await server.client.delete("/v1/items/victim%0A")).status_code == 422
        stats = (await server.client.get("/v1/stats")).json()
    assert [shard["engine"]["items"] for shard in stats["shards"]] == [1, 1]


@pytest.mark.parametrize(("method", "path", "pointer"), CALLS)
@pytest.mark.parametrize("bad", ["%FF", "a%C3%28", "%ED%A0%80", "%C3", "%F4%90%80%80"])
async def test_bytes_that_are_no_utf_8_are_refused_by_name(
    method: str, path: str, pointer: str, bad: str
) -> None:
    async with edge() as client:
        answer = await client.request(method, f"{path}{bad}", json={})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert "UTF-8" in answer.json()["detail"]


async def test_the_replacement_character_is_a_character() -> None:
    async with served() as server:
        answer = await server.client.put("/v1/items/%EF%BF%BD", json={})
    assert (answer.status_code, answer.json()["item_id"]) == (200, "\ufffd")
