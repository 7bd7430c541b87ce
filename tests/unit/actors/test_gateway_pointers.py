"""A refused value is named by its place, also where msgspec does not say the key."""

import msgspec
import pytest

from tests.servers import edge

JSON = "application/json"
MSGPACK = "application/msgpack"
NDJSON = "application/x-ndjson"
GOOD = {"type": "click", "user_id": "a", "item_id": "i", "context": {"hour": 3}}
BAD = {**GOOD, "context": {"hour": 3, "a/b~": {"c": 1}, "later": None}}
PLACE = "/1/context/a~1b~0"
WRONG = "Expected `bool | float | str`, got `object`"


async def fault(content: bytes, kind: str = JSON, path: str = "/v1/events") -> tuple[str, str]:
    """Return the pointer and the detail of the one fault of a body."""
    method = "PUT" if path.startswith("/v1/items/") else "POST"
    async with edge() as client:
        headers = {"content-type": kind}
        answer = await client.request(method, path, content=content, headers=headers)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert answer.json()["detail"] == f"{error['pointer']}: {error['detail']}"
    return error["pointer"], error["detail"]


@pytest.mark.parametrize(
    ("content", "kind", "pointer"),
    [
        (msgspec.json.encode([GOOD, BAD]), JSON, PLACE),
        (msgspec.json.encode({"events": [GOOD, BAD]}), JSON, f"/events{PLACE}"),
        (msgspec.msgpack.encode([GOOD, BAD]), MSGPACK, PLACE),
        (msgspec.msgpack.encode({"events": [GOOD, BAD]}), MSGPACK, f"/events{PLACE}"),
        (b"\n".join(map(msgspec.json.encode, (GOOD, BAD, GOOD))), NDJSON, PLACE),
    ],
)
async def test_a_value_of_a_context_is_named_in_every_format(
    content: bytes, kind: str, pointer: str
) -> None:
    assert await fault(content, kind) == (pointer, WRONG)


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b'{"attributes":{"a":["x",1],"b":null}}', "/attributes/a/1"),
        (b'{"attributes":{"a":["x"],"b\\u002fc":null}}', "/attributes/b~1c"),
        (b'{"\\u0061ttributes":{"a":1e999}}', "/attributes/a"),
    ],
)
async def test_a_value_of_an_attribute_is_named(content: bytes, pointer: str) -> None:
    assert (await fault(content, path="/v1/items/i"))[0] == pointer


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b'{"attributes":{"a":null}', "/attributes"),
        (b'{"attributes":{"a":null,"b":' + b"[" * 100_000, "/attributes"),
        (b'{"attributes":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "/attributes"),
        (b'{"attributes":{"a":null,"a":1}}', "/attributes"),
        (b'{"attributes":{"a":null},"attributes":{}}', "/attributes"),
        (b'{"attributes":{"a":null},"attributes":3}', "/attributes"),
    ],
)
async def test_the_mapping_is_named_when_its_entry_is_not_found(
    content: bytes, pointer: str
) -> None:
    assert (await fault(content, path="/v1/items/i"))[0] == pointer


async def test_an_entry_of_a_list_that_comes_twice_is_not_found() -> None:
    content = b'{"items":[{"item_id":"i","attributes":{"a":null}}],"items":[]}'
    assert (await fault(content, path="/v1/items:batch"))[0] == "/items/0/attributes"


@pytest.mark.parametrize(
    "content",
    [
        b"\x91\x81\xa7context\x82\xa1a\xc0\x01\x01",
        b"\x91\x81\xa7context\x82\xa1a\xc0\xa1\xff\x01",
        b"\x91\x81\xa7context\x82\xa1a\xc0\xa1b" + b"\x91" * 100_000,
        b"\x91\x81\xa7context\x82\xa1a\xc0\xa1b",
    ],
)
async def test_nothing_that_follows_in_msgpack_is_an_error_of_ours(content: bytes) -> None:
    assert (await fault(content, MSGPACK))[0] == "/0/context"


@pytest.mark.parametrize(
    "place", ["$.context[...]", "$.attributes[...]", "$[0].context[...]", "$[...]", "$[1].context"]
)
async def test_a_name_that_looks_like_a_place_is_only_a_name(place: str) -> None:
    name = f"x` - at `{place.replace('1', '1' * 5000)}"
    for other in ({}, {"context": [], "attributes": {"a": 1}}):
        content = msgspec.json.encode({name: 1} | other)
        for path in ("/v1/events", "/v1/recommend", "/v1/items/i", "/v1/items:batch"):
            assert (await fault(content, path=path))[1].startswith("Object contains unknown field")
