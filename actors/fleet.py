"""The shards as their supervisor sees them, and how Ray gives them to it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from ray.exceptions import ActorDiedError, RayError
from typing_extensions import override

from actors.errors import ShardUnavailable
from actors.giving import Given
from actors.handles import Ready, ShardHandle
from actors.ray_errors import reason, translate
from actors.shard_map import Moving, ShardMap

__all__ = ["Fleet", "RayFleet", "ShardLost", "ShardSilent"]


_CONTROL_S: Final = 10.0

T = TypeVar("T")


class ShardLost(ShardUnavailable):
    """A shard has ended and will not come back by itself; the reason is the last thing it said."""


class ShardSilent(ShardUnavailable):
    """A shard did not answer in time, and Ray does not say that it restarts."""


class Fleet(Protocol):
    """Opens, asks and closes shards by their numbers."""

    def open(self, shard: int) -> None:
        """Make the shard's actor if there is none; does not wait until it works."""
        ...

    async def ready(self, shard: int, timeout_s: float | None) -> Ready:
        """Ask the shard how it is.

        Raises
        ------
        ShardLost
            When it has ended for good, or was never opened.
        ShardSilent
            When it does not answer in time.
        ShardUnavailable
            When it restarts.
        """
        ...

    async def give(self, moving: Moving) -> Given:
        """Have the old owner give a partition to the new one.

        Raises
        ------
        ShardUnavailable
            When one of the two does not answer, here and below; it may have done it.
        RecsysError
            When it was not done.
        """
        ...

    async def give_up(self, moving: Moving) -> bool:
        """Ask the new owner whether the partition has come; if not, it never will."""
        ...

    async def forget(self, moving: Moving) -> None:
        """Have the old owner forget a partition that has come to the new one."""
        ...

    async def adopt(self, shard: int, shard_map: ShardMap) -> None:
        """Tell a shard who owns what."""
        ...

    def restart(self, shard: int) -> None:
        """End the shard's process, whatever it is at; Ray starts another."""
        ...

    async def close(self, shard: int, timeout_s: float) -> int | None:
        """Drain the shard and end its actor; return its last sequence if it said it."""
        ...


class RayFleet(Fleet):
    """Shards that are named detached actors.

    Parameters
    ----------
    get_or_create
        Returns the handle of a shard, whose actor is made if there is none.
    kill
        Ends an actor's process, and the actor as well if the second argument says so.
    """

    def __init__(
        self, get_or_create: Callable[[int], ShardHandle], kill: Callable[[ShardHandle, bool], None]
    ) -> None:
        self._get_or_create = get_or_create
        self._kill = kill
        self._handles: dict[int, ShardHandle] = {}

    @override
    def open(self, shard: int) -> None:
        self._handles[shard] = self._get_or_create(shard)

    @override
    async def ready(self, shard: int, timeout_s: float | None) -> Ready:
        handle = self._handle(shard)
        try:
            async with asyncio.timeout(timeout_s):
                return await handle.ready.remote()
        except ActorDiedError as error:
            raise ShardLost(shard, reason(error)) from error
        except TimeoutError as error:
            raise ShardSilent(shard, "it did not answer in time") from error
        except RayError as error:
            raise translate(error, shard) from error

    def _handle(self, shard: int) -> ShardHandle:
        handle = self._handles.get(shard)
        if handle is None:
            raise ShardLost(shard, "it is not open")
        return handle

    @override
    async def give(self, moving: Moving) -> Given:
        handle = self._handle(moving.old)
        return await _answer(handle.give.remote(moving, self._handle(moving.new)), moving.old)

    @override
    async def give_up(self, moving: Moving) -> bool:
        handle = self._handle(moving.new)
        return await _answer(handle.give_up.remote(moving), moving.new, _CONTROL_S)

    @override
    async def forget(self, moving: Moving) -> None:
        handle = self._handle(moving.old)
        await _answer(handle.forget.remote(moving), moving.old, _CONTROL_S)

    @override
    async def adopt(self, shard: int, shard_map: ShardMap) -> None:
        await _answer(self._handle(shard).adopt.remote(shard_map), shard, _CONTROL_S)

    @override
    def restart(self, shard: int) -> None:
        self._kill(self._handle(shard), False)

    @override
    async def close(self, shard: int, timeout_s: float) -> int | None:
        handle = self._handles.pop(shard, None)
        if handle is None:
            return None
        try:
            async with asyncio.timeout(timeout_s):
                return await handle.stop.remote()
        except (RayError, TimeoutError):
            # What it acknowledged is on the disk; it will be folded again at the next opening.
            return None
        finally:
            self._kill(handle, True)


async def _answer(answer: Awaitable[T], shard: int, timeout_s: float | None = None) -> T:
    """Wait for what an actor answers, and turn what Ray raises into our errors."""
    try:
        async with asyncio.timeout(timeout_s):
            return await answer
    except (RayError, TimeoutError) as error:
        raise translate(error, shard) from error
