"""When a shard takes a snapshot: when there is much to learn again, or something waits for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from actors.batcher import Batcher
from actors.observer import Silent
from actors.upkeep import Upkeep
from recsys.clock import now_ms
from recsys.engine import Engine
from recsys.errors import FlushFailed
from recsys.events import Feedback, UserErase
from recsys.settings import StoreSettings

T = TypeVar("T")

SELDOM = StoreSettings(snapshot_every_s=3600.0, snapshot_events=3)


def never_doomed(error: FlushFailed) -> None:
    raise AssertionError(error)


@asynccontextmanager
async def upkeep_of(engine: Engine, settings: StoreSettings) -> AsyncIterator[Upkeep]:
    with ThreadPoolExecutor(1) as executor:

        async def blocking(work: Callable[[], T]) -> T:
            return await asyncio.get_running_loop().run_in_executor(executor, work)

        batcher = Batcher(0, engine, executor, settings, Silent(), never_doomed)
        yield Upkeep(
            0, engine, settings, batcher, Silent(), blocking, asyncio.Event(), never_doomed
        )
        engine.close()


def click(engine: Engine, n: int) -> None:
    event = Feedback(event_id=f"e{n}", user_id="ann", ts_ms=now_ms(), type="click", item_id=f"i{n}")
    engine.apply([event])


async def test_a_few_events_wait_for_others() -> None:
    engine = Engine.open(None)
    async with upkeep_of(engine, SELDOM) as upkeep:
        taken = list[int]()
        for n in range(7):
            click(engine, n)
            await upkeep.round()
            taken.append(engine.stats().snapshot_sequence)
    assert taken == [0, 0, 3, 3, 3, 6, 6]


async def test_a_few_events_do_not_wait_longer_than_is_set() -> None:
    engine = Engine.open(None)
    soon = StoreSettings(snapshot_every_s=1e-9, snapshot_events=1000)
    async with upkeep_of(engine, soon) as upkeep:
        click(engine, 1)
        await upkeep.round()
        await upkeep.round()
        assert engine.stats().snapshot_sequence == 1


async def test_whoever_was_erased_does_not_wait() -> None:
    engine = Engine.open(None)
    async with upkeep_of(engine, SELDOM) as upkeep:
        click(engine, 1)
        engine.apply([UserErase(event_id="r1", user_id="ann", ts_ms=now_ms())])
        await upkeep.round()
        assert engine.stats().snapshot_sequence == 2
        assert not engine.erasures.pending


async def test_what_is_wrong_does_not_wait() -> None:
    engine = Engine.open(None)
    async with upkeep_of(engine, SELDOM) as upkeep:
        click(engine, 1)
        upkeep.hurry()
        await upkeep.round()
        assert engine.stats().snapshot_sequence == 1
        click(engine, 2)
        await upkeep.round()
        assert engine.stats().snapshot_sequence == 1


async def test_whoever_stops_takes_one_of_the_least() -> None:
    engine = Engine.open(None)
    async with upkeep_of(engine, SELDOM) as upkeep:
        click(engine, 1)
        await upkeep.snapshot()
        assert engine.stats().snapshot_sequence == 1
