"""Shards in memory that mix, and a port to them that may fail."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

from typing_extensions import override

from actors.messages import Method
from actors.mixer import MixerAtWork
from actors.ports import LocalPort, ShardPort
from actors.settings import ServerSettings, ShardSettings
from actors.shard import Shard
from recsys.clock import now_ms
from recsys.engine import Engine
from recsys.events import Feedback
from recsys.mixing.settings import MixSettings
from recsys.settings import EngineSettings
from recsys.store.memory import MemoryStore
from tests.fleets import KEYS
from tests.shards import batch

__all__ = ["Away", "Mixed", "mixed"]

_numbers = count()


def settings_of(shards: int, mix: MixSettings | None = None) -> ServerSettings:
    engine = EngineSettings(mix=mix or MixSettings())
    return ServerSettings(engine=engine, shards=ShardSettings(count=shards, partitions=8))


class Away(ShardPort):
    """Some shards cannot be reached.

    Attributes
    ----------
    faults
        What calls of them raise.
    calls
        Of each shard.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._inner = LocalPort(shards)
        self.faults: dict[int, Exception] = {}
        self.calls = [0] * len(shards)

    @property
    @override
    def n_shards(self) -> int:
        return self._inner.n_shards

    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        self.calls[shard] += 1
        if shard in self.faults:
            raise self.faults[shard]
        return await self._inner.call(shard, method, payload, timeout_s)


class Mixed:
    """Shards in memory, a port to them and a mixer."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.engines = [
            Engine(MemoryStore(), settings.engine, KEYS[shard])
            for shard in range(settings.shards.count)
        ]
        self.shards = [Shard(shard, settings, engine) for shard, engine in enumerate(self.engines)]
        self.port: Away = Away(self.shards)
        self.notices = list[str]()
        self.mixer = self.another_mixer()

    def another_mixer(self) -> MixerAtWork:
        return MixerAtWork(self.port, self.settings.engine.mix, self.notices.append)

    async def like(self, shard: int, *item_ids: str, n: int = 1) -> None:
        """Have people of a shard like items, one after the other, each ``n`` times."""
        for _ in range(n):
            user_id = self._somebody(shard)
            likes = [
                Feedback(
                    event_id=f"e{next(_numbers)}", user_id=user_id, ts_ms=now_ms(),
                    type="click", item_id=item_id,
                )
                for item_id in item_ids
            ]  # fmt: skip
            await self.shards[shard].call("append", batch(*likes))

    def _somebody(self, shard: int) -> str:
        owned = self.shards[shard].territory
        names = (f"person-{number}" for number in _numbers)
        return next(name for name in names if _is_of(owned, name))

    async def rounds(self, n: int = 1) -> None:
        for _ in range(n):
            for shard in range(len(self.shards)):
                if shard not in self.port.faults:
                    await self.mixer.round(shard)

    def liked(self, shard: int, item_id: str) -> float:
        state = self.engines[shard].state
        item = state.catalogue.index(item_id)
        return 0.0 if item is None else float(state.counts.liked[item])


def _is_of(territory: object, user_id: str) -> bool:
    try:
        territory.check(user_id)  # type: ignore[attr-defined]
    except Exception:
        return False
    return True


@asynccontextmanager
async def mixed(shards: int = 3, mix: MixSettings | None = None) -> AsyncIterator[Mixed]:
    running = Mixed(settings_of(shards, mix))
    for shard in running.shards:
        await shard.start()
    try:
        yield running
    finally:
        await running.mixer.stop()
        for shard in running.shards:
            await shard.stop()
