"""The way past Ray Serve's replica, for the calls that come all the time.

Around each request Serve's replica makes two ids, a context, a record of it, a trace, three metrics
and some more: half of what a gateway does for a list, 190 us of its processor time. In the same
process stands the application, and all that these calls need is there: problem documents, keys,
bounds for bodies, shares of the shards, deadlines. Here are what they would miss: places and a
queue for them, counts, and an end that waits for what is under way.

Where Serve's own proxy is in front, no application is in its process, and nothing is passed by.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from actors.http.problems import REQUEST_ID, Problem, retry_after
from actors.http.shortcut import Shortcut
from actors.settings import HttpSettings

__all__ = ["BYPASS", "Bypass", "Count"]

Count = Callable[[str, int, float], None]
"""Takes in that a path was called, the status of its answer, and the seconds until it was made."""


class Bypass:
    """An ASGI application for what the application of this process takes, if there is one.

    A call has a place as soon as its body is there: who sends slowly keeps nobody from working.
    Those that send, and those that wait for a place, are as many as Serve would let wait.

    Attributes
    ----------
    count
        Told of each call.
    """

    count: Count

    def __init__(self) -> None:
        self.count = lambda _path, _status, _seconds: None
        self._shortcut: Shortcut | None = None
        self._places = asyncio.Semaphore(0)
        self._most = 0
        self._inside = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def lead_to(self, shortcut: Shortcut, http: HttpSettings) -> None:
        """Open the way."""
        self._shortcut = shortcut
        self._places = asyncio.Semaphore(http.max_ongoing_requests)
        self._most = http.max_ongoing_requests + http.max_queued_requests

    def takes(self, scope: Scope) -> bool:
        """Return whether a connection is to go this way."""
        return self._shortcut is not None and self._shortcut.takes(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection that it takes."""
        shortcut, places = self._shortcut, self._places
        assert shortcut is not None
        started = perf_counter()
        # What becomes of a fault of ours, which whoever is around this answers.
        status = 500
        held = False

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async def receive_placed() -> Message:
            nonlocal held
            message = await receive()
            if held or message["type"] != "http.request" or message.get("more_body", False):
                return message
            waits = places.locked()
            await places.acquire()
            held = True
            return {"type": "http.disconnect"} if waits and await _gone(receive) else message

        if self._inside >= self._most:
            full = Problem(429, "too many requests wait here", headers=retry_after())
            await full.response(str(scope[REQUEST_ID]))(scope, receive, send_noting)
            self.count(scope["path"], status, perf_counter() - started)
            return
        self._inside += 1
        self._idle.clear()
        try:
            await shortcut(scope, receive_placed, send_noting)
        finally:
            if held:
                places.release()
            self._inside -= 1
            if not self._inside:
                self._idle.set()
            self.count(scope["path"], status, perf_counter() - started)

    async def close(self, within_s: float) -> None:
        """Let nothing more in, and wait for what is under way; Serve waits for what it knows."""
        self._shortcut = None
        with suppress(TimeoutError):
            # Whoever takes longer than a shard may is cut off.
            async with asyncio.timeout(within_s):
                await self._idle.wait()


async def _gone(receive: Receive) -> bool:
    """Return whether a caller has hung up, all of whose body has come."""
    asked = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    if asked.done():
        return bool(asked.result()["type"] == "http.disconnect")
    asked.cancel()
    return False


BYPASS: Final = Bypass()
"""Of this process: Serve makes what stands around its server and the application each by itself."""
