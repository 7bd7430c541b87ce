"""The header Content-Type: what is read, what is refused, and that nothing breaks on it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from actors.http.bodies import JSON, MSGPACK, NDJSON, media_type
from actors.http.problems import Problem
from tests.servers import edge


def with_type(header: str | bytes) -> Request:
    """Return a request with this header."""
    value = header.encode() if isinstance(header, str) else header
    return Request({"type": "http", "headers": [(b"content-type", value)]})


def status_of(request: Request) -> int:
    try:
        media_type(request)
    except Problem as problem:
        return problem.status
    return 200


@pytest.mark.parametrize(
    "header",
    [
        "application/json",
        " APPLICATION/JSON ",
        "application/json;",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8; version=1",
        "application/json; x*1=1; x*=2",
        "application/json; *=",
    ],
)
def test_json_by_all_its_names(header: str) -> None:
    assert media_type(with_type(header)) == JSON


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("application/jsonl", NDJSON),
        ("application/ndjson", NDJSON),
        ("application/x-jsonlines; charset=utf-8", NDJSON),
        ("application/vnd.msgpack", MSGPACK),
        ("application/X-Msgpack", MSGPACK),
    ],
)
async def test_events_come_under_all_names_of_their_types(alias: str, name: str) -> None:
    assert media_type(with_type(alias)) == name
    async with edge() as client:
        content = b"" if name == NDJSON else b"\x90"
        for kind in (alias, name):
            headers = {"content-type": kind}
            answer = await client.post("/v1/events", content=content, headers=headers)
            assert (answer.status_code, answer.json()["results"]) == (202, [])


LINE = b'{"type": "click", "user_id": "u", "item_id": "i"}'


@pytest.mark.parametrize(
    ("bad", "status", "pointer"),
    [
        (b'{"type": "click",}', 400, "/1"),
        (b'{"type": "cl', 400, "/1"),
        (b"nonsense", 400, "/1"),
        (b'{"value": NaN}', 400, "/1"),
        (b'{"user_id": "\xff"}', 400, "/1"),
        (b"[" * 100_000, 422, "/1"),
        (b'{"context":' + b"[" * 100_000, 422, "/1/context"),
        (LINE + b" " + LINE, 400, "/1"),
        (b"3", 422, "/1"),
        (b'{"type": "click", "user_id": 7}', 422, "/1/user_id"),
    ],
)
async def test_a_bad_line_is_named(bad: bytes, status: int, pointer: str) -> None:
    async with edge() as client:
        content = b"\n".join([LINE, b" ", bad, LINE])
        headers = {"content-type": NDJSON}
        answer = await client.post("/v1/events", content=content, headers=headers)
    problem = answer.json()
    assert answer.status_code == status
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert problem["detail"].startswith(pointer)


@pytest.mark.parametrize(
    "parameter",
    [
        "charset",
        "charset=",
        "charset=latin-1",
        'charset="utf-8',
        "charset=utf-8; charset=utf-16",
        "charset*0=utf-8",
        "charset*=utf-8''utf-8",
        "charset*0*=",
        "x*1=1; x*=2; charset*0=utf-8",
    ],
)
async def test_charsets_that_are_not_plainly_utf_8(parameter: str) -> None:
    async with edge() as client:
        headers = {"content-type": f"application/json; {parameter}"}
        answer = await client.post("/v1/recommend", content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert "charset" in answer.json()["detail"]


PIECES = st.sampled_from(
    ["application/json", "charset", "utf-8", "*", "0", "1", "=", ";", '"', "'", " ", "\\", "%FF"]
)


@given(st.lists(PIECES | st.characters(max_codepoint=255), max_size=12).map("".join))
def test_no_header_breaks_its_reader(header: str) -> None:
    assert status_of(with_type(header.encode("latin-1"))) in {200, 415}
