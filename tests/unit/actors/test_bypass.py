"""Calls that pass by Serve's replica: which they are, how many at a time, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.gateway import build_app
from actors.http import ingress
from actors.http.bypass import Bypass
from actors.http.envelope import Envelope
from actors.http.ingress import Ingress
from actors.http.shortcut import Shortcut
from tests.servers import SETTINGS, DeafPort

PATH = "/v1/recommend"


class Calls:
    """A handler whose calls wait until they are let go, and what was counted of them."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun = asyncio.Semaphore(0)
        self.counted: list[tuple[str, int]] = []

    async def handle(self, request: Request) -> Response:
        self.begun.release()
        await self.gate.wait()
        if await request.body() == b"break":
            message = "a fault of ours"
            raise RuntimeError(message)
        return Response(b"made", status_code=201)

    def count(self, path: str, status: int, seconds: float) -> None:
        assert seconds >= 0.0
        self.counted.append((path, status))


async def serve_itself(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"Serve")(scope, receive, send)


def open_bypass(calls: Calls, places: int = 2) -> Bypass:
    bypass = Bypass()
    bypass.count = calls.count
    bypass.lead_to(Shortcut({("POST", PATH): calls.handle}), places)
    return bypass


@asynccontextmanager
async def client_of(
    monkeypatch: pytest.MonkeyPatch, bypass: Bypass
) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client of Serve with what stands around it."""
    monkeypatch.setattr(ingress, "BYPASS", bypass)
    app: ASGIApp = Envelope(Ingress(serve_itself))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        yield client


async def test_what_the_application_takes_passes_by_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    calls.gate.set()
    async with client_of(monkeypatch, open_bypass(calls)) as client:
        made = await client.post(PATH, headers={"x-request-id": "trace-1"})
        assert (made.status_code, made.text) == (201, "made")
        assert made.headers.get_list("x-request-id") == ["trace-1"]
        assert made.headers["x-content-type-options"] == "nosniff"
        assert (await client.get(PATH)).text == "Serve"
        assert (await client.post(f"{PATH}/")).text == "Serve"
    assert calls.counted == [(PATH, 201)]


async def test_where_no_application_is_serve_has_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async with client_of(monkeypatch, Bypass()) as client:
        assert (await client.post(PATH)).text == "Serve"


async def test_more_than_there_are_places_for_go_by_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    async with client_of(monkeypatch, open_bypass(calls, places=2)) as client:
        two = [asyncio.create_task(client.post(PATH)) for _ in range(2)]
        await calls.begun.acquire()
        await calls.begun.acquire()
        assert (await client.post(PATH)).text == "Serve"
        calls.gate.set()
        assert [answer.text for answer in await asyncio.gather(*two)] == ["made", "made"]
        assert (await client.post(PATH)).text == "made", "its place is free again"


async def test_a_fault_is_a_problem_and_counted_and_holds_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = Calls()
    calls.gate.set()
    async with client_of(monkeypatch, open_bypass(calls, places=1)) as client:
        for _ in range(2):
            broken = await client.post(PATH, content=b"break", headers={"x-request-id": "trace-2"})
            assert broken.status_code == 500
            assert broken.json()["instance"] == "trace-2"
            assert "ours" not in broken.text
    assert calls.counted == [(PATH, 500), (PATH, 500)]


async def test_the_end_waits_for_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    bypass = open_bypass(calls)
    async with client_of(monkeypatch, bypass) as client:
        last = asyncio.create_task(client.post(PATH))
        await calls.begun.acquire()
        end = asyncio.create_task(bypass.close(60.0))
        await asyncio.sleep(0)
        assert (await client.post(PATH)).text == "Serve", "nothing more is let in"
        assert not end.done()
        calls.gate.set()
        await end
        assert calls.counted == [(PATH, 201)]
        assert (await last).text == "made"


async def test_the_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    bypass = open_bypass(calls)
    async with client_of(monkeypatch, bypass) as client:
        last = asyncio.create_task(client.post(PATH))
        await calls.begun.acquire()
        await bypass.close(0.0)
        assert not last.done()
        calls.gate.set()
        assert (await last).text == "made"


async def test_it_leads_to_the_gateway_until_that_ends() -> None:
    bypass = Bypass()
    app = build_app(DeafPort(), SETTINGS, bypass=bypass)
    asked = {"type": "http", "method": "POST", "path": PATH}
    async with app.router.lifespan_context(app):
        assert bypass.takes(asked)
        assert bypass.takes({**asked, "path": "/v1/events"})
        assert not bypass.takes({**asked, "path": "/livez"})
        assert not bypass.takes({"type": "lifespan"})
    assert not bypass.takes(asked)
