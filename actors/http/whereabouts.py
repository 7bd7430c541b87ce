"""Who owns what, as a gateway knows it: it learns of moves by being refused."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, TypeVarTuple

from actors.errors import NotOwned, RuntimeFault, ShardUnavailable
from actors.shard_map import ShardMap

__all__ = ["FetchMap", "Patience", "Whereabouts"]

_PAUSES_S: Final = (0.0, 0.01, 0.02, 0.05, 0.1)
"""Before the first, second, ... look at the map; the last one repeats."""
_SUSPICION_S: Final = 0.5
"""A shard that stays silent for a while is no reason to look all the time."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

FetchMap = Callable[[], Awaitable[ShardMap]]
"""Returns the map of now; raises ``RuntimeFault`` when nobody tells."""


class Whereabouts:
    """The newest map that anybody told of.

    Parameters
    ----------
    shard_map
        To begin with.
    fetch
        Nothing where partitions never move.
    """

    def __init__(self, shard_map: ShardMap, fetch: FetchMap | None = None) -> None:
        self.map = shard_map
        self._fetch = fetch
        self._fetching: asyncio.Task[None] | None = None
        self._next_s = 0.0

    def suspect(self) -> None:
        """Look at the map of now soon: a shard is silent, and its people may be elsewhere."""
        now_s = asyncio.get_running_loop().time()
        if self._fetching is None and now_s >= self._next_s:
            self._next_s = now_s + _SUSPICION_S
            self._fetching = asyncio.create_task(self._look())

    async def renew(self) -> None:
        """Look at the map of now; who comes meanwhile shares the look."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._look())
        await asyncio.shield(self._fetching)

    async def _look(self) -> None:
        try:
            if self._fetch is not None:
                found = await self._fetch()
                if found.epoch > self.map.epoch:
                    self.map = found
        except RuntimeFault:
            # Whoever tells is being restarted; the map of before may do.
            return
        finally:
            self._fetching = None

    async def find(self, timeout_s: float, work: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Do some work again, by the map of then, until the shard that it asks is the owner.

        Parameters
        ----------
        args
            Of the work.

        Raises
        ------
        ShardUnavailable
            When the shard does not answer, or a partition has no owner for so long.
        """
        until_s = asyncio.get_running_loop().time() + timeout_s
        patience: Patience | None = None
        while True:
            try:
                return await work(*args)
            except ShardUnavailable:
                self.suspect()
                raise
            except NotOwned as error:
                # Hardly ever.
                patience = patience or Patience(self, until_s)
                await patience.wait(error)


class Patience:
    """How long a request waits for the end of a move.

    Parameters
    ----------
    until_s
        On the clock of the loop.
    """

    def __init__(self, whereabouts: Whereabouts, until_s: float) -> None:
        self._whereabouts = whereabouts
        self._until_s = until_s
        self._looks = 0

    async def wait(self, refusal: NotOwned) -> None:
        """Return when it is time to ask again.

        Raises
        ------
        ShardUnavailable
            When it has taken too long.
        """
        if asyncio.get_running_loop().time() >= self._until_s:
            reason = f"partition {refusal.partition} is on its way to another shard"
            raise ShardUnavailable(refusal.shard, reason) from refusal
        await asyncio.sleep(_PAUSES_S[min(self._looks, len(_PAUSES_S) - 1)])
        self._looks += 1
        await self._whereabouts.renew()
