"""What holds of every answer: a request id, headers of caution, problems instead of tracebacks."""

import logging

import httpx2
import pytest
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from actors.gateway import build_app
from actors.http.envelope import Envelope
from actors.messages import Method
from actors.settings import ServerSettings
from recsys.settings import EngineSettings
from tests.servers import DeafPort, edge

JSON = "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/events/", 404),
        ("GET", "/console/static/../../gateway.py", 404),
        ("GET", "/console/static/%2e%2e/%2e%2e/gateway.py", 404),
        ("GET", "/console/static//etc/passwd", 404),
        ("GET", "/v1/events", 405),
        ("PUT", "/v1/recommend", 405),
        ("POST", "/v1/stats", 405),
        ("PATCH", "/v1/items/i1", 405),
        ("BREW", "/v1/events", 405),
        ("OPTIONS", "/v1/nothing", 404),
    ],
)
async def test_routes_that_are_not_there(method: str, path: str, status: int) -> None:
    async with edge() as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["instance"] == answer.headers["x-request-id"]
    assert ("allow" in answer.headers) == (status == 405)


async def test_another_site_gets_no_leave_to_read() -> None:
    async with edge() as client:
        headers = {"origin": "https://elsewhere.example", "content-type": JSON}
        answer = await client.post("/v1/events", content=b"[]", headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("trace-7", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("caf\u00e9", False),
        ("a\tb", False),
        ("", False),
    ],
)
async def test_the_request_id_is_kept_when_it_is_safe(given: str, kept: bool) -> None:
    async with edge() as client:
        headers = {b"x-request-id": given.encode("latin-1")}
        answer = await client.get("/livez", headers=headers)
    echoed = answer.headers["x-request-id"]
    assert (echoed == given) == kept
    assert len(echoed) == 32 or kept
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


class BrokenPort(DeafPort):
    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        raise RuntimeError("secret of the inside")


async def test_a_fault_of_ours_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    app = build_app(BrokenPort(), ServerSettings(engine=EngineSettings()))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        headers = {"x-request-id": "trace-8"}
        with caplog.at_level(logging.ERROR):
            answers = [
                await client.post("/v1/recommend", json={"user_id": "ann"}, headers=headers),
                await client.put("/v1/items/i", json={}, headers=headers),
            ]
    for answer in answers:
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["instance"] == "trace-8"
        assert "secret" not in answer.text
    assert "trace-8" in caplog.text
    assert "secret of the inside" in caplog.text


async def test_one_envelope_inside_another_leaves_the_headers_to_it() -> None:
    async def answers(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (b"x-request-id", b"serve's own"),
            (b"cache-control", b"max-age=5"),
            (b"x-content-type-options", b"wrong"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx2.ASGITransport(app=Envelope(Envelope(answers)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        answer = await client.get("/", headers={"x-request-id": "trace-3"})
    assert answer.headers.get_list("x-request-id") == ["trace-3"]
    assert answer.headers.get_list("cache-control") == ["max-age=5"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


async def test_a_fault_inside_two_envelopes_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("inside")

    transport = httpx2.ASGITransport(app=Envelope(Envelope(breaks)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        answer = await client.get("/", headers={"x-request-id": "trace-4"})
    assert answer.status_code == 500
    assert answer.json()["instance"] == "trace-4"
    assert answer.headers.get_list("x-request-id") == ["trace-4"]
    assert len(caplog.records) == 1


async def test_a_stream_that_breaks_is_not_ended_as_if_it_were_whole() -> None:
    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half way")

    transport = httpx2.ASGITransport(app=Envelope(breaks))
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        with pytest.raises(RuntimeError, match="half way"):
            await client.get("/")


async def test_the_end_of_the_lifespan_ends_the_streams() -> None:
    app = build_app(DeafPort(), ServerSettings())
    async with app.router.lifespan_context(app):
        pass
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        assert (await client.get("/v1/stream")).status_code == 503
