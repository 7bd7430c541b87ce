"""Places for calls: how many are worked on at a time, and how many more may send or wait.

A call is inside from its head to its answer. It has a place as soon as its body is there: who sends
slowly keeps nobody from working. Where none is free it waits its turn, and who hangs up meanwhile
need not be answered. Whoever reads a body (``actors.http.bodies``) says when it is there.
"""

import asyncio
from collections import deque

from starlette.requests import ClientDisconnect, Request, empty_send
from starlette.types import Receive, Scope

__all__ = ["Call", "Places"]


class Places:
    """Counts who is inside and who has a place; those who wait for one get it in their order.

    ``asyncio.Semaphore`` would look at its waiters twice for each call.

    Parameters
    ----------
    places
        Calls that are worked on at a time.
    queue
        Calls that may send or wait beside them.
    """

    def __init__(self, places: int = 0, queue: int = 0) -> None:
        self._most = places + queue
        self._inside = 0
        # Some are free only as long as nobody waits.
        self._free = places
        self._waiting = deque[asyncio.Future[None]]()
        self._emptied: asyncio.Event | None = None

    def enter(self) -> bool:
        """Count a call that comes, for which ``leave`` must follow, unless there are too many."""
        if self._inside >= self._most:
            return False
        self._inside += 1
        return True

    def leave(self) -> None:
        """Count a call that has ended, however it did."""
        self._inside -= 1
        if self._emptied is not None and not self._inside:
            self._emptied.set()

    def take(self) -> bool:
        """Take a place, for which ``give_back`` must follow, if one is free."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Wait for a place, for which ``give_back`` must follow; who came first has it first."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                # It was given to whom it reached too late.
                self.give_back()
            raise

    def give_back(self) -> None:
        """Give a place to whoever waits for it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def emptied(self) -> None:
        """Wait until nobody is inside; nobody may come any more."""
        if self._inside:
            self._emptied = asyncio.Event()
            await self._emptied.wait()


class Call(Request):
    """A request that is inside, until ``end``."""

    # What the base classes set for each, one by one.
    _send = staticmethod(empty_send)
    _stream_consumed = False
    _is_disconnected = False
    _form = None

    def __init__(self, scope: Scope, receive: Receive, places: Places) -> None:
        self.scope = scope
        self._receive = receive
        self._places = places
        self._placed = False

    def place(self) -> bool:
        """Take a place now that the body is there, if one is free."""
        self._placed = self._places.take()
        return self._placed

    async def wait(self) -> None:
        """Wait for a place.

        Raises
        ------
        ClientDisconnect
            When nobody is there any more.
        """
        await self._places.wait()
        self._placed = True
        if await _gone(self.receive):
            raise ClientDisconnect

    def end(self) -> None:
        """Leave, and give the place back."""
        if self._placed:
            self._places.give_back()
        self._places.leave()


async def _gone(receive: Receive) -> bool:
    """Return whether a caller has hung up, all of whose body has come."""
    asked = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    if asked.done():
        return bool(asked.result()["type"] == "http.disconnect")
    asked.cancel()
    return False
