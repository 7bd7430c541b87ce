"""A shard as another one sees it that gives it a partition."""

from ray.exceptions import RayError
from typing_extensions import override

from actors.giving import Delivery, Receiver
from actors.handles import ShardHandle
from actors.ray_errors import translate

__all__ = ["RayReceiver"]


class RayReceiver(Receiver):
    """A shard that is an actor.

    Parameters
    ----------
    shard
        Its number, for errors.
    """

    def __init__(self, shard: int, handle: ShardHandle) -> None:
        self._shard = shard
        self._handle = handle

    @override
    async def key(self) -> bytes:
        try:
            return await self._handle.key.remote()
        except RayError as error:
            raise translate(error, self._shard) from error

    @override
    async def take(self, delivery: Delivery) -> None:
        try:
            await self._handle.take.remote(delivery)
        except RayError as error:
            raise translate(error, self._shard) from error
