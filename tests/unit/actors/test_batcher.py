import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from actors.batcher import Batcher, Ledger
from actors.errors import Overloaded, ShardUnavailable
from actors.observer import Silent
from recsys.clock import now_ms
from recsys.engine import Engine
from recsys.errors import FlushFailed, StoreError
from recsys.events import Decision, Event, Feedback, Slot
from recsys.settings import StoreSettings
from recsys.store.base import Append, Outcome
from tests.servers import GatedStore, engine_on


def click(n: int, user_id: str = "ann") -> Feedback:
    return Feedback(
        event_id=f"e{n}", user_id=user_id, ts_ms=now_ms(), type="click", item_id=f"i{n}"
    )


def shown(n: int) -> Decision:
    return Decision(
        event_id=f"d{n}",
        user_id="ann",
        ts_ms=now_ms(),
        slots=(Slot(item_id="i1", propensity=1.0),),
        policy="learner",
    )


def never_doomed(error: FlushFailed) -> None:
    raise AssertionError(error)


@asynccontextmanager
async def running(
    ledger: Ledger, *, queue_events: int = 100, commit_events: int = 10
) -> AsyncIterator[Batcher]:
    settings = StoreSettings(queue_events=queue_events, commit_events=commit_events)
    with ThreadPoolExecutor(1) as executor:
        batcher = Batcher(3, ledger, executor, settings, Silent(), never_doomed)
        batcher.start()
        try:
            yield batcher
        finally:
            await batcher.stop()


async def gather_behind_the_gate(
    batcher: Batcher, store: GatedStore, groups: Sequence[Sequence[Event]]
) -> list["asyncio.Task[list[Append]]"]:
    """Submit the first group, wait until its append is at the gate, then submit the others."""
    first = asyncio.create_task(batcher.submit(groups[0], now_ms()))
    assert await asyncio.to_thread(store.entered.wait, 10)
    others = [asyncio.create_task(batcher.submit(group, now_ms())) for group in groups[1:]]
    await asyncio.sleep(0)
    return [first, *others]


async def test_an_event_is_acknowledged_only_when_it_is_durable() -> None:
    store = GatedStore()
    async with running(engine_on(store)) as batcher:
        (task,) = await gather_behind_the_gate(batcher, store, [[click(1)]])
        assert not task.done()
        assert store.last_sequence == 0
        store.gate.set()
        assert await task == [Append(Outcome.ACCEPTED, 1)]
        assert store.last_sequence == 1


async def test_an_acknowledged_event_is_learned() -> None:
    store = GatedStore()
    store.gate.set()
    engine = engine_on(store)
    async with running(engine) as batcher:
        await batcher.submit([click(1)], now_ms())
        assert engine.stats().sequence == 1


async def test_what_waits_shares_one_commit() -> None:
    store = GatedStore()
    async with running(engine_on(store)) as batcher:
        tasks = await gather_behind_the_gate(batcher, store, [[click(n)] for n in range(5)])
        store.gate.set()
        results = await asyncio.gather(*tasks)
        assert [result[0].sequence for result in results] == [1, 2, 3, 4, 5]
        assert store.commits == [1, 4]


async def test_a_commit_is_bounded_but_no_group_is_split() -> None:
    store = GatedStore()
    groups = [[click(0)], *([click(10 * k + n) for n in range(6)] for k in range(1, 4))]
    async with running(engine_on(store), commit_events=10) as batcher:
        tasks = await gather_behind_the_gate(batcher, store, groups)
        store.gate.set()
        await asyncio.gather(*tasks)
        assert store.commits == [1, 12, 6]


async def test_the_queue_is_bounded() -> None:
    store = GatedStore()
    async with running(engine_on(store), queue_events=3) as batcher:
        tasks = await gather_behind_the_gate(batcher, store, [[click(1)], [click(2)]])
        batcher.offer(shown(1))
        assert batcher.waiting == 3
        with pytest.raises(Overloaded):
            await batcher.submit([click(3)], now_ms())
        store.gate.set()
        await asyncio.gather(*tasks)
        assert (await batcher.submit([click(3)], now_ms()))[0].outcome is Outcome.ACCEPTED


