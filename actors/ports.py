"""How a gateway reaches the shards: one small interface, so that the carrier can change.

``LocalPort`` runs the shards in the gateway's own event loop, for tests and single processes;
``actors.ray_port.RayPort`` calls Ray actors. A framed TCP transport fits the same two members.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import Protocol

from typing_extensions import override

from actors.errors import ShardUnavailable
from actors.messages import Method

__all__ = ["Callee", "LocalPort", "ShardPort"]


class ShardPort(ABC):
    """Carries calls to shards. Any number may be in flight."""

    @property
    @abstractmethod
    def n_shards(self) -> int:
        """How many shards there are; numbered from 0."""

    @abstractmethod
    def call(
        self, shard: int, method: Method, payload: bytes, timeout_s: float
    ) -> Awaitable[bytes]:
        """Call one shard; what is returned is awaited, at once, for its answer.

        What is raised may come before that.

        Raises
        ------
        ShardUnavailable
            No answer within ``timeout_s``, or the shard is down. A write may have happened.
        Overloaded
            The shard's queue is full; nothing happened.
        InvalidEvent
            The shard refused the payload; nothing happened.
        """


class Callee(Protocol):
    """What a shard looks like from a port."""

    async def call(self, method: Method, payload: bytes) -> bytes:
        """Do it and return the answer's payload."""
        ...


class LocalPort(ShardPort):
    """Shards in the same event loop.

    Parameters
    ----------
    shards
        In the order of their numbers.
    """

    def __init__(self, shards: Sequence[Callee]) -> None:
        self._shards = shards

    @property
    @override
    def n_shards(self) -> int:
        return len(self._shards)

    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._shards[shard].call(method, payload)
        except TimeoutError:
            raise ShardUnavailable(shard, f"no answer within {timeout_s:g} s") from None
