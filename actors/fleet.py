"""The shards as their supervisor sees them, and how Ray gives them to it."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from ray.exceptions import ActorDiedError, RayError
from typing_extensions import override

from actors.errors import ShardUnavailable
from actors.handles import Ready, ShardHandle
from actors.ray_errors import reason, translate

__all__ = ["Fleet", "RayFleet", "ShardLost"]


class ShardLost(ShardUnavailable):
    """A shard has ended and will not come back by itself; the reason is the last thing it said."""


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
        ShardUnavailable
            When it restarts or does not answer in time.
        """
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
        Ends an actor so that it does not restart.
    """

    def __init__(
        self, get_or_create: Callable[[int], ShardHandle], kill: Callable[[ShardHandle], None]
    ) -> None:
        self._get_or_create = get_or_create
        self._kill = kill
        self._handles: dict[int, ShardHandle] = {}

    @override
    def open(self, shard: int) -> None:
        self._handles[shard] = self._get_or_create(shard)

    @override
    async def ready(self, shard: int, timeout_s: float | None) -> Ready:
        handle = self._handles.get(shard)
        if handle is None:
            raise ShardLost(shard, "it is not open")
        try:
            async with asyncio.timeout(timeout_s):
                return await handle.ready.remote()
        except ActorDiedError as error:
            raise ShardLost(shard, reason(error)) from error
        except (RayError, TimeoutError) as error:
            raise translate(error, shard) from error

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
            self._kill(handle)