async def test_a_group_larger_than_the_queue_passes_when_the_queue_is_empty() -> None:
    store = GatedStore()
    store.gate.set()
    async with running(engine_on(store), queue_events=3) as batcher:
        results = await batcher.submit([click(n) for n in range(5)], now_ms())
        assert len(results) == 5


async def test_a_decision_is_found_until_it_is_durable() -> None:
    store = GatedStore()
    engine = engine_on(store)
    async with running(engine) as batcher:
        (task,) = await gather_behind_the_gate(batcher, store, [[click(1)]])
        decision = shown(1)
        batcher.offer(decision)
        assert batcher.find("d1") is decision
        store.gate.set()
        await batcher.submit([click(2)], now_ms())
        await task
        assert batcher.find("d1") is None
        assert engine.decision("d1") == decision


@pytest.mark.parametrize("fault", [StoreError("the disk is full"), OSError("surprise")])
async def test_a_failed_commit_is_told_and_the_next_one_works(fault: Exception) -> None:
    store = GatedStore()
    store.gate.set()
    store.fault = fault
    engine = engine_on(store)
    async with running(engine) as batcher:
        batcher.offer(shown(1))
        with pytest.raises(ShardUnavailable, match="shard 3"):
            await batcher.submit([click(1)], now_ms())
        assert engine.stats().sequence == 0
        assert batcher.waiting == 0
        store.fault = None
        assert await batcher.submit([click(1)], now_ms()) == [Append(Outcome.ACCEPTED, 1)]


async def test_a_full_disk_is_logged_once_and_its_end_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = GatedStore()
    store.gate.set()
    store.fault = StoreError("the disk is full")
    caplog.set_level("INFO")
    async with running(engine_on(store)) as batcher:
        for n in range(3):
            with pytest.raises(ShardUnavailable):
                await batcher.submit([click(n)], now_ms())
        store.fault = None
        for n in range(3):
            await batcher.submit([click(n)], now_ms())
    assert [record.getMessage() for record in caplog.records] == [
        "shard 3: events are not written: the disk is full",
        "shard 3: events are written again",
    ]


async def test_whoever_stops_waiting_does_not_take_the_events_back() -> None:
    store = GatedStore()
    async with running(engine_on(store)) as batcher:
        tasks = await gather_behind_the_gate(batcher, store, [[click(1)], [click(2)]])
        for task in tasks:
            task.cancel()
        store.gate.set()
        await batcher.submit([click(3)], now_ms())
    assert store.last_sequence == 3


async def test_stop_writes_and_learns_what_waits_and_takes_nothing_more() -> None:
    store = GatedStore()
    engine = engine_on(store)
    async with running(engine, commit_events=2) as batcher:
        tasks = await gather_behind_the_gate(batcher, store, [[click(n)] for n in range(7)])
        stopping = asyncio.create_task(batcher.stop())
        await asyncio.sleep(0)
        with pytest.raises(ShardUnavailable, match="stopping"):
            await batcher.submit([click(8)], now_ms())
        store.gate.set()
        await stopping
        assert all(task.done() for task in tasks)
    assert store.last_sequence == engine.stats().sequence == 7


async def test_duplicates_are_answered_but_count_neither_as_learned_nor_as_fresh() -> None:
    store = GatedStore()
    store.gate.set()
    engine = engine_on(store)
    async with running(engine) as batcher:
        event = click(1)
        await batcher.submit([event], now_ms() - 40)
        first = batcher.freshness_ms.quantile(1.0)
        again = await batcher.submit([event], now_ms() - 90_000)
        assert again == [Append(Outcome.DUPLICATE, 1)]
        assert batcher.freshness_ms.quantile(1.0) == first
        assert first is not None
        assert 40 <= first < 10_000


