"""The way past Ray Serve's replica, for the calls that come all the time.

Around each request Serve's replica makes two ids, a context, a record of it, a trace, three metrics
and some more: half of what a gateway does for a list, 190 us of its processor time. In the same
process stands the application, and all that these calls need is there: problem documents, keys,
bounds for bodies, shares of the shards, deadlines. Here are what they would miss: places and a
queue for them, counts, and an end that waits for what is under way.

What an ``Envelope`` puts around an answer is put here into its headers, as it is made: layers that
look at each message on its way are what a processor that several processes share is slowest at.

Where Serve's own proxy is in front, no application is in its process, and nothing is passed by.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from actors.http.envelope import cautious, fault_of_ours, request_id_in
from actors.http.places import Call, Places
from actors.http.problems import REQUEST_ID, Problem, retry_after
from actors.http.shortcut import Shortcut
from actors.settings import HttpSettings

__all__ = ["BYPASS", "Bypass", "Count"]

Count = Callable[[str, int, float], None]
"""Takes in that a path was called, the status of its answer, and the seconds until it was made."""

_NO_WAY: Final = Shortcut({})


class Bypass:
    """An ASGI application for what the application of this process takes, if there is one.

    Calls that send, and those that wait for a place, are as many as Serve would let wait.

    Attributes
    ----------
    count
        Told of each call.
    """

    count: Count

    def __init__(self) -> None:
        self.count = lambda _path, _status, _seconds: None
        self._shortcut = _NO_WAY
        self._places = Places()

    def lead_to(self, shortcut: Shortcut, http: HttpSettings) -> None:
        """Open the way."""
        self._shortcut = shortcut
        self._places = Places(http.max_ongoing_requests, http.max_queued_requests)

    def takes(self, scope: Scope) -> bool:
        """Return whether a connection is to go this way."""
        return self._shortcut.takes(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection that it takes."""
        started = perf_counter()
        request_id = scope[REQUEST_ID] = request_id_in(scope["headers"])
        places = self._places
        call = Call(scope, receive, places) if places.enter() else None
        response: Response | None = None
        try:
            response = _full(request_id) if call is None else await self._shortcut.answer(call)
            response.raw_headers = cautious(response.raw_headers, request_id)
            await response(scope, receive, send)
        except Exception:
            fault = fault_of_ours(scope)
            if response is not None:
                # The head is out, so only a broken connection can still say that it failed.
                raise
            fault.raw_headers = cautious(fault.raw_headers, request_id)
            await fault(scope, receive, send)
        finally:
            if call is not None:
                call.end()
            status = 500 if response is None else response.status_code
            self.count(scope["path"], status, perf_counter() - started)

    async def close(self, within_s: float) -> None:
        """Let nothing more in, and wait for what is under way; Serve waits for what it knows."""
        self._shortcut = _NO_WAY
        with suppress(TimeoutError):
            # Whoever takes longer than a shard may is cut off.
            async with asyncio.timeout(within_s):
                await self._places.emptied()


def _full(request_id: str) -> Response:
    full = Problem(429, "too many requests wait here", headers=retry_after())
    return full.response(request_id)


BYPASS: Final = Bypass()
"""Of this process: Serve makes what stands around its server and the application each by itself."""
