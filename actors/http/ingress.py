"""What stands around Ray Serve's own HTTP server, in front of every replica.

Serve acts on some headers before the application sees a request, and answers some requests by
itself, in plain text. Serve calls ``middlewares`` by the name that ``actors.runtime`` puts into
the environment.
"""

from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.http.bypass import BYPASS
from actors.http.envelope import Envelope
from actors.http.problems import REQUEST_ID, Problem, retry_after

__all__ = ["Ingress", "Junction", "middlewares"]

_REQUEST_ID_HEADER: Final = b"x-request-id"
_UNWATCHED_HEADER: Final = b"x-request-disconnect-disabled"
_ORDERS: Final = frozenset(
    (
        b"serve-multiplexed-model-id",
        _UNWATCHED_HEADER,
        b"x-request-timeout-seconds",
        b"x-session-id",
        _REQUEST_ID_HEADER,
    )
)
"""Headers that Serve obeys or decodes; those of strangers must not reach it as they are."""
_UNWATCHED: Final = frozenset(("/v1/rank", "/v1/recommend", "/v1/recommend:batch"))
"""Made in milliseconds. To notice at once who hangs up meanwhile, Serve runs two tasks and a queue
for each call, a seventh of a gateway's time for a list. Who has hung up by the time the body is
read, after all waiting for a place, is noticed there, and no list is made."""
_REPLACED: Final = frozenset((408, 429, 500, 503))
"""What Serve answers by itself."""
_OWN_PATHS: Final = "/-/"
"""Where HAProxy asks Serve how it is."""


def middlewares() -> list[Middleware]:
    """Return what Serve wraps around its server; the last one is the outermost."""
    return [Middleware(Ingress), Middleware(Envelope), Middleware(Junction)]


class Junction:
    """Sends what the application of this process takes past all that stands around Serve's server.

    Parameters
    ----------
    app
        That server, inside an ``Ingress`` and an ``Envelope``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        app = BYPASS if BYPASS.takes(scope) else self._app
        await app(scope, receive, send)


class Ingress:
    """Wraps Serve's server, inside an ``Envelope``: clean headers in, problem documents out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["path"].startswith(_OWN_PATHS):
            await self._app(scope, receive, send)
            return
        request_id = str(scope[REQUEST_ID])
        clean = [
            (name, value)
            for name, value in scope["headers"]
            if name.replace(b"_", b"-") not in _ORDERS
        ]
        clean.append((_REQUEST_ID_HEADER, request_id.encode()))
        if scope["path"] in _UNWATCHED:
            clean.append((_UNWATCHED_HEADER, b"?1"))
        replaced = False

        async def send_wrapped(message: Message) -> None:
            nonlocal replaced
            starts = message["type"] == "http.response.start"
            problem = _problem_of(message) if starts and message["status"] in _REPLACED else None
            if problem is not None:
                replaced = True
                await problem.response(request_id)(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app({**scope, "headers": clean}, receive, send_wrapped)


def _problem_of(message: Message) -> Problem | None:
    """Return what to say in the place of an answer of Serve's own: an error in plain text."""
    headers = Headers(raw=message["headers"])
    if not headers.get("content-type", "").startswith("text/plain"):
        return None
    match message["status"]:
        case HTTPStatus.TOO_MANY_REQUESTS:
            later = {"Retry-After": headers["retry-after"]} if "retry-after" in headers else {}
            return Problem(429, "too many requests wait here", headers=retry_after() | later)
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return Problem(500, "an internal error; its cause is in the log, by request id")
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.SERVICE_UNAVAILABLE:
            return Problem(503, "the gateway did not answer in time", headers=retry_after())
        case _:
            return None
