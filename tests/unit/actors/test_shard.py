import asyncio
import re
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec
import pytest
from typing_extensions import override

from actors.errors import Overloaded, ShardUnavailable
from actors.messages import (
    Appended,
    LogAfter,
    LogPart,
    Lookup,
    ShardStats,
    decode,
    encode,
)
from actors.settings import ServerSettings
from recsys.candidates.nearest import Index
from recsys.clock import now_ms
from recsys.decision import Request
from recsys.engine import Capture, Engine
from recsys.errors import InvalidEvent, StoreError
from recsys.events import Decision, ItemUpsert
from recsys.settings import CatalogueSettings, EngineSettings
from recsys.store.base import Outcome
from recsys.views import UserView
from tests.servers import SETTINGS, GatedStore, engine_on
from tests.shards import Tally, batch, click, question, running, shown, shown_of, with_store


async def test_recommend_answers_and_logs_the_decision() -> None:
    engine = Engine.open(None, SETTINGS.engine)
    async with running(engine) as shard:
        await shard.call("append", batch(*(click(n, "bob") for n in range(5))))
        answer = shown(await shard.call("recommend", question(1)))
        found = decode(await shard.call("decision", encode(Lookup(id="d1"))), Decision)
        assert shown_of(found) == answer
        assert len(found.slots) == 3
    assert engine.stats().arms[found.policy].shown == 3


async def test_a_recommendation_does_not_wait_for_the_disk() -> None:
    store = GatedStore()
    async with running(engine_on(store)) as shard:
        waiting = asyncio.create_task(shard.call("append", batch(click(1))))
        assert await asyncio.to_thread(store.entered.wait, 10)
        answer = shown(await shard.call("recommend", question(1)))
        assert not waiting.done()
        found = decode(await shard.call("decision", encode(Lookup(id="d1"))), Decision)
        assert shown_of(found) == answer
        assert decode(await shard.call("stats", encode(None)), ShardStats).queue == 2
        store.gate.set()
        await waiting


async def test_decisions_count_in_the_bound_of_the_queue() -> None:
    store = GatedStore()
    tally = Tally()
    settings = with_store(queue_events=2)
    async with running(engine_on(store, settings), settings, tally) as shard:
        waiting = asyncio.create_task(shard.call("append", batch(click(1))))
        assert await asyncio.to_thread(store.entered.wait, 10)
        await shard.call("recommend", question(1))
        with pytest.raises(Overloaded):
            await shard.call("recommend", question(2))
        with pytest.raises(Overloaded):
            await shard.call("append", batch(click(2)))
        assert tally.told.count(("rejected", "overloaded", 1)) == 2
        store.gate.set()
        await waiting


async def test_a_list_is_counted_and_queued_when_it_is_settled() -> None:
    tally = Tally()
    async with running(Engine.open(None, SETTINGS.engine), observer=tally) as shard:
        assert shard.at_once("recommend", question(1)) is not None
        assert (shard.stats().queue, tally.told) == (0, [])
        shard.settle()
        assert shard.stats().queue == 1
        assert [word for word, *_ in tally.told] == ["recommend"]
        shard.settle()
        assert shard.stats().queue == 1


async def test_lists_that_are_not_queued_yet_count_in_the_bound_of_the_queue() -> None:
    settings = with_store(queue_events=2)
    async with running(Engine.open(None, settings.engine), settings) as shard:
        shard.at_once("recommend", question(1))
        shard.at_once("recommend", question(2))
        with pytest.raises(Overloaded):
            shard.at_once("recommend", question(3))
        shard.settle()
        assert shard.stats().queue == 2


async def test_one_bad_event_refuses_the_whole_batch() -> None:
    engine = Engine.open(None, SETTINGS.engine)
    tally = Tally()
    async with running(engine, observer=tally) as shard:
        bad = msgspec.structs.replace(click(2), value=float("nan"))
        with pytest.raises(InvalidEvent) as caught:
            await shard.call("append", batch(click(1), bad))
        assert caught.value.pointer == "/events/1/value"
        assert engine.stats().sequence == 0
        assert tally.told == [("rejected", "invalid", 2)]


async def test_an_item_without_room_is_refused() -> None:
    settings = ServerSettings(engine=EngineSettings(catalogue=CatalogueSettings(max_items=1)))
    async with running(Engine.open(None, settings.engine), settings) as shard:
        await shard.call("append", batch(ItemUpsert(event_id="a", ts_ms=1, item_id="a")))
        with pytest.raises(InvalidEvent, match="full"):
            await shard.call("append", batch(ItemUpsert(event_id="b", ts_ms=2, item_id="b")))


