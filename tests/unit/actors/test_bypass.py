"""Calls that pass by Serve's replica: which they are, how many at a time, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.errors import Overloaded
from actors.gateway import build_app
from actors.http import ingress
from actors.http.bodies import JSON, read_body
from actors.http.bypass import Bypass
from actors.http.envelope import Envelope
from actors.http.ingress import Ingress, Junction
from actors.http.shortcut import Shortcut
from actors.settings import HttpSettings
from recsys.errors import InvalidEvent
from tests.servers import SETTINGS, DeafPort

PATH = "/v1/recommend"


class Calls:
    """A handler whose calls wait until they are let go, and what was counted of them.

    Attributes
    ----------
    asked, begun
        Released by each call as it comes, and when its body is read.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked = asyncio.Semaphore(0)
        self.begun = asyncio.Semaphore(0)
        self.counted: list[tuple[str, int]] = []

    async def handle(self, request: Request) -> Response:
        self.asked.release()
        body = await read_body(request, 100)
        self.begun.release()
        await self.gate.wait()
        match body:
            case b"break":
                message = "a fault of ours"
                raise RuntimeError(message)
            case b"refuse":
                raise InvalidEvent("/n", "too many")
            case b"overload":
                raise Overloaded(0, 3.0)
            case b"stream":
                return StreamingResponse(aiter_of(b"ma", b"de"), status_code=202)
            case b"keep":
                headers = {"Cache-Control": "max-age=5", "X-Request-ID": "another"}
                return Response(b"made", headers=headers)
        return Response(b"made", status_code=201)

    def count(self, path: str, status: int, seconds: float) -> None:
        assert seconds >= 0.0
        self.counted.append((path, status))


async def aiter_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def serve_itself(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"Serve")(scope, receive, send)


def open_bypass(calls: Calls, places: int = 2, queue: int = 1) -> Bypass:
    bypass = Bypass()
    bypass.count = calls.count
    http = HttpSettings(max_ongoing_requests=places, max_queued_requests=queue)
    bypass.lead_to(Shortcut({("POST", PATH): calls.handle}), http)
    return bypass


