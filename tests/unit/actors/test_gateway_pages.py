import re
from collections.abc import AsyncIterator

import httpx2
import msgspec
import pytest
from jsonschema_rs import Draft202012Validator

from actors.http.pages import STATIC
from tests.servers import Served, edge, served

ASSET = re.compile(r'(?:src|href)="([^"]+)"')
IMPORT = re.compile(r'from "\./([^"]+)"')


class Declared(msgspec.Struct):
    """What the OpenAPI document says of an answer."""

    content: dict[str, object]
    headers: dict[str, object]


class Operation(msgspec.Struct):
    """What it says of an operation."""

    responses: dict[str, Declared]
    body: dict[str, object] | None = msgspec.field(default=None, name="requestBody")


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


@pytest.mark.parametrize("page", ["/console", "/docs"])
async def test_a_page_and_all_it_names_come_from_here(page: str) -> None:
    async with edge() as client:
        answer = await client.get(page)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]
        assert "<script>" not in answer.text
        named = set(ASSET.findall(answer.text))
        assert named
        for path in named - {"/docs", "/console"}:
            assert path.startswith("/console/static/")
            asset = await client.get(path)
            assert asset.status_code == 200
            assert asset.headers["cache-control"] == "no-cache"
            for module in IMPORT.findall(asset.text if path.endswith(".js") else ""):
                assert (STATIC / module).is_file()


@pytest.mark.parametrize(
    ("file", "kind"), [("console.js", "javascript"), ("console.css", "css"), ("icon.svg", "svg")]
)
async def test_assets_have_types_that_browsers_take(file: str, kind: str) -> None:
    async with edge() as client:
        answer = await client.get(f"/console/static/{file}")
    assert kind in answer.headers["content-type"]


async def test_an_unchanged_asset_is_not_sent_again() -> None:
    async with edge() as client:
        first = await client.get("/console/static/console.css")
        headers = {"if-none-match": first.headers["etag"]}
        again = await client.get("/console/static/console.css", headers=headers)
    assert again.status_code == 304


async def openapi(client: httpx2.AsyncClient) -> dict[str, dict[str, dict[str, object]]]:
    document: dict[str, dict[str, dict[str, object]]] = (await client.get("/openapi.json")).json()
    return document


async def test_every_route_of_the_api_is_documented() -> None:
    async with edge() as client:
        document = await openapi(client)
    calls = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert calls == {
        "POST /v1/recommend",
        "POST /v1/recommend:batch",
        "POST /v1/rank",
        "POST /v1/events",
        "PUT /v1/items/{item_id}",
        "DELETE /v1/items/{item_id}",
        "POST /v1/items:batch",
        "GET /v1/users/{user_id}",
        "DELETE /v1/users/{user_id}",
        "GET /v1/erasures/{receipt}",
        "GET /v1/dead-letters",
        "GET /v1/decisions/{decision_id}",
        "GET /v1/stats",
        "GET /v1/stream",
        "GET /livez",
        "GET /readyz",
    }


async def test_every_reference_of_the_document_leads_somewhere() -> None:
    async with edge() as client:
        text = (await client.get("/openapi.json")).text
        schemas = (await openapi(client))["components"]["schemas"]
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert {"RecommendBody", "EventBody", "Decision", "ProblemDocument"} <= referred
    assert referred <= set(schemas)