async def test_an_empty_batch_is_answered_at_once() -> None:
    async with running(Engine.open(None, SETTINGS.engine)) as shard:
        assert decode(await shard.call("append", batch()), Appended) == Appended(results=())


async def test_a_request_that_breaks_a_limit_is_refused() -> None:
    async with running(Engine.open(None, SETTINGS.engine)) as shard:
        bad = encode(Request(user_id="ann", ts_ms=now_ms(), decision_id="d1", n=0))
        with pytest.raises(InvalidEvent, match="/n"):
            await shard.call("recommend", bad)


async def test_users_and_decisions_that_are_not_there_are_nil() -> None:
    async with running(Engine.open(None, SETTINGS.engine)) as shard:
        assert msgspec.msgpack.decode(await shard.call("user", encode(Lookup(id="ann")))) is None
        nobody = await shard.call("decision", encode(Lookup(id="d1")))
        assert msgspec.msgpack.decode(nobody) is None
        await shard.call("append", batch(click(1)))
        ann = decode(await shard.call("user", encode(Lookup(id="ann"))), UserView)
        assert ann.events == 1


async def test_stats_say_what_was_learned_and_how_fast() -> None:
    async with running(Engine.open(None, SETTINGS.engine)) as shard:
        before = decode(await shard.call("stats", encode(None)), ShardStats)
        assert before.freshness_p50_ms is None
        await shard.call("append", batch(*(click(n) for n in range(20))))
        stats = decode(await shard.call("stats", encode(None)), ShardStats)
        assert (stats.shard, stats.epoch, stats.partitions) == (0, 7, 32)
        assert (stats.engine.sequence, stats.queue) == (20, 0)
        assert stats.freshness_p50_ms is not None
        assert stats.freshness_p99_ms is not None
        assert 0 <= stats.freshness_p50_ms <= stats.freshness_p99_ms < 10_000


async def test_snapshots_are_taken_regularly_when_something_changed() -> None:
    settings = with_store(snapshot_every_s=0.02)
    tally = Tally()
    engine = Engine.open(None, settings.engine)
    async with running(engine, settings, tally) as shard:
        await shard.call("append", batch(click(1)))
        await asyncio.wait_for(tally.snapshot.wait(), 20)
        assert engine.stats().snapshot_sequence == 1


def indexing() -> ServerSettings:
    """Return settings under which any item is one too many to be searched one by one."""
    candidates = {"factors": {"exact_up_to": 0}}
    store = {"snapshot_every_s": 0.02}
    return ServerSettings(
        engine=EngineSettings.model_validate({"candidates": candidates, "store": store})
    )


async def test_items_of_a_large_catalogue_are_indexed_beside_the_rest() -> None:
    class Indexed(Engine):
        made: asyncio.Event

        @override
        def indexed(self, index: Index) -> None:
            super().indexed(index)
            self.made.set()

    settings = indexing()
    engine = Indexed.open(None, settings.engine)
    engine.made = asyncio.Event()
    async with running(engine, settings) as shard:
        await shard.call("append", batch(*(click(n, "bob") for n in range(5))))
        await asyncio.wait_for(engine.made.wait(), 20)
        assert engine.to_index() is None
        answer = shown(await shard.call("recommend", question(1)))
        assert answer.items


