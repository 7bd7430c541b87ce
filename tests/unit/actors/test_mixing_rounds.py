"""A round of mixing: all shards are asked before any is told, and none waits long for another."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from typing_extensions import override

from actors.messages import Method
from actors.mix_calls import Learn, MixCall, See
from actors.shard import Shard
from recsys.mixing.settings import MixSettings
from tests.mixers import Away, Mixed, mixed


class Held(Away):
    """Holds back what one shard says of its people.

    Attributes
    ----------
    held
        The shard.
    go_on
        Set when it may say it.
    waits
        Set when it has been asked since.
    told
        Lessons that were on their way to any shard while it waited.
    """

    held = 1

    def __init__(self, shards: Sequence[Shard]) -> None:
        super().__init__(shards)
        self.go_on = asyncio.Event()
        self.waits = asyncio.Event()
        self.told = asyncio.Event()

    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        what = msgspec.msgpack.decode(payload, type=MixCall)
        if isinstance(what, See) and shard == self.held:
            self.waits.set()
            await self.go_on.wait()
        if isinstance(what, Learn) and self.waits.is_set():
            self.told.set()
        return await super().call(shard, method, payload, timeout_s)


@asynccontextmanager
async def held_back() -> AsyncIterator[tuple[Mixed, Held]]:
    """Mix three shards, of which 0 and 1 have news; 1 keeps its own to itself."""
    async with mixed(3, MixSettings(every_s=0.01)) as server, asyncio.timeout(60):
        await server.rounds()
        await server.like(0, "a")
        await server.like(1, "b")
        port = Held(server.shards)
        server.port = port
        server.mixer = server.another_mixer()
        server.mixer.start()
        await port.waits.wait()
        yield server, port
        port.go_on.set()


async def test_all_are_asked_before_anybody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.mixer._PATIENCE_S", 60.0)
    async with held_back() as (server, port):
        # Whatever the others do as long as one of them has not answered.
        for _ in range(200):
            await asyncio.sleep(0)
        assert not port.told.is_set()
        port.go_on.set()
        await port.told.wait()
        while server.liked(2, "a") + server.liked(2, "b") < 2.0:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_one_that_does_not_answer_keeps_the_others_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.mixer._PATIENCE_S", 0.001)
    async with held_back() as (server, _):
        while server.liked(2, "a") < 1.0:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.001)
        assert server.liked(2, "b") == 0.0
