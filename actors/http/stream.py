"""``GET /v1/stream``: the statistics once a second, as server-sent events.

One poller asks the shards, however many listen, and none when nobody does. A listener that reads
slowly misses ticks; nothing is kept for it. Every stream ends after a while, and the browser comes
back by itself: a stream without an end would hold up whatever waits for requests to finish.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from time import monotonic
from typing import Final

import msgspec
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.requests import Request
from starlette.responses import Response

from actors.http.problems import Problem, retry_after
from actors.http.shards import Shards

__all__ = ["Stream"]

_log = logging.getLogger(__name__)

_RETRY_MS: Final = 1000
"""When a browser whose stream has ended asks again."""
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Stream:
    """Ticks for everybody who listens.

    Parameters
    ----------
    interval_s
        From one tick to the next.
    listeners
        Bound of streams at once; those above it are refused.
    lifetime_s
        After so long a stream ends.
    """

    def __init__(
        self,
        shards: Shards,
        *,
        interval_s: float = 1.0,
        listeners: int = 64,
        lifetime_s: float = 60.0,
    ) -> None:
        self._shards = shards
        self._interval_s = interval_s
        self._bound = listeners
        self._lifetime_s = lifetime_s
        self._listening = 0
        self._ticks = 0
        self._frame = b""
        self._closed = False
        self._changed = asyncio.Condition()
        self._poller: asyncio.Task[None] | None = None
        self._encoder = msgspec.json.Encoder()

    @property
    def listening(self) -> int:
        """How many listen now."""
        return self._listening

    @property
    def polling(self) -> bool:
        """Whether the shards are being asked."""
        return self._poller is not None and not self._poller.done()

    async def get(self, request: Request) -> Response:
        """Stream the state of all shards, once a second, as events named tick."""
        if self._full():
            raise Problem(503, "too many streams are open here", headers=retry_after(5))
        return EventSourceResponse(self._listen(), headers=_HEADERS)

    async def close(self) -> None:
        """End all streams; new ones are refused. A second call is fine."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    def _full(self) -> bool:
        return self._closed or self._listening >= self._bound

    async def _listen(self) -> AsyncIterator[bytes]:
        yield format_sse_event(retry=_RETRY_MS)
        # Asked again, for others may have come between the route's check and the first frame.
        if self._full():
            return
        self._listening += 1
        try:
            if not self.polling:
                self._frame = b""
                self._poller = asyncio.create_task(self._poll(), name="stream-poller")
            ends = monotonic() + self._lifetime_s
            seen = self._ticks if not self._frame else -1
            while monotonic() < ends:
                async with self._changed:
                    while self._ticks == seen and not self._closed:
                        await self._changed.wait()
                    seen, frame = self._ticks, self._frame
                if self._closed:
                    return
                yield frame
        finally:
            self._listening -= 1

    async def _poll(self) -> None:
        while self._listening:
            started = monotonic()
            try:
                stats = await self._shards.stats(self._interval_s)
            except Exception:
                # Whoever listens waits for the next tick; a poller that died would leave them
                # waiting for ever.
                _log.exception("the statistics cannot be read")
            else:
                frame = format_sse_event(
                    event="tick", data_str=self._encoder.encode(stats).decode()
                )
                async with self._changed:
                    self._frame = frame
                    self._ticks += 1
                    self._changed.notify_all()
            await asyncio.sleep(max(0.0, self._interval_s - (monotonic() - started)))
