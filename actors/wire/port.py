"""All shards over the wire, with another port where there is no connection."""

from collections.abc import Awaitable
from typing import Final

from typing_extensions import override

from actors.messages import Method
from actors.ports import ShardPort
from actors.settings import ServerSettings
from actors.wire.link import FindDoor, Link

__all__ = ["WirePort", "frame_bytes"]

_LEAST_FRAME: Final = 1 << 25
"""A person's whole state, or all dead letters of a shard."""


class WirePort(ShardPort):
    """Calls shards over their links.

    Parameters
    ----------
    fallback
        Carries the calls to a shard as long as it is not connected.
    find, limit_bytes
        See ``Link``.
    """

    def __init__(self, fallback: ShardPort, find: FindDoor, limit_bytes: int) -> None:
        self._fallback = fallback
        self._links = [
            Link(shard, find, limit_bytes=limit_bytes) for shard in range(fallback.n_shards)
        ]

    @property
    @override
    def n_shards(self) -> int:
        return len(self._links)

    @override
    def call(
        self, shard: int, method: Method, payload: bytes, timeout_s: float
    ) -> Awaitable[bytes]:
        link = self._links[shard]
        if link.up:
            return link.call(method, payload, timeout_s)
        link.reach()
        return self._fallback.call(shard, method, payload, timeout_s)

    async def close(self) -> None:
        """Hang up."""
        for link in self._links:
            await link.close()


def frame_bytes(settings: ServerSettings) -> int:
    """Return how large a frame may be: more than any body becomes on its way."""
    return max(_LEAST_FRAME, 4 * settings.http.max_body_bytes)
