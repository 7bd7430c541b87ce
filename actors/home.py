"""What a shard offers to those who read and write outside logs for it (``actors.kafka``)."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Protocol, TypeVar

from actors.batcher import Batcher
from actors.kafka.stats import KafkaStats
from actors.territory import Territory
from recsys.engine import Engine
from recsys.events import Event
from recsys.store.base import Append

__all__ = ["Attach", "Side", "SideHome"]

Page = list[tuple[int, Event]]
T = TypeVar("T")


class Blocking(Protocol):
    """Runs something on another thread."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what it returns."""
        ...


class Side(Protocol):
    """Something beside a shard, started and stopped with it."""

    def start(self) -> None:
        """Begin; waits for nothing."""
        ...

    async def settled(self) -> None:
        """Wait until all of partitions that the shard has stopped to own is in its queue."""
        ...

    async def stop(self) -> None:
        """End before the shard's writer does."""
        ...

    def stats(self) -> KafkaStats:
        """Return its state."""
        ...

    def trouble(self) -> tuple[str, ...]:
        """Return what the operator should read."""
        ...


class SideHome:
    """A shard's engine and writer, as ``actors.kafka.base.Home`` wants them.

    Parameters
    ----------
    territory
        Says which partitions are the shard's.
    blocking
        Runs something on the store's thread.
    """

    def __init__(
        self,
        index: int,
        territory: Territory,
        engine: Engine,
        batcher: Batcher,
        blocking: Blocking,
    ) -> None:
        self._index = index
        self._territory = territory
        self._engine = engine
        self._batcher = batcher
        self._blocking = blocking

    @property
    def index(self) -> int:
        """See ``Home``."""
        return self._index

    @property
    def owned(self) -> Sequence[int]:
        """See ``Home``."""
        return self._territory.owned

    @property
    def last_sequence(self) -> int:
        """See ``Home``."""
        return self._engine.store.last_sequence

    def check(self, events: Sequence[Event]) -> None:
        """See ``Home``."""
        self._engine.check(events)

    async def append(
        self, events: Sequence[Event], received_ms: int, positions: Mapping[str, int]
    ) -> list[Append]:
        """See ``Home``."""
        await self._batcher.room_for(len(events))
        return await self._batcher.submit(events, received_ms, positions)

    async def positions(self) -> dict[str, int]:
        """See ``Home``."""
        return await self._blocking(self._engine.store.positions)

    async def log_after(self, sequence: int, events: int) -> Page:
        """See ``Home``."""
        return await self._blocking(
            lambda: list(islice(self._engine.store.read(after=sequence), events))
        )


Attach = Callable[[SideHome, Mapping[str, int]], Side]
"""Makes what stands beside a shard; given the positions of its store."""
