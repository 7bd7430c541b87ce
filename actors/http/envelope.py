"""What surrounds every answer: its request id, headers of caution, and a plain 500 for our faults.

A pure ASGI middleware: it costs microseconds and leaves streams alone.
"""

import logging
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.http.problems import REQUEST_ID, Problem
from recsys.ids import new_id

__all__ = ["Envelope"]

_log = logging.getLogger(__name__)

_HEADER: Final = "X-Request-ID"
_LONGEST_ID: Final = 128


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
        request_id = _request_id(Headers(scope=scope).get(_HEADER))
        scope[REQUEST_ID] = request_id
        started = False

        async def send_wrapped(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                if self._echo_request_id:
                    headers[_HEADER] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
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


def _request_id(header: str | None) -> str:
    """Return the caller's id if it is safe to echo and to log, else a new one."""
    if header and len(header) <= _LONGEST_ID and header.isascii() and header.isprintable():
        return header
    return new_id()
