"""A running shard in which too much fails in a row goes back once, and serves on if it must."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx2
import pytest

from actors.gateway import build_app
from actors.messages import Appended, Batch, decode, encode
from actors.ports import LocalPort
from actors.shard import Shard
from recsys.engine import Engine
from recsys.events import Event
from recsys.features.counts import ItemCounts
from tests.engines import feedback, items
from tests.poison import POISON, breaking
from tests.unit.actors.test_shard_poison import QUICK, Resets, ask, patiently


@asynccontextmanager
async def running(told: Resets) -> AsyncIterator[tuple[Shard, Engine]]:
    engine = Engine.open(None, QUICK.engine)
    engine.apply(items(60))
    engine.snapshot()
    shard = Shard(0, QUICK, engine, observer=told)
    await shard.start()
    try:
        yield shard, engine
    finally:
        await shard.stop()


async def send(shard: Shard, *events: Event) -> Appended:
    batch = encode(Batch(events=events, received_ms=50_000_000))
    return decode(await patiently(lambda: shard.call("append", batch)), Appended)


def likes(users: Sequence[str], item_id: str = "i7") -> list[Event]:
    return [feedback(user_id, item_id, 50_000_000) for user_id in users]


async def until(told: asyncio.Event) -> None:
    async with asyncio.timeout(30):
        await told.wait()


async def test_a_shard_that_was_broken_goes_back_while_it_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Resets()
    with breaking():
        async with running(told) as (shard, engine):
            await send(shard, *likes(["ann"]), *likes(["eve"], POISON), *likes(["bob", "cat"]))
            await until(told.reset)
            (sentence,) = shard.trouble()
            assert sentence.startswith("three times in a row failed the learning of feedback; it")
            assert "without 1 events" in sentence
            await patiently(lambda: shard.call("append", encode(Batch((), 0))))
            stats = engine.stats()
            assert (stats.failed, stats.quarantined, stats.feedback) == (0, 1, {"click": 3})
            await send(shard, *likes(["dan"]))
            assert engine.stats().feedback == {"click": 4}
            async with asyncio.timeout(30):
                while shard.trouble():
                    await told.snapshot.wait()
                    told.snapshot.clear()
            assert len((await ask(shard, 1)).items) == 3
    assert told.events == [1]
    assert "shard 0: three times in a row failed the learning of feedback" in caplog.text


async def test_where_it_does_not_help_the_shard_says_so_and_serves_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = Resets()

    def fail(*_: object) -> None:
        raise ValueError("no luck")

    monkeypatch.setattr(ItemCounts, "like", fail)
    async with running(told) as (shard, engine):
        await send(shard, *likes([f"u{number}" for number in range(12)]))
        async with asyncio.timeout(30):
            while not any("does not help" in sentence for sentence in shard.trouble()):
                told.snapshot.clear()
                await told.snapshot.wait()
        for number in range(5):
            told.snapshot.clear()
            await send(shard, *likes([f"v{number}"]))
            await until(told.snapshot)
        assert len((await ask(shard, 1)).items) == 3
        stats = engine.stats()
        assert (stats.failed, stats.quarantined) == (17, 0)
        (sentence,) = shard.trouble()
        assert sentence.startswith("the learning of feedback fails again and again")
    assert told.events == []
    assert caplog.text.count("three times in a row failed") == 1
    assert caplog.text.count("the model cannot be mended") == 1


async def test_lists_that_cannot_be_made_are_500_and_the_shard_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Resets()
    async with running(told) as (shard, engine):
        del engine.state.pool  # a fault of memory: nothing in the log says so
        transport = httpx2.ASGITransport(
            app=build_app(LocalPort([shard]), QUICK), raise_app_exceptions=False
        )
        async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
            for number in range(3):
                answer = await client.post("/v1/recommend", json={"user_id": f"u{number}"})
                assert (answer.status_code, answer.json()["type"]) == (
                    500,
                    "urn:recsys:problem:internal",
                )
                assert "pool" not in answer.text
            await until(told.reset)
            assert len((await ask(shard, 1)).items) == 3
            answer = await client.post("/v1/recommend", json={"user_id": "u1"})
            assert answer.status_code == 200
    assert told.events == [0]


async def test_a_snapshot_waits_for_what_a_failure_means_but_not_for_ever() -> None:
    told = Resets()
    with breaking():
        async with running(told) as (shard, engine):
            (append,) = (await send(shard, *likes(["eve"], POISON))).results
            assert engine.stats().snapshot_sequence == 60
            rounds: list[bool] = []
            healer = shard._upkeep.healer  # noqa: SLF001
            forbids = healer.forbids

            async def counted() -> bool:
                rounds.append(await forbids())
                return rounds[-1]

            healer.forbids = counted  # type: ignore[method-assign]
            await until(told.snapshot)
            assert engine.stats().snapshot_sequence == append.sequence
            assert len(rounds) <= 4
            assert rounds[-1] is False
    assert told.events == []


async def test_a_stopping_shard_leaves_it_to_the_next_opening() -> None:
    told = Resets()
    with breaking():
        async with running(told) as (shard, engine):
            await send(shard, *likes(["eve"], POISON), *likes(["bob"]))
            await shard.stop()
            assert engine.stats().snapshot_sequence == 60
