"""How much of a body is read, and how long it may take."""

import asyncio
import http.client
from collections.abc import AsyncIterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from starlette.types import Message

from actors.gateway import build_app
from actors.settings import HttpSettings, ServerSettings
from tests.servers import DeafPort, edge, live

JSON = "application/json"


class Body:
    """A body in pieces of 1,000 bytes.

    Attributes
    ----------
    sent
        Pieces that were asked for.
    """

    def __init__(self, pieces: int, *, ends: bool = True) -> None:
        self._pieces = pieces
        self._ends = ends
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.sent < self._pieces:
            self.sent += 1
            yield b" " * 1000
        if not self._ends:
            await asyncio.Event().wait()


SETTINGS = ServerSettings(http=HttpSettings(max_body_bytes=10_000))


@pytest.mark.parametrize("path", ["/v1/events", "/v1/recommend", "/v1/rank", "/v1/items:batch"])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_is_too_large_is_counted_and_thrown_away(
    path: str, announced: bool
) -> None:
    body = Body(30)
    headers = {"content-type": JSON} | ({"content-length": "30000"} if announced else {})
    async with edge(SETTINGS) as client:
        answer = await client.post(path, content=body, headers=headers)
    assert answer.status_code == 413
    assert answer.json()["detail"] == "a body has at most 10000 bytes"
    assert answer.headers["connection"] == "close"
    assert body.sent == 30


async def test_who_asks_before_sending_need_not_send() -> None:
    body = Body(30)
    headers = {"content-type": JSON, "content-length": "30000", "expect": "100-continue"}
    async with edge(SETTINGS) as client:
        answer = await client.post("/v1/events", content=body, headers=headers)
    assert (answer.status_code, body.sent) == (413, 0)


async def test_there_is_an_end_to_throwing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.http.bodies._DRAIN_BYTES", 5000)
    monkeypatch.setattr("actors.http.bodies._DRAIN_S", 0.01)
    for body, sent in ((Body(1000), 17), (Body(12, ends=False), 12)):
        async with edge(SETTINGS) as client:
            headers = {"content-type": JSON}
            answer = await client.post("/v1/events", content=body, headers=headers)
        assert (answer.status_code, body.sent) == (413, sent)


def test_a_client_that_is_still_sending_hears_the_answer() -> None:
    with (
        live() as url,
        closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection,
    ):
        headers = {"content-type": JSON}
        connection.request("POST", "/v1/events", b" " * (20 << 20), headers)
        assert connection.getresponse().status == 413


async def test_a_body_at_the_limit_is_read() -> None:
    settings = ServerSettings(http=HttpSettings(max_body_bytes=1024))
    content = b"[]".ljust(1024)
    async with edge(settings) as client:
        answer = await client.post("/v1/events", content=content, headers={"content-type": JSON})
    assert answer.status_code == 202


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.http.bodies._BODY_S", 0.01)

    async def body() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    async with edge() as client:
        answer = await client.post("/v1/events", content=body(), headers={"content-type": JSON})
    assert answer.status_code == 408
    assert answer.headers["connection"] == "close"
    assert answer.json()["type"] == "urn:recsys:problem:slow-body"


@pytest.mark.parametrize("sent", [[], [{"type": "http.request", "body": b"{", "more_body": True}]])
async def test_no_list_is_made_for_who_has_gone(sent: list[Message]) -> None:
    """Whoever waited for a place and hung up; nobody else notices it."""
    messages = [*sent, {"type": "http.disconnect"}]
    answers = list[Message]()

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/recommend",
        "headers": [(b"content-type", JSON.encode())],
    }
    await build_app(DeafPort(), SETTINGS)(scope, receive, send)
    assert answers[0]["status"] == 400
    assert b"the connection was closed" in answers[1]["body"]


async def test_the_first_of_two_headers_counts() -> None:
    async with edge() as client:
        headers = [(b"content-type", JSON.encode()), (b"content-type", b"text/plain")]
        answer = await client.post("/v1/events", content=b"[]", headers=headers)
        assert answer.status_code == 202
        answer = await client.post("/v1/events", content=b"[]", headers=headers[::-1])
        assert answer.status_code == 415
