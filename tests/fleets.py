"""Shards of one data directory in one event loop, which die and come back on command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from typing_extensions import override

from actors.errors import ShardUnavailable
from actors.fleet import Fleet
from actors.giving import Delivery, Given, Receiver
from actors.handles import Ready
from actors.layout import read_shard_map
from actors.messages import Method
from actors.ports import ShardPort
from actors.settings import ServerSettings
from actors.shard import Shard
from actors.shard_map import Moving, ShardMap
from recsys.engine import Engine
from recsys.store.memory import MemoryStore

__all__ = ["KEYS", "LocalFleet", "LocalReceiver", "Step"]

KEYS: Final = tuple(bytes([seed]) * 32 for seed in range(8))
"""Of the shards, by number: as different as in life."""

T = TypeVar("T")

Step = Callable[[str], Awaitable[None]]
"""Called before and after whatever one actor asks of another; may raise, or kill."""


async def _quietly(_: str) -> None:
    """Let everything pass."""


def _heard(task: "asyncio.Future[Any]") -> None:
    """Take note of how a task has ended for which nobody waits any more."""
    if not task.cancelled():
        task.exception()


class LocalReceiver(Receiver):
    """The new owner, called directly."""

    def __init__(self, fleet: "LocalFleet", shard: int) -> None:
        self._fleet = fleet
        self._shard = shard

    @override
    async def key(self) -> bytes:
        return await self._fleet.ask(self._shard, "key", lambda shard: shard.mover.key())

    @override
    async def take(self, delivery: Delivery) -> None:
        name = "last" if delivery.event.last else f"part {delivery.event.part}"
        await self._fleet.ask(self._shard, name, lambda shard: shard.mover.take(delivery))


class LocalFleet(Fleet, ShardPort):
    """The shards, for a supervisor and for a gateway.

    Attributes
    ----------
    shards
        Those that live.
    step
        See ``Step``.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.shards: dict[int, Shard] = {}
        self.step: Step = _quietly
        self._settings = settings
        self._stores = [MemoryStore() for _ in range(settings.shards.count)]
        self._lives = [0] * settings.shards.count
        self._dead: list[Shard] = []

    @property
    @override
    def n_shards(self) -> int:
        return len(self._stores)

    def engine(self, shard: int) -> Engine:
        """Return a new engine over what a shard's store holds."""
        return Engine(self._stores[shard].reopened(), self._settings.engine, KEYS[shard])

    async def start(self) -> None:
        """Open all shards."""
        for shard in range(self.n_shards):
            await self.revive(shard)

    def kill(self, shard: int) -> None:
        """End a shard as a process that is killed ends: nothing that it does later counts."""
        if (dead := self.shards.pop(shard, None)) is not None:
            dead.mover.stop()
            self._dead.append(dead)
            self._stores[shard] = self._stores[shard].reopened()

    async def revive(self, shard: int) -> None:
        """Open a shard that is dead, from what its store holds and its layout says."""
        self._lives[shard] += 1
        engine = Engine(self._stores[shard], self._settings.engine, KEYS[shard])
        shard_map = read_shard_map(self._settings.shards)
        self.shards[shard] = Shard(shard, self._settings, engine, shard_map=shard_map)
        await self.shards[shard].start()

    async def stop(self) -> None:
        """Stop all, those too that were killed: their threads would stay."""
        for shard in (*self.shards.values(), *self._dead):
            await shard.stop()

    async def ask(self, shard: int, name: str, work: Callable[[Shard], Awaitable[T]]) -> T:
        """Ask a shard as if it were far: an answer that comes after its death is none."""
        await self.step(f"before {name}")
        living = self.shards.get(shard)
        if living is None:
            raise ShardUnavailable(shard, "it is restarting")
        # Its own task, for it ends with the shard.
        task = asyncio.ensure_future(work(living))
        task.add_done_callback(_heard)
        await asyncio.wait([task])
        if self.shards.get(shard) is not living:
            raise ShardUnavailable(shard, "it has died")
        answer = await task
        await self.step(f"after {name}")
        return answer

    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        living = self.shards.get(shard)
        if living is None:
            raise ShardUnavailable(shard, "it is restarting")
        task = asyncio.ensure_future(living.call(method, payload))
        done, _ = await asyncio.wait([task], timeout=timeout_s)
        if not done or self.shards.get(shard) is not living:
            task.add_done_callback(_heard)
            raise ShardUnavailable(shard, "no answer")
        return await task

    @override
    def open(self, shard: int) -> None:
        raise NotImplementedError

    @override
    async def ready(self, shard: int, timeout_s: float | None) -> Ready:
        living = self.shards.get(shard)
        if living is None:
            raise ShardUnavailable(shard, "it is restarting")
        return Ready(1, self._lives[shard], 0, 0, 0.0, held=living.territory.held)

    @override
    async def give(self, moving: Moving) -> Given:
        receiver = LocalReceiver(self, moving.new)
        return await self.ask(moving.old, "give", lambda old: old.mover.give(moving, receiver))

    @override
    async def give_up(self, moving: Moving) -> bool:
        return await self.ask(moving.new, "give_up", lambda new: new.mover.give_up(moving))

    @override
    async def forget(self, moving: Moving) -> None:
        await self.ask(moving.old, "forget", lambda old: old.mover.forget(moving))

    @override
    async def adopt(self, shard: int, shard_map: ShardMap) -> None:
        async def adopted(living: Shard) -> None:
            living.territory.adopt(shard_map)

        await self.ask(shard, "adopt", adopted)

    @override
    def restart(self, shard: int) -> None:
        raise NotImplementedError

    @override
    async def close(self, shard: int, timeout_s: float) -> int | None:
        raise NotImplementedError
