"""A kept HTTP connection that costs little, for what it costs is taken from the server beside it.

It speaks as much HTTP/1.1 as a JSON API behind a proxy needs: one request at a time, answers with a
``Content-Length``. Requests are bytes that were made before anything is measured.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from typing_extensions import override

from recsys.client.calls import Call, read_answer
from recsys.errors import Unreachable

__all__ = ["BROKEN", "Address", "Answer", "Connection", "Damaged", "do", "request_of"]

BROKEN: Final = 0
"""Stands for a status where the connection ended before the answer."""

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"
_CLOSE: Final = b"\r\nconnection: close"

T = TypeVar("T")


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Address":
        """Read it from an ``http`` URL."""
        parts = urlsplit(url)
        return cls(parts.hostname or "127.0.0.1", parts.port or 80)


class Answer(NamedTuple):
    """What came back.

    Attributes
    ----------
    status
        ``BROKEN`` when nothing did.
    """

    status: int
    body: bytes

    @property
    def good(self) -> bool:
        """Whether it is of the kind 2xx."""
        return 200 <= self.status < 300

    @property
    def fault(self) -> str:
        """What to call it where it is not good."""
        return f"HTTP {self.status}" if self.status else "no answer"


class Damaged(ValueError):
    """An answer that does not say where it ends."""


def request_of(url: str, call: Call[T], *, path: str | None = None) -> bytes:
    """Return the bytes of a request.

    Parameters
    ----------
    path
        Instead of the call's own.
    """
    address = Address.of(url)
    body = call.body or b""
    head = (
        f"{call.method} {path or call.path} HTTP/1.1\r\nhost: {address.host}:{address.port}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def do(connection: "Connection", url: str, call: Call[T]) -> T:
    """Make a call and return its typed answer.

    Raises
    ------
    ApiError
        When the server refuses.
    Unreachable
        When the connection broke.
    """
    answer = await connection.ask(request_of(url, call))
    if answer.status == BROKEN:
        raise Unreachable(url, answer.fault)
    return read_answer(call, answer.status, {}, answer.body)


class Connection(asyncio.Protocol):
    """One connection; not for two requests at a time.

    Parameters
    ----------
    answered
        Told of each answer, from the event loop, once the next request may be sent.
    """

    def __init__(self, answered: Callable[["Connection", Answer], None] | None = None) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._needed = -1
        self._status = 0
        self._asked = False
        self._waiting: asyncio.Future[Answer] | None = None
        self._hang_up = False

    @classmethod
    async def to(
        cls,
        address: Address,
        answered: Callable[["Connection", Answer], None] | None = None,
    ) -> "Connection":
        """Open one.

        Raises
        ------
        OSError
            When nobody listens there.
        """
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: cls(answered), address.host, address.port
        )
        return connection

    @property
    def open(self) -> bool:
        """Whether another request can be sent on it."""
        return self._transport is not None and not self._hang_up

    def send(self, request: bytes) -> None:
        """Send a request; ``answered`` is told what comes back."""
        if self._transport is None or self._asked:
            message = "a connection carries one request at a time, while it is open"
            raise RuntimeError(message)
        self._asked = True
        self._transport.write(request)

    async def ask(self, request: bytes) -> Answer:
        """Send a request and return what comes back."""
        self._waiting = asyncio.get_running_loop().create_future()
        self.send(request)
        return await self._waiting

    def close(self) -> None:
        """Hang up."""
        self._hang_up = True
        if self._transport is not None:
            self._transport.close()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            message = "not a stream"
            raise TypeError(message)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if self._needed < 0:
            end = self._buffer.find(_HEAD_END)
            if end < 0:
                return
            self._read_head(self._buffer[:end].lower())
            self._buffer = self._buffer[end + len(_HEAD_END) :]
        if len(self._buffer) >= self._needed:
            body, self._buffer = self._buffer[: self._needed], b""
            self._needed = -1
            self._finish(Answer(self._status, body))

    def _read_head(self, head: bytes) -> None:
        found = head.find(_LENGTH)
        if found < 0:
            # Whoever looks at the answer sees no status, and the connection is not used again.
            self._status, self._needed = BROKEN, 0
            self.close()
            raise Damaged(f"an answer without its length: {head[:80]!r}")
        self._status = int(head[9:12])
        begin = found + len(_LENGTH)
        end = head.find(b"\r\n", begin)
        self._needed = int(head[begin:end] if end >= 0 else head[begin:])
        if _CLOSE in head:
            self.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._asked:
            self._finish(Answer(BROKEN, b""))

    def _finish(self, answer: Answer) -> None:
        self._asked = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(answer)
        elif self._answered is not None:
            self._answered(self, answer)
