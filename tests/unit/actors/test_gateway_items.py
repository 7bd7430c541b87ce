from collections.abc import AsyncIterator

import pytest

from actors.messages import Batch, decode
from actors.settings import ServerSettings
from recsys.events import ItemRemove, ItemUpsert
from recsys.settings import CatalogueSettings, EngineSettings
from tests.servers import Served, edge, served


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


def told(server: Served) -> list[tuple[int, ItemUpsert | ItemRemove]]:
    """Return what each shard was told of the catalogue."""
    return [
        (shard, event)
        for shard, method, payload in server.port.calls
        if method == "append"
        for event in decode(payload, Batch).events
        if isinstance(event, ItemUpsert | ItemRemove)
    ]


async def items_of(server: Served) -> list[int]:
    stats = (await server.client.get("/v1/stats")).json()
    return [shard["engine"]["items"] for shard in stats["shards"]]


async def test_an_item_goes_to_every_shard_under_one_id_and_time(server: Served) -> None:
    attributes = {"genre": ["drama", "crime"], "price": 3.5, "new": True, "maker": "x"}
    answer = await server.client.put("/v1/items/i1", json={"attributes": attributes})
    assert answer.status_code == 200
    assert answer.json() == {"item_id": "i1", "status": "accepted"}
    (first, one), (second, other) = told(server)
    assert {first, second} == {0, 1}
    assert one == other
    assert isinstance(one, ItemUpsert)
    assert one.attributes == attributes
    assert await items_of(server) == [1, 1]


async def test_a_removed_item_leaves_every_shard(server: Served) -> None:
    await server.client.put("/v1/items/i1", json={})
    answer = await server.client.delete("/v1/items/i1")
    assert answer.status_code == 200
    assert answer.json() == {"item_id": "i1", "status": "removed"}
    assert await items_of(server) == [0, 0]
    assert (await server.client.delete("/v1/items/never-there")).status_code == 200


async def test_a_batch_of_items(server: Served) -> None:
    items = [{"item_id": f"i{n}", "attributes": {"genre": "a"}} for n in range(1000)]
    answer = await server.client.post("/v1/items:batch", json={"items": items})
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1000
    assert answer.json()["items"][999] == {"item_id": "i999", "status": "accepted"}
    assert await items_of(server) == [1000, 1000]
    empty = await server.client.post("/v1/items:batch", json={"items": []})
    assert empty.json() == {"accepted": 0, "items": []}


async def test_any_id_fits_into_a_path(server: Served) -> None:
    for item_id in ["a/b", "/", "a b", "\u00e9", "..", "a%2Fb", "?", "#", "i1/"]:
        escaped = "".join(f"%{byte:02X}" for byte in item_id.encode())
        answer = await server.client.put(f"/v1/items/{escaped}", json={})
        assert answer.status_code == 200
        assert answer.json()["item_id"] == item_id
        assert told(server)[-1][1].item_id == item_id


BAD: list[tuple[dict[str, object], str]] = [
    ({"attributes": {"a": float(10**7)}}, "/attributes/a"),
    ({"attributes": {"a": [1]}}, "/attributes/a/0"),
    ({"attributes": {"a": ["x"] * 33}}, "/attributes/a"),
    ({"attributes": {"a/b": ["x", "\n"]}}, "/attributes/a~1b/1"),
    ({"attributes": {"a": {"b": 1}}}, "/attributes/a"),
    ({"attributes": {"a": None}}, "/attributes/a"),
    ({"attributes": {"good": 1, "": "x", "bad": None, "worse": {}}}, "/attributes/bad"),
    ({"attributes": {"a/b": "x", "~1/c~": ["x", 1]}}, "/attributes/~01~1c~0/1"),
    ({"attributes": {str(n): 1 for n in range(65)}}, "/attributes"),
    ({"attribute": {}}, "/attribute"),
]


async def test_attributes_have_limits() -> None:
    async with edge() as client:
        for body, pointer in BAD:
            answer = await client.put("/v1/items/i1", json=body)
            assert answer.status_code == 422, body
            assert answer.json()["errors"][0]["pointer"] == pointer
            items = [{"item_id": "i0"}, {"item_id": "i1", **body}]
            answer = await client.post("/v1/items:batch", json={"items": items})
            assert answer.status_code == 422, body
            assert answer.json()["errors"][0]["pointer"] == f"/items/1{pointer}"


async def test_ids_of_items_have_limits() -> None:
    async with edge() as client:
        for method, bad in (("PUT", "x" * 257), ("DELETE", "x" * 257), ("PUT", "%7F"), ("PUT", "")):
            answer = await client.request(method, f"/v1/items/{bad}", json={})
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == "/path/item_id"
        batch = {"items": [{"item_id": "i0"}, {"item_id": ""}]}
        answer = await client.post("/v1/items:batch", json=batch)
        assert answer.json()["errors"][0]["pointer"] == "/items/1/item_id"
        many = {"items": [{"item_id": "i"}] * 1001}
        answer = await client.post("/v1/items:batch", json=many)
        assert answer.json()["errors"][0]["pointer"] == "/items"


async def test_a_full_catalogue_says_so() -> None:
    settings = ServerSettings(engine=EngineSettings(catalogue=CatalogueSettings(max_items=1)))
    async with served(settings) as server:
        await server.client.put("/v1/items/i1", json={})
        answer = await server.client.put("/v1/items/i2", json={})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/path/item_id"
        items = {"items": [{"item_id": "i1"}, {"item_id": "i2"}]}
        answer = await server.client.post("/v1/items:batch", json=items)
        assert answer.json()["errors"][0]["pointer"] == "/items/1/item_id"
        assert (await server.client.put("/v1/items/i1", json={})).status_code == 200