class SlowLearner:
    """Takes a while for each event, as a heavy model does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.lessons = 0

    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        return self._engine.append(events, positions)

    def folding(self, events: Sequence[Event], appends: Sequence[Append]) -> Iterator[None]:
        time.sleep(0.004)
        self.lessons += 1
        return self._engine.folding(events, appends)


async def test_a_long_lesson_lets_others_pass() -> None:
    store = GatedStore()
    store.gate.set()
    ledger = SlowLearner(engine_on(store))
    async with running(ledger) as batcher:
        lesson = asyncio.create_task(batcher.submit([click(n) for n in range(20)], now_ms()))
        seen: set[int] = set()
        while not lesson.done():
            seen.add(ledger.lessons)
            await asyncio.sleep(0)
        # Between any two events somebody else had a turn.
        assert seen >= set(range(ledger.lessons))
        assert ledger.lessons == 20


async def test_a_lesson_of_many_steps_lets_others_pass_between_them() -> None:
    class Thorough(SlowLearner):
        @override
        def folding(self, events: Sequence[Event], appends: Sequence[Append]) -> Iterator[None]:
            for _ in range(5):
                yield from super().folding((), ())
                yield
            self._engine.fold(events, appends)

    store = GatedStore()
    store.gate.set()
    ledger = Thorough(engine_on(store))
    async with running(ledger) as batcher:
        lesson = asyncio.create_task(batcher.submit([click(1)], now_ms()))
        seen, held = set[int](), set[bool]()
        while not lesson.done():
            seen.add(ledger.lessons)
            if 0 < ledger.lessons < 5:
                # Nobody may take the state for one between two events.
                held.add(batcher.learning.locked())
            await asyncio.sleep(0)
        assert seen >= set(range(6))
        assert held == {True}


async def test_a_fault_of_the_learner_does_not_deny_what_is_durable() -> None:
    class Broken(SlowLearner):
        @override
        def folding(self, events: Sequence[Event], appends: Sequence[Append]) -> Iterator[None]:
            raise RuntimeError("the model is broken")

    store = GatedStore()
    store.gate.set()
    async with running(Broken(engine_on(store))) as batcher:
        assert await batcher.submit([click(1)], now_ms()) == [Append(Outcome.ACCEPTED, 1)]
        assert await batcher.submit([click(2)], now_ms()) == [Append(Outcome.ACCEPTED, 2)]


async def test_positions_are_written_with_their_group_and_not_without_it() -> None:
    store = GatedStore()
    async with running(engine_on(store)) as batcher:
        first = asyncio.create_task(batcher.submit([click(0)], now_ms(), {"t-0": 1, "t-1": 4}))
        assert await asyncio.to_thread(store.entered.wait, 10)
        second = asyncio.create_task(batcher.submit([], now_ms(), {"t-0": 2}))
        third = asyncio.create_task(batcher.submit([click(1)], now_ms(), {"t-0": 3}))
        await asyncio.sleep(0)
        store.gate.set()
        assert [len(appends) for appends in await asyncio.gather(first, second, third)] == [1, 0, 1]
        assert store.positions() == {"t-0": 3, "t-1": 4}
        store.fault = StoreError("the disk is full")
        with pytest.raises(ShardUnavailable):
            await batcher.submit([click(2)], now_ms(), {"t-0": 4})
        assert store.positions() == {"t-0": 3, "t-1": 4}
        store.fault = None


async def test_who_can_wait_is_let_in_when_there_is_room() -> None:
    store = GatedStore()
    async with running(engine_on(store), queue_events=3) as batcher:
        await batcher.room_for(5)  # more than the queue ever holds passes when it is empty
        tasks = await gather_behind_the_gate(batcher, store, [[click(0)], [click(1), click(2)]])
        waiting = asyncio.create_task(batcher.room_for(1))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        store.gate.set()
        await waiting
        await asyncio.gather(*tasks)
        assert batcher.waiting == 0


async def test_a_batcher_that_had_nothing_to_do_goes_on_after_a_stop() -> None:
    store = GatedStore()
    store.gate.set()
    async with running(engine_on(store)) as batcher, asyncio.timeout(20):
        for _ in range(2):
            await batcher.stop()
            batcher.resume()
        assert await batcher.submit([click(1)], now_ms()) == [Append(Outcome.ACCEPTED, 1)]