async def test_every_operation_declares_what_can_happen_to_all() -> None:
    async with edge() as client:
        document = await openapi(client)
    operations: dict[str, Operation] = {
        f"{method} {path}": msgspec.convert(operation, Operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    for name, operation in operations.items():
        responses = operation.responses
        assert set(responses) >= {"405", "429", "500", "503"}, name
        assert ("408" in responses) == (operation.body is not None), name
        for status, response in responses.items():
            assert response.content, (name, status)
            assert "X-Request-ID" in response.headers, (name, status)
            assert ("Retry-After" in response.headers) == (status in {"207", "429", "503"})
            assert ("Allow" in response.headers) == (status == "405")


EVENT = {"type": "click", "user_id": "a", "item_id": "b"}
ASKED = [
    ("/v1/recommend", "RecommendBody", {"user_id": "a"}, True),
    ("/v1/recommend", "RecommendBody", {"user_id": "é\n"}, False),
    ("/v1/recommend", "RecommendBody", {"user_id": "\u2028"}, False),
    ("/v1/recommend", "RecommendBody", {"user_id": "a", "arm": "random"}, True),
    ("/v1/recommend", "RecommendBody", {"user_id": "a", "arm": None}, True),
    ("/v1/recommend", "RecommendBody", {"user_id": "a", "arm": "another"}, False),
    ("/v1/recommend", "RecommendBody", {"user_id": "a", "context": {"x": ""}}, False),
    ("/v1/recommend", "RecommendBody", {"user_id": "a", "context": {"": 1}}, False),
    ("/v1/recommend", "RecommendBody", {"user_id": "a", "context": {"x": 1e7}}, False),
    ("/v1/recommend", "RecommendBody", {"user_id": "a", "context": {"x": True, "y": 2}}, True),
    ("/v1/events", "EventsBody", {"events": [EVENT]}, True),
    ("/v1/events", "EventsBody", {"events": [{**EVENT, "timestamp": 1_700_000_000}]}, False),
    ("/v1/events", "EventsBody", {"events": [{**EVENT, "timestamp": 1_700_000_000_000}]}, True),
    ("/v1/events", "EventsBody", {"events": [{**EVENT, "context": {"x": ["a"]}}]}, False),
    ("/v1/items/x", "ItemBody", {"attributes": {"x": ["a", "b"]}}, True),
    ("/v1/items/x", "ItemBody", {"attributes": {"x": ["a", ""]}}, False),
    ("/v1/items/x", "ItemBody", {"attributes": {"x": ["a"] * 33}}, False),
]


@pytest.mark.parametrize(("path", "schema", "body", "taken"), ASKED)
async def test_the_document_is_as_strict_as_the_server(
    server: Served, path: str, schema: str, body: dict[str, object], taken: bool
) -> None:
    document = await openapi(server.client)
    told = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    assert Draft202012Validator(told).is_valid(body) is taken
    method = "PUT" if schema == "ItemBody" else "POST"
    answer = await server.client.request(method, path, json=body)
    assert (answer.status_code != 422) is taken, answer.text


async def test_statistics_are_summed_by_arm(server: Served) -> None:
    for n in range(30):
        body = {"user_id": f"u{n}", "candidates": ["a", "b"]}
        answer = (await server.client.post("/v1/rank", json=body)).json()
        click = {
            "type": "click",
            "user_id": f"u{n}",
            "item_id": answer["items"][0]["item_id"],
            "decision_id": answer["decision_id"],
        }
        await server.client.post("/v1/events", json=[click])
    stats = (await server.client.get("/v1/stats")).json()
    assert set(stats["arms"]) == {"learner", "random"}
    assert sum(arm["decisions"] for arm in stats["arms"].values()) == 30
    assert sum(arm["shown"] for arm in stats["arms"].values()) == 60
    assert sum(arm["clicks"] for arm in stats["arms"].values()) == 30
    assert sum(shard["engine"]["sequence"] for shard in stats["shards"]) == 60
    for shard in stats["shards"]:
        assert shard["freshness_p50_ms"] >= 0


async def test_look_ups_of_what_is_not_there(server: Served) -> None:
    paths = [
        "/v1/users/nobody",
        "/v1/decisions/nonsense",
        f"/v1/decisions/0-{'0' * 32}",
        f"/v1/decisions/40-{'0' * 32}",
        f"/v1/decisions/fffff-{'0' * 32}",
        "/v1/decisions/../../etc/passwd",
    ]
    for path in paths:
        answer = await server.client.get(path)
        assert answer.status_code == 404, path
        assert answer.json()["type"] == "urn:recsys:problem:not-found"
    for path in ("/v1/users/" + "x" * 257, "/v1/users/", "/v1/users/a%00b"):
        answer = await server.client.get(path)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/path/user_id"


async def test_a_strange_user_is_found_again(server: Served) -> None:
    user_id = "a/b \u00e9?#%"
    event = {"type": "view", "user_id": user_id, "item_id": "i"}
    await server.client.post("/v1/events", json=[event])
    escaped = "".join(f"%{byte:02X}" for byte in user_id.encode())
    answer = await server.client.get(f"/v1/users/{escaped}")
    assert answer.status_code == 200
    assert answer.json()["user_id"] == user_id
    assert answer.json()["events"] == 1
