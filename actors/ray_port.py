"""Reaches the shards as Ray actors.

Names are resolved when the port is made, and again only when a shard is gone for good and the
supervisor has put another actor in its place. Questions and events travel in lanes of their own,
so that no question waits for another person's disk.
"""

import asyncio
from collections.abc import Callable, Sequence

from ray.exceptions import ActorDiedError, RayError
from typing_extensions import override

from actors.errors import ShardUnavailable
from actors.handles import ShardHandle
from actors.lane import Call, Lane, Reply
from actors.messages import APPEND, ERASE, Method
from actors.ports import ShardPort
from actors.ray_errors import translate
from actors.wire.handshake import Door
from recsys.errors import RecsysError

__all__ = ["RayPort"]

Resolve = Callable[[int], ShardHandle]


class RayPort(ShardPort):
    """Shards that are actors.

    Parameters
    ----------
    n_shards
        How many there are.
    resolve
        Looks a shard up by its number; blocks; raises ``ValueError`` while there is none.
    look_again_s
        Pause between two look-ups of a shard that is gone.
    """

    def __init__(self, n_shards: int, resolve: Resolve, *, look_again_s: float = 0.2) -> None:
        self._resolve = resolve
        self._look_again_s = look_again_s
        self._routes = [_Route(index, resolve(index), self._replace) for index in range(n_shards)]
        self._searches: dict[int, asyncio.Task[None]] = {}

    @property
    @override
    def n_shards(self) -> int:
        return len(self._routes)

    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        try:
            return await self._routes[shard].lane(method).call(method, payload, timeout_s)
        except TimeoutError as error:
            raise translate(error, shard) from None

    async def door(self, shard: int) -> Door:
        """Ask a shard for its door.

        Raises
        ------
        RecsysError
            When it does not answer.
        """
        return await self._routes[shard].door()

    def _replace(self, shard: int) -> None:
        """Look for the successor of a shard, in the background, once at a time."""
        if shard not in self._searches:
            task = asyncio.create_task(self._search(shard))
            self._searches[shard] = task
            task.add_done_callback(lambda _: self._searches.pop(shard))

    async def _search(self, shard: int) -> None:
        while True:
            try:
                self._routes[shard].handle = await asyncio.to_thread(self._resolve, shard)
            except ValueError:
                await asyncio.sleep(self._look_again_s)
            else:
                return


class _Route:
    """The way to one shard."""

    def __init__(self, shard: int, handle: ShardHandle, gone: Callable[[int], None]) -> None:
        self.handle = handle
        self._shard = shard
        self._gone = gone
        self._events = Lane(self._send, shard=shard)
        self._questions = Lane(self._send, shard=shard)

    def lane(self, method: Method) -> Lane:
        return self._events if method in {APPEND, ERASE} else self._questions

    async def door(self) -> Door:
        handle = self.handle
        try:
            return await handle.door.remote()
        except RayError as error:
            raise self._translated(error, handle) from error

    def _translated(self, error: RayError, handle: ShardHandle) -> RecsysError:
        if isinstance(error, ActorDiedError) and handle is self.handle:
            self._gone(self._shard)
        return translate(error, self._shard)

    async def _send(self, calls: Sequence[Call]) -> Sequence[Reply]:
        handle = self.handle
        try:
            replies = await handle.call_many.remote(list(calls))
        except RayError as error:
            raise self._translated(error, handle) from error
        if len(replies) != len(calls):
            raise ShardUnavailable(self._shard, "it runs another version")
        return replies
