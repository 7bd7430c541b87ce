"""Requests that are wrong as a whole: nothing of them reaches a shard, and no traceback leaves."""

from datetime import UTC, datetime

import httpx2
import msgspec
import pytest
from starlette.types import Message, Scope

from actors.gateway import build_app
from actors.http.pointers import pointer_of
from actors.settings import ServerSettings
from tests.servers import DeafPort, edge

JSON = "application/json"
MSGPACK = "application/msgpack"


async def refusal(
    content: bytes, kind: str | None = JSON, path: str = "/v1/events", **headers: str
) -> httpx2.Response:
    """Return the answer to a bad request, after checking what holds of all of them."""
    async with edge() as client:
        if kind is not None:
            headers["content-type"] = kind
        answer = await client.post(path, content=content, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["type"].startswith("urn:recsys:problem:")
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == answer.headers["x-request-id"]
    assert len(answer.content) < 4000
    assert "Traceback" not in answer.text
    return answer


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[{]",
        b"nonsense",
        b"[] []",
        b"\xef\xbb\xbf[]",
        b"\xff\xfe[\x00]\x00",
        b'[{"type": "click", "user_id": "\xff", "item_id": "i"}]',
        b'[{"type": "click", "user_id": "\\ud800", "item_id": "i"}]',
        b'[{"type": "click", "user_id": "\\ud800\\u0041", "item_id": "i"}]',
        b'[{"value": NaN}]',
        b'[{"value": Infinity}]',
        b'[{"value": -Infinity}]',
        b'[{"user_id": "a\x00b"}]',
    ],
)
async def test_unreadable_json(content: bytes) -> None:
    answer = await refusal(content)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:recsys:problem:unreadable"


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"events":' * 100_000,
        b'[{"context":' + b"[" * 100_000,
        b'[{"context":{"a":' * 50_000,
        b'[{"unknown":' + b"[" * 100_000,
        b'[{"type":"click","user_id":"a","item_id":"i","value":1e999}]',
        b'[{"type":"click","user_id":"a","item_id":"i","value":' + b"9" * 5000 + b"}]",
        b'[{"type":"click","user_id":"a","item_id":"i","timestamp":' + b"9" * 5000 + b"}]",
        b"null",
        b"3",
        b'"text"',
        b"[3]",
        b"[null]",
    ],
)
async def test_readable_json_that_is_no_batch(content: bytes) -> None:
    answer = await refusal(content)
    assert answer.status_code in {400, 422}
    if answer.status_code == 422:
        assert answer.json()["errors"][0]["detail"]


NAN = {"type": "click", "user_id": "a", "item_id": "i", "value": float("nan")}
TIMED = {
    "type": "click",
    "user_id": "a",
    "item_id": "i",
    "context": {"a": datetime(2026, 1, 2, tzinfo=UTC)},
}


@pytest.mark.parametrize(
    ("content", "statuses"),
    [
        (b"", {400}),
        (b"\xc1", {400}),
        (b"\xdd\xff\xff\xff\xff", {400}),
        (b"\xdc\xff\xff", {400}),
        (b"\x90\x90", {400}),
        (msgspec.msgpack.encode([NAN])[:-3], {400}),
        (b"\x91\x81\xa7user_id\xa2\xff\xff", {400}),
        (b"\xdf\xff\xff\xff\xff", {400, 422}),
        (b"\x91" * 100_000, {400, 422}),
        (b"\x91\x81\xa7context" + b"\x81\xa1a" * 100_000, {400, 422}),
        (msgspec.msgpack.encode([{1: 2}]), {422}),
        (msgspec.msgpack.encode([NAN]), {422}),
        (msgspec.msgpack.encode([TIMED]), {422}),
        (msgspec.msgpack.encode([{"user_id": b"raw"}]), {422}),
        (msgspec.msgpack.encode([{"user_id": msgspec.msgpack.Ext(5, b"x")}]), {422}),
    ],
)
async def test_bad_msgpack(content: bytes, statuses: set[int]) -> None:
    assert (await refusal(content, MSGPACK)).status_code in statuses


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/events", None),
        ("/v1/events", ""),
        ("/v1/events", "text/plain"),
        ("/v1/events", "application/x-www-form-urlencoded"),
        ("/v1/events", "application/json; charset=latin-1"),
        ("/v1/events", "application/json; charset=utf-16"),
        ("/v1/events", "application/jsonx"),
        ("/v1/recommend", "application/msgpack"),
        ("/v1/recommend", "application/x-ndjson"),
        ("/v1/items:batch", "text/json"),
    ],
)
async def test_other_content_types(path: str, kind: str | None) -> None:
    answer = await refusal(b"[]", kind, path)
    assert answer.status_code == 415
    assert answer.json()["type"] == "urn:recsys:problem:content-type"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip", "GZIP"])
async def test_encoded_bodies(coding: str) -> None:
    answer = await refusal(b"\x1f\x8b", **{"content-encoding": coding})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"


GOT = "Expected `str`, got `int`"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Expected `str`, got `int` - at `$[0].user_id`",
            ("/0/user_id", "Expected `str`, got `int`"),
        ),
        ("Expected `array`, got `object`", ("", "Expected `array`, got `object`")),
        ("Expected `int` >= 1 - at `$.n`", ("/n", "Expected `int` >= 1")),
        (
            "Object contains unknown field `a/~b` - at `$.events[12]`",
            ("/events/12/a~1~0b", "Object contains unknown field `a/~b`"),
        ),
        (
            "Object missing required field `user_id`",
            ("/user_id", "Object missing required field `user_id`"),
        ),
        ("Expected `str` - at `$[3].context[...]`", ("/3/context", "Expected `str`")),
        ("Expected `str` - at `key` in `$[3].context`", ("/3/context", "Expected `str`")),
    ],
)
def test_paths_of_msgspec_become_pointers(message: str, expected: tuple[str, str]) -> None:
    assert pointer_of(message) == expected


async def test_a_huge_name_is_shortened() -> None:
    answer = await refusal(b'[{"' + b"x" * 500_000 + b'": 1}]')
    assert answer.status_code == 422


async def test_a_client_that_leaves_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/events",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await build_app(DeafPort(), ServerSettings())(scope, receive, send)
    assert sent[0]["status"] == 400
    assert caplog.records == []
