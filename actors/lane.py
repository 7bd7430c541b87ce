"""Gathers the calls of one tick into one message.

A message between two Ray processes costs about a millisecond of processor time, whatever it
holds. So the calls that come while earlier messages are on their way travel together, as in the
shard's group commit: a lone call waits for nobody, a crowd shares the cost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from actors.errors import Overloaded
from actors.messages import Method
from recsys.errors import RecsysError

__all__ = ["Call", "Lane", "Reply"]

_RETRY_AFTER_S: Final = 1.0

Call = tuple[Method, bytes]
Reply = bytes | RecsysError
Send = Callable[[Sequence[Call]], Awaitable[Sequence[Reply]]]


class Lane:
    """A queue of calls to one shard, within one event loop.

    Parameters
    ----------
    send
        Carries calls and returns their replies in the same order; raises ``RecsysError`` when there
        is no reply to any of them.
    in_flight
        Messages under way at a time.
    most
        Calls in one message.
    waiting
        Calls that may wait for a message; more are refused. A gateway works on fewer requests at a
        time (``http.max_ongoing_requests``), so that this only guards against a mistake.
    shard
        Its number, for errors.
    """

    def __init__(
        self, send: Send, *, in_flight: int = 2, most: int = 16, waiting: int = 4096, shard: int = 0
    ) -> None:
        self._send = send
        self._free = in_flight
        self._most = most
        self._bound = waiting
        self._shard = shard
        self._waiting: dict[asyncio.Future[bytes], Call] = {}
        self._scheduled = False
        self._messages: set[asyncio.Task[None]] = set()

    async def call(self, method: Method, payload: bytes, timeout_s: float) -> bytes:
        """Send one call and return its answer.

        Raises
        ------
        Overloaded
            When too many wait already; it was not sent.
        TimeoutError
            When none came in time. A call that was not sent yet never will be.
        """
        if len(self._waiting) >= self._bound:
            raise Overloaded(self._shard, _RETRY_AFTER_S)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._waiting[answer] = (method, payload)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        try:
            return await asyncio.wait_for(answer, timeout_s)
        finally:
            self._waiting.pop(answer, None)

    def _flush(self) -> None:
        self._scheduled = False
        while self._waiting and self._free:
            answers = list(self._waiting)[: self._most]
            calls = [self._waiting.pop(answer) for answer in answers]
            self._free -= 1
            message = asyncio.create_task(self._carry(calls, answers))
            self._messages.add(message)
            message.add_done_callback(self._messages.discard)

    async def _carry(self, calls: Sequence[Call], answers: Sequence[asyncio.Future[bytes]]) -> None:
        try:
            replies = await self._send(calls)
        except RecsysError as error:
            replies = [error] * len(calls)
        finally:
            self._free += 1
        for answer, reply in zip(answers, replies, strict=True):
            if answer.done():
                continue
            if isinstance(reply, bytes):
                answer.set_result(reply)
            else:
                answer.set_exception(reply)
        self._flush()
