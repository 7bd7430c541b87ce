"""What surrounds every answer: its request id, headers of caution, and a plain 500 for our faults.

A pure ASGI middleware: it costs microseconds and leaves streams alone.
"""

import logging
from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.http.problems import REQUEST_ID, Problem
from recsys.ids import new_id

__all__ = ["Envelope"]

_log = logging.getLogger(__name__)

_Headers = Iterable[tuple[bytes, bytes]]
"""As ASGI has them: names are in lower case."""

_ID: Final = b"x-request-id"
_LONGEST_ID: Final = 128
_TYPE_OPTIONS: Final = b"x-content-type-options"
_CACHE: Final = b"cache-control"


class Envelope:
    """Wraps an ASGI application.

    Parameters
    ----------
    echo_request_id
        Whether to send the request id back; not where the server around us does it.
    """

    def __init__(self, app: ASGIApp, *, echo_request_id: bool = True) -> None:
        self._app = app
        self._echo_request_id = echo_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Inside another envelope, which sees to the headers, as around Serve's own server.
        inner = REQUEST_ID in scope
        if not inner:
            scope[REQUEST_ID] = _request_id(scope["headers"])
        request_id: str = scope[REQUEST_ID]
        started = False

        async def send_wrapped(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if not inner:
                    echoed = request_id if self._echo_request_id else None
                    message["headers"] = _cautious(message["headers"], echoed)
            await send(message)

        try:
            await self._app(scope, receive, send_wrapped)
        except Exception:
            _log.exception("request %s failed: %s %r", request_id, scope["method"], scope["path"])
            if started:
                # The head is out, so only a broken connection can still say that it failed.
                raise
            problem = Problem(500, "an internal error; its cause is in the log, by request id")
            await problem.response(request_id)(scope, receive, send_wrapped)


def _cautious(headers: _Headers, echoed: str | None) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with ours, and with the request id if there is one."""
    found = list[tuple[bytes, bytes]]()
    cached = False
    for header in headers:
        name = header[0]
        if name == _TYPE_OPTIONS or (name == _ID and echoed is not None):
            continue
        cached = cached or name == _CACHE
        found.append(header)
    if echoed is not None:
        found.append((_ID, echoed.encode()))
    found.append((_TYPE_OPTIONS, b"nosniff"))
    if not cached:
        found.append((_CACHE, b"no-store"))
    return found


def _request_id(headers: _Headers) -> str:
    """Return the caller's id if it is safe to echo and to log, else a new one."""
    for name, value in headers:
        if name == _ID:
            given = value.decode("latin-1")
            if 0 < len(given) <= _LONGEST_ID and given.isascii() and given.isprintable():
                return given
            break
    return new_id()