@pytest.mark.parametrize("where", ["actors.indexer.Index", "recsys.engine.Engine.to_index"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            ModuleNotFoundError("No module named 'faiss'"),
            r"needs Faiss \(.*'faiss'\).*'recsys\[ann\]'",
        ),
        (MemoryError(), "shard 0: no index until it is started again"),
    ],
    ids=["no Faiss", "no memory"],
)
async def test_without_an_index_snapshots_go_on(
    where: str,
    fault: Exception,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(_: object) -> None:
        raise fault

    monkeypatch.setattr(where, refuse)
    settings = indexing()
    tally = Tally()
    async with running(Engine.open(None, settings.engine), settings, tally) as shard:
        for number in range(4):
            tally.snapshot.clear()
            await shard.call("append", batch(click(number)))
            await asyncio.wait_for(tally.snapshot.wait(), 20)
    (line,) = [record.getMessage() for record in caplog.records]
    assert re.search(words, line)


@pytest.mark.parametrize("fault", [StoreError("the disk is full"), RuntimeError("save failed")])
async def test_a_snapshot_that_fails_is_tried_again(fault: Exception) -> None:
    class Refusing(Engine):
        failures = 1

        @override
        def committing(self, capture: Capture) -> Iterator[None]:
            if self.failures:
                self.failures -= 1
                raise fault
            yield from super().committing(capture)

    settings = with_store(snapshot_every_s=0.02)
    tally = Tally()
    engine = Refusing.open(None, settings.engine)
    async with running(engine, settings, tally) as shard:
        await shard.call("append", batch(click(1)))
        await asyncio.wait_for(tally.snapshot.wait(), 20)
        assert engine.failures == 0
        assert engine.stats().snapshot_sequence == 1


async def test_a_snapshot_that_fails_does_not_keep_the_engine_open() -> None:
    class Refusing(Engine):
        closed = False

        @override
        def capturing(self) -> Generator[None, None, Capture]:
            raise RuntimeError("save failed")

        @override
        def close(self) -> None:
            self.closed = True
            super().close()

    engine = Refusing.open(None, SETTINGS.engine)
    async with running(engine) as shard:
        await shard.call("append", batch(click(1)))
    assert engine.closed


async def test_questions_pass_while_a_snapshot_is_taken_and_events_wait() -> None:
    class Slow(Engine):
        begun = asyncio.Event()
        go = asyncio.Event()

        @override
        def capturing(self) -> Generator[None, None, Capture]:
            self.begun.set()
            while not self.go.is_set():
                yield
            return (yield from super().capturing())

    settings = with_store(snapshot_every_s=0.02)
    tally = Tally()
    engine = Slow.open(None, settings.engine)
    async with running(engine, settings, tally) as shard, asyncio.timeout(20):
        await shard.call("append", batch(click(1)))
        await engine.begun.wait()
        waiting = asyncio.create_task(shard.call("append", batch(click(2))))
        for number in range(5):
            assert shown(await shard.call("recommend", question(number)))
        assert engine.stats().sequence == 1
        assert not waiting.done()
        engine.go.set()
        assert decode(await waiting, Appended).results[0].outcome is Outcome.ACCEPTED
        await tally.snapshot.wait()
        assert engine.stats().snapshot_sequence == 1


async def test_stop_drains_snapshots_and_closes(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path, SETTINGS.engine)
    async with running(engine) as shard:
        await shard.call("append", batch(*(click(n) for n in range(5))))
        await shard.call("recommend", question(1))
    await shard.stop()
    with pytest.raises(ShardUnavailable, match="stopping"):
        await shard.call("stats", encode(None))
    again = Engine.open(tmp_path, SETTINGS.engine)
    stats = again.stats()
    assert stats.sequence == stats.snapshot_sequence == 6
    assert again.decision("d1") is not None
    again.close()


async def test_stop_leaves_no_thread_behind() -> None:
    async with running(Engine.open(None, SETTINGS.engine)) as shard:
        await shard.call("append", batch(click(1)))
        assert any(thread.name.startswith("shard-0-store") for thread in threading.enumerate())
    assert not any(thread.name.startswith("shard-0-store") for thread in threading.enumerate())


async def test_the_observer_hears_of_everything() -> None:
    tally = Tally()
    async with running(Engine.open(None, SETTINGS.engine), observer=tally) as shard:
        await shard.call("append", batch(click(1), click(2)))
        await shard.call("recommend", question(1))
    assert tally.told[:2] == [("commit", 2), ("folded", 2)]
    assert tally.told[2][0] == "recommend"
    assert tally.told[2][2] is False
    assert tally.told[3] == ("commit", 1)
    assert tally.snapshot.is_set()


async def test_the_log_is_read_in_parts_while_it_grows() -> None:
    async with running(Engine.open(None, SETTINGS.engine)) as shard:

        async def part(after: int, events: int) -> list[tuple[int, str]]:
            payload = encode(LogAfter(sequence=after, events=events))
            read = decode(await shard.call("log", payload), LogPart)
            return [(sequence, event.event_id) for sequence, event in read.events]

        assert await part(0, 2) == []
        await shard.call("append", batch(*(click(n) for n in range(3))))
        assert await part(0, 2) == [(1, "e0"), (2, "e1")]
        assert await part(2, 2) == [(3, "e2")]
        await shard.call("append", batch(click(3)))
        assert await part(3, 2) == [(4, "e3")]
        assert await part(4, 2) == []
