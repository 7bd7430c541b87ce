"""How many of a gateway's places one shard may hold.

A gateway works on so many requests at a time (``http.max_ongoing_requests``). Those that ask a
shard that is stuck wait for it until ``http.shard_timeout_s``, and without a bound they would soon
hold all places: then nobody would get a list, whichever shard is theirs.
"""

from typing import Final

from typing_extensions import override

from actors.errors import Overloaded

__all__ = ["ShareUsed", "Shares", "share_of"]

_RETRY_AFTER_S: Final = 1.0


class ShareUsed(Overloaded):
    """As many requests wait for a shard as may; nothing was done."""

    @override
    def __str__(self) -> str:
        return (
            f"too many requests wait for shard {self.shard}; retry after {self.retry_after_s:g} s"
        )


def share_of(places: int, shards: int) -> int:
    """Return how many places one of the shards may hold.

    That is half-way between an even share and all. An even share would refuse whoever comes by
    chance to the busier one of two shards that are well; with 256 places and two shards it takes
    eight standard deviations to hold 192.
    """
    return max(1, places * (shards + 1) // (2 * shards))


class Shares:
    """Counts what waits for each shard.

    Parameters
    ----------
    shards
        How many there are.
    places
        Requests that the gateway works on at a time.
    """

    def __init__(self, shards: int, places: int) -> None:
        self._held = [0] * shards
        self._most = share_of(places, shards)

    def take(self, shard: int) -> None:
        """Count a call that begins; ``give_back`` must follow.

        Raises
        ------
        ShareUsed
            When too many wait already; then it is not counted.
        """
        if self._held[shard] >= self._most:
            raise ShareUsed(shard, _RETRY_AFTER_S)
        self._held[shard] += 1

    def give_back(self, shard: int) -> None:
        """Count a call that has ended, however it did."""
        self._held[shard] -= 1
