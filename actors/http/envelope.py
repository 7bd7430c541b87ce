"""What surrounds every answer: its request id, headers of caution, and a plain 500 for our faults.

A pure ASGI middleware: it costs microseconds and leaves streams alone. Whoever makes a whole answer
by itself (``actors.http.bypass``) can do without one, by the same functions.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.http.problems import REQUEST_ID, Problem
from recsys.ids import new_id

__all__ = ["Envelope", "cautious", "fault_of_ours", "request_id_in"]

_log = logging.getLogger(__name__)

_ID: Final = b"x-request-id"
_LONGEST_ID: Final = 128
_TYPE_OPTIONS: Final = b"x-content-type-options"
_NO_SNIFFING: Final = (_TYPE_OPTIONS, b"nosniff")
_CACHE: Final = b"cache-control"
_NO_CACHE: Final = (_CACHE, b"no-store")
_OURS: Final = frozenset((_ID, _TYPE_OPTIONS))


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
            scope[REQUEST_ID] = request_id_in(scope["headers"])
        request_id: str = scope[REQUEST_ID]
        started = False

        async def send_wrapped(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if not inner:
                    echoed = request_id if self._echo_request_id else None
                    message["headers"] = cautious(message["headers"], echoed)
            await send(message)

        try:
            await self._app(scope, receive, send_wrapped)
        except Exception:
            fault = fault_of_ours(scope)
            if started:
                # The head is out, so only a broken connection can still say that it failed.
                raise
            await fault(scope, receive, send_wrapped)


def fault_of_ours(scope: Scope) -> Response:
    """Log the exception that is being handled, and return what is told of it."""
    request_id: str = scope[REQUEST_ID]
    _log.exception("request %s failed: %s %r", request_id, scope["method"], scope["path"])
    problem = Problem(500, "an internal error; its cause is in the log, by request id")
    return problem.response(request_id)


def cautious(
    headers: Iterable[tuple[bytes, bytes]], echoed: str | None
) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with ours, and with the request id if there is one.

    Parameters
    ----------
    headers
        As ASGI has them: names are in lower case.
    """
    found = [*headers]
    names = dict(found)
    if not _OURS.isdisjoint(names):
        replaced = {_TYPE_OPTIONS} if echoed is None else {_TYPE_OPTIONS, _ID}
        found = [header for header in found if header[0] not in replaced]
    if echoed is not None:
        found.append((_ID, echoed.encode()))
    found.append(_NO_SNIFFING)
    if _CACHE not in names:
        found.append(_NO_CACHE)
    return found


def request_id_in(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return the caller's id if it is safe to echo and to log, else a new one."""
    # Of several the first counts.
    value = dict(reversed(headers)).get(_ID)
    if value is not None:
        given = value.decode("latin-1")
        if 0 < len(given) <= _LONGEST_ID and given.isascii() and given.isprintable():
            return given
    return new_id()
