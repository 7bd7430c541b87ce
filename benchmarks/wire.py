"""An HTTP connection that costs little, for what it costs is taken from the server beside it.

It speaks as much HTTP/1.1 as a JSON API behind a proxy needs: one request at a time, kept alive,
answers with a ``Content-Length``. That is a tenth of the processor time of a full client.
"""

import asyncio
from typing import Final, Self, TypeVar
from urllib.parse import urlsplit

from recsys.client.calls import Call, read_answer
from recsys.errors import Unreachable

__all__ = ["Wire"]

_LENGTH: Final = b"content-length:"

T = TypeVar("T")


class Wire:
    """One connection, as an asynchronous context manager; not for two calls at a time.

    Parameters
    ----------
    url
        Where the server listens, ``http`` only.
    timeout_s
        Per call.
    """

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        parts = urlsplit(url)
        self._url = url
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._timeout_s = timeout_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._hang_up()

    async def do(self, call: Call[T]) -> T:
        """Make a call once and return its answer.

        Raises
        ------
        ApiError
            When the server refuses.
        Unreachable
            When the connection breaks or no answer comes in time; the next call opens another.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                status, body = await self._exchange(call.method, call.path, call.body or b"")
        except (OSError, EOFError, ValueError) as error:
            self._hang_up()
            raise Unreachable(self._url, str(error) or type(error).__name__) from error
        except BaseException:
            # An answer that nobody waits for would be taken for the next one's.
            self._hang_up()
            raise
        return read_answer(call, status, {}, body)

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        lengths = [line for line in lines if line.startswith(_LENGTH)]
        if len(lengths) != 1:
            message = "an answer without its length"
            raise ValueError(message)
        answer = await reader.readexactly(int(lengths[0][len(_LENGTH) :]))
        if b"connection: close" in lines:
            self._hang_up()
        return int(first.split()[1]), answer

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