@asynccontextmanager
async def client_of(
    monkeypatch: pytest.MonkeyPatch, bypass: Bypass
) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client of Serve with what stands around it."""
    monkeypatch.setattr(ingress, "BYPASS", bypass)
    app: ASGIApp = Junction(Envelope(Ingress(serve_itself)))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://recsys", headers={"content-type": JSON}
    ) as client:
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


async def test_some_wait_for_a_place_and_more_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = Calls()
    async with client_of(monkeypatch, open_bypass(calls, places=2, queue=1)) as client:
        three = [asyncio.create_task(client.post(PATH)) for _ in range(3)]
        for _ in three:
            await calls.asked.acquire()
        await calls.begun.acquire()
        await calls.begun.acquire()
        assert calls.begun.locked(), "the third waits for a place"
        refused = await client.post(PATH, headers={"x-request-id": "trace-3"})
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["x-request-id"] == "trace-3"
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert refused.headers["cache-control"] == "no-store"
        assert refused.json()["type"] == "urn:recsys:problem:overloaded"
        assert refused.json()["instance"] == "trace-3"
        calls.gate.set()
        assert [answer.text for answer in await asyncio.gather(*three)] == ["made"] * 3
        assert (await client.post(PATH)).text == "made", "all places are free again"
    assert calls.counted == [(PATH, 429), *[(PATH, 201)] * 4]


class Caller:
    """A caller by ASGI's messages, who sends what they are told to.

    Attributes
    ----------
    answers
        What came back.
    breaks
        Raised in place of taking a piece of a body.
    """

    def __init__(self, app: ASGIApp, kind: str = JSON) -> None:
        self._messages = asyncio.Queue[Message]()
        self._headers = [(b"content-type", kind.encode()), (b"x-request-id", b"trace-4")]
        self.answers: list[Message] = []
        self.breaks: Exception | None = None
        self.call = asyncio.create_task(self._call(app))

    async def _call(self, app: ASGIApp) -> None:
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": self._headers}
        await app(scope, self._messages.get, self._take)

    async def _take(self, message: Message) -> None:
        if self.breaks is not None and message["type"] == "http.response.body":
            raise self.breaks
        self.answers.append(message)

    def send(self, body: bytes, *, more: bool = False) -> None:
        self._messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def hang_up(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})


async def test_who_sends_slowly_holds_no_place() -> None:
    calls = Calls()
    calls.gate.set()
    bypass = open_bypass(calls, places=1, queue=1)
    slow, quick = Caller(bypass), Caller(bypass)
    slow.send(b"ha", more=True)
    await calls.asked.acquire()
    quick.send(b"all")
    await quick.call
    assert not slow.call.done()
    slow.send(b"lf")
    await slow.call
    assert [len(caller.answers) for caller in (slow, quick)] == [2, 2]
    assert calls.counted == [(PATH, 201)] * 2


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", JSON, 201),
        (b"keep", JSON, 200),
        (b"stream", JSON, 202),
        (b"refuse", JSON, 422),
        (b"x" * 101, JSON, 413),
        (b"", "text/plain", 415),
        (b"overload", JSON, 429),
        (b"break", JSON, 500),
    ],
    ids=["made", "kept", "streamed", "refused", "large", "plain", "overloaded", "broken"],
)
async def test_what_is_sent_is_what_an_envelope_would_send(
    body: bytes, kind: str, status: int
) -> None:
    calls = Calls()
    calls.gate.set()
    # One place: each way gives it back.
    bypass = open_bypass(calls, places=1)
    enveloped = Envelope(Shortcut({("POST", PATH): calls.handle}))
    callers = [Caller(app, kind) for app in (bypass, enveloped, bypass)]
    for caller in callers:
        caller.send(body)
        await caller.call
    first, other, again = (caller.answers for caller in callers)
    assert first == other == again
    assert first[0]["status"] == status
    names = [name for name, _ in first[0]["headers"]]
    for name in (b"x-request-id", b"x-content-type-options", b"cache-control"):
        assert names.count(name) == 1
    assert calls.counted == [(PATH, status)] * 2


async def test_where_the_connection_breaks_nothing_more_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = Calls()
    calls.gate.set()
    bypass = open_bypass(calls, places=1)
    for _ in range(2):
        caller = Caller(bypass)
        caller.breaks = OSError("it broke")
        caller.send(b"all")
        with pytest.raises(OSError, match="it broke"):
            await caller.call
        assert [answer["type"] for answer in caller.answers] == ["http.response.start"]
    assert caplog.text.count("request trace-4 failed") == 2
    assert calls.counted == [(PATH, 201)] * 2


async def test_who_is_cut_off_holds_no_place() -> None:
    calls = Calls()
    bypass = open_bypass(calls, places=1, queue=1)
    working, waiting = Caller(bypass), Caller(bypass)
    for caller in (working, waiting):
        caller.send(b"all")
        await calls.asked.acquire()
    await calls.begun.acquire()
    for caller in (waiting, working):
        caller.call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller.call
    calls.gate.set()
    last = Caller(bypass)
    last.send(b"all")
    await last.call
    assert calls.counted == [(PATH, 500), (PATH, 500), (PATH, 201)]


async def test_nothing_is_made_for_who_hung_up_while_they_waited() -> None:
    calls = Calls()
    bypass = open_bypass(calls, places=1, queue=2)
    first, gone, patient = (Caller(bypass) for _ in range(3))
    for caller in (first, gone, patient):
        caller.send(b"all")
        await calls.asked.acquire()
    await calls.begun.acquire()
    gone.hang_up()
    calls.gate.set()
    await asyncio.gather(first.call, gone.call, patient.call)
    assert calls.counted == [(PATH, 201), (PATH, 400), (PATH, 201)]


async def test_a_fault_is_a_problem_and_counted_and_holds_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = Calls()
    calls.gate.set()
    async with client_of(monkeypatch, open_bypass(calls, places=1, queue=1)) as client:
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


async def test_the_end_does_not_wait_for_ever() -> None:
    calls = Calls()
    bypass = open_bypass(calls)
    last = Caller(bypass)
    last.send(b"all")
    await calls.begun.acquire()
    await bypass.close(0.0)
    assert not last.call.done()
    calls.gate.set()
    await last.call
    assert calls.counted == [(PATH, 201)]


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
