"""HEAD, OPTIONS, and the header Allow."""

import httpx2
import pytest

from tests.servers import edge, live, served

GET = "GET, HEAD, OPTIONS"
POST = "OPTIONS, POST"
ALLOWED = {
    "/v1/recommend": POST,
    "/v1/events": POST,
    "/v1/items:batch": POST,
    "/v1/items/x": "DELETE, OPTIONS, PUT",
    "/v1/items/a/b%0A": "DELETE, OPTIONS, PUT",
    "/v1/users/x": "DELETE, GET, HEAD, OPTIONS",
    "/v1/erasures/x": GET,
    "/v1/dead-letters": GET,
    "/v1/stats": GET,
    "/v1/stream": "GET, OPTIONS",
    "/livez": GET,
    "/console": GET,
    "/console/static/console.js": GET,
    "/openapi.json": GET,
}


@pytest.mark.parametrize(("path", "allowed"), ALLOWED.items())
async def test_a_path_names_all_its_methods(path: str, allowed: str) -> None:
    async with edge() as client:
        refused = await client.request("BREW", path)
        assert refused.status_code == 405
        assert refused.headers["allow"] == allowed
        asked = await client.options(path)
    assert (asked.status_code, asked.content) == (204, b"")
    assert asked.headers["allow"] == allowed
    assert asked.headers["x-request-id"]


async def test_a_head_is_answered_like_a_get() -> None:
    async with served() as server:
        await server.client.put("/v1/items/i", json={})
        for path in ("/livez", "/readyz", "/v1/stats", "/v1/users/nobody", "/docs", "/nothing"):
            get, head = await server.client.get(path), await server.client.head(path)
            assert head.status_code == get.status_code, path
            assert head.headers["content-type"] == get.headers["content-type"]
        assert (await server.client.head("/v1/stream")).status_code == 405


def test_a_head_has_no_body() -> None:
    with live() as url, httpx2.Client(base_url=url) as client:
        for path in ("/livez", "/v1/users/nobody", "/console", "/livez"):
            answer = client.head(path)
            assert answer.content == b""
            assert int(answer.headers["content-length"]) > 0
