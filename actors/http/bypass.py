"""The way past Ray Serve's replica, for the calls that come all the time.

Around each request Serve's replica makes two ids, a context, a record of it, a trace, three metrics
and some more: half of what a gateway does for a list, 190 us of its processor time. In the same
process stands the application, and all that these calls need is there: problem documents, keys,
bounds for bodies, places at the shards, deadlines. Here are what they would miss: a bound of their
number, their counts, and an end that waits for them.

Where Serve's own proxy is in front, no application is in its process, and nothing is passed by.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from actors.http.shortcut import Shortcut

__all__ = ["BYPASS", "Bypass", "Count"]

Count = Callable[[str, int, float], None]
"""Takes in that a path was called, the status of its answer, and the seconds until it was made."""


class Bypass:
    """An ASGI application for what the application of this process takes, if there is one.

    Attributes
    ----------
    count
        Told of each call.
    """

    count: Count

    def __init__(self) -> None:
        self.count = lambda _path, _status, _seconds: None
        self._shortcut: Shortcut | None = None
        self._places = 0
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def lead_to(self, shortcut: Shortcut, places: int) -> None:
        """Open the way.

        Parameters
        ----------
        places
            Calls that are under way at a time. More go by Serve, where they have as many places
            again, then a queue, then 429.
        """
        self._shortcut, self._places = shortcut, places

    def takes(self, scope: Scope) -> bool:
        """Return whether a connection is to go this way."""
        shortcut = self._shortcut
        return shortcut is not None and self._under_way < self._places and shortcut.takes(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection that it takes."""
        shortcut = self._shortcut
        assert shortcut is not None
        started = perf_counter()
        # What becomes of a fault of ours, which whoever is around this answers.
        status = 500

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._under_way += 1
        self._idle.clear()
        try:
            await shortcut(scope, receive, send_noting)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
            self.count(scope["path"], status, perf_counter() - started)

    async def close(self, within_s: float) -> None:
        """Let nothing more in, and wait for what is under way; Serve waits for what it knows."""
        self._shortcut = None
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            # As with Serve's own: whoever takes longer than a shard may is cut off.
            pass


BYPASS: Final = Bypass()
"""Of this process: Serve makes what stands around its server and the application each by itself."""
