"""Reads and decodes bodies: bounded, of the right type, strictly what the schema says."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from actors.http.places import Call
from actors.http.pointers import Decoder, locate
from actors.http.problems import Problem
from actors.http.schema import Fault
from actors.http.within import within

__all__ = ["JSON", "MSGPACK", "NDJSON", "decode_body", "decode_lines", "read_body"]

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
MSGPACK: Final = "application/msgpack"
_JSON_TYPE: Final = JSON.encode()
_ALIASES: Final = {
    "application/jsonl": NDJSON,
    "application/ndjson": NDJSON,
    "application/vnd.msgpack": MSGPACK,
    "application/x-jsonlines": NDJSON,
    "application/x-msgpack": MSGPACK,
}
_BODY_S: Final = 30.0
"""A body that takes longer than this is a slow one on purpose, or its sender is gone."""
_DRAIN_S: Final = 1.0
_DRAIN_BYTES: Final = 32 << 20
"""Of a body that is too large, so much is read and thrown away."""
_CHARSETS: Final = {
    ("charset", quoted) for name in ("utf-8", "utf8") for quoted in (name, f'"{name}"')
}

T = TypeVar("T")


def read_body(request: Request, limit: int, *, also: tuple[str, ...] = ()) -> Awaitable[bytes]:
    """Return the body, and give the call its place.

    Parameters
    ----------
    limit
        Bytes; counted while they come, whatever the headers say.
    also
        Types that are taken beside JSON.

    Raises
    ------
    Problem
        415 for another type, charset or coding, 413 above the limit, 408 when it does not come.
    """
    return within(_BODY_S, _read(request, limit, also), _slow)


async def _read(request: Request, limit: int, also: tuple[str, ...]) -> bytes:
    # Of several by a name the first counts.
    headers: dict[bytes, bytes] = dict(reversed(request.scope["headers"]))
    if b"content-encoding" in headers:
        _check_coding(headers[b"content-encoding"].decode("latin-1"))
    # What all senders say in the same words need not be taken apart.
    if headers.get(b"content-type") != _JSON_TYPE and media_type(request) not in (JSON, *also):
        allowed = ", ".join((JSON, *also))
        got = request.headers.get("content-type", "none")
        raise Problem(415, f"the content type must be one of {allowed}, got {got}")
    announced = headers.get(b"content-length", b"")
    receive = request.receive
    if announced.isdigit() and int(announced[:20]) > limit:
        # Who asks before sending sends nothing after this answer, if nobody reads.
        if b"expect" not in headers:
            await _drain(receive)
        raise _too_large(limit)
    body, more = _taken(await receive())
    if more or len(body) > limit:
        body = await _rest(receive, limit, body, more)
    if isinstance(request, Call) and not request.place():
        await request.wait()
    return body


async def _rest(receive: Receive, limit: int, chunk: bytes, more: bool) -> bytes:
    """Return a body that does not come in one piece, or is too large."""
    chunks = [chunk]
    size = len(chunk)
    while more and size <= limit:
        chunk, more = _taken(await receive())
        chunks.append(chunk)
        size += len(chunk)
    if size > limit:
        chunks.clear()
        if more:
            await _drain(receive)
        raise _too_large(limit)
    return b"".join(chunks)


def _taken(message: Message) -> tuple[bytes, bool]:
    """Return a piece of the body, and whether there are more.

    Raises
    ------
    ClientDisconnect
        When nobody is there any more.
    """
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


async def _drain(receive: Receive) -> None:
    """Read on for a moment: who is still sending would see a reset instead of the answer."""
    left = _DRAIN_BYTES
    more = True
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while more and left >= 0:
                chunk, more = _taken(await receive())
                left -= len(chunk)


def _slow() -> Problem:
    detail = f"the body did not arrive within {_BODY_S:g} s"
    return Problem(408, detail, headers={"Connection": "close"})


def _too_large(limit: int) -> Problem:
    # Some of the body may be left, so the connection cannot carry another request.
    headers = {"Connection": "close"}
    return Problem(413, f"a body has at most {limit} bytes", headers=headers)


def media_type(request: Request) -> str:
    """Return the body's type without parameters, lower case, by the name that it has here.

    Raises
    ------
    Problem
        415 for a charset that is not UTF-8.
    """
    kind, *parameters = request.headers.get("content-type", "").split(";")
    for parameter in parameters:
        name, _, value = parameter.strip().lower().partition("=")
        # Names with an asterisk are the charset in pieces or in a charset of its own (RFC 2231).
        if name.partition("*")[0].rstrip() == "charset" and (name, value) not in _CHARSETS:
            raise Problem(415, f"the charset must be utf-8, got {parameter.strip()}")
    name = kind.strip().lower()
    return _ALIASES.get(name, name)


def _check_coding(given: str) -> None:
    coding = given.strip().lower()
    if coding not in {"", "identity"}:
        headers = {"Accept-Encoding": "identity"}
        raise Problem(415, f"the body must not be encoded, got {coding}", headers=headers)


def decode_body(decoder: Decoder[T], body: bytes, at: str = "") -> T:
    """Decode, and say of a failure whether the body is unreadable or a value is wrong, and where.

    Parameters
    ----------
    at
        Pointer of what is decoded, when it is a part of the body.

    Raises
    ------
    Problem
        400 or 422.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        pointer, detail = locate(error, decoder, body)
        pointer = at + pointer
        where = pointer or "the body"
        fault = Fault(pointer=pointer, detail=detail)
        raise Problem(422, f"{where}: {detail}", errors=(fault,)) from None
    except msgspec.DecodeError as error:
        raise _unreadable(at, f"is unreadable: {error}") from None
    except UnicodeDecodeError as error:
        raise _unreadable(at, f"is not UTF-8: {error.reason}") from None
    except RecursionError:
        raise _unreadable(at, "is nested too deeply") from None


def decode_lines(decoder: Decoder[T], body: bytes) -> list[T]:
    """Decode one value per line; blank lines do not count.

    Raises
    ------
    Problem
        400 or 422; names the line by its index.
    """
    lines = [line for line in body.split(b"\n") if line and not line.isspace()]
    return [decode_body(decoder, line, f"/{index}") for index, line in enumerate(lines)]


def _unreadable(at: str, what: str) -> Problem:
    errors = (Fault(pointer=at, detail=what),) if at else ()
    return Problem(400, f"{at or 'the body'} {what}", errors=errors)
