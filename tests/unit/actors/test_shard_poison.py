"""A running shard whose model is not finite any more goes back to its last good snapshot."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import pytest
from typing_extensions import override

from actors.errors import ShardUnavailable
from actors.messages import Appended, Batch, ShardStats, ShownList, decode, encode
from actors.observer import Silent
from actors.settings import ServerSettings
from actors.shard import Shard
from recsys.decision import Request
from recsys.engine import Engine
from recsys.errors import NonFinite, StoreError
from recsys.events import Feedback
from tests.engines import items, request
from tests.poison import choose, faulty, live
from tests.servers import SETTINGS
from tests.shards import shown

T = TypeVar("T")

QUICK = ServerSettings.model_validate(
    {
        "shards": {"count": 1},
        "engine": {**SETTINGS.engine.model_dump(), "store": {"snapshot_every_s": 0.05}},
    }
)


class Resets(Silent):
    """Remembers resets and snapshots."""

    def __init__(self) -> None:
        self.events: list[int] = []
        self.reset = asyncio.Event()
        self.snapshot = asyncio.Event()

    @override
    def on_reset(self, events: int) -> None:
        self.events.append(events)
        self.reset.set()

    @override
    def on_snapshot(self, seconds: float) -> None:
        self.snapshot.set()


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Ask again while the shard says that it is mending itself, as a client does."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await call()
            except ShardUnavailable as error:
                if error.reason != "it goes back to its last good snapshot":
                    raise
                await asyncio.sleep(0.01)


async def ask(shard: Shard, number: int) -> ShownList:
    asked = Request(user_id="u1", ts_ms=99_000_000, decision_id=f"q{number}", n=3, arm="learner")
    return shown(await patiently(lambda: shard.call("recommend", encode(asked))))


async def test_a_poisonous_event_is_taken_out_while_it_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with faulty():
        engine = Engine.open(None, QUICK.engine)
        engine.apply(items(60))
        live(engine, 4)
        engine.snapshot()
        told = Resets()
        shard = Shard(0, QUICK, engine, observer=told)
        await shard.start()
        given = msgspec.structs.replace(
            request("u1", "given", 50_000_000, n=2), candidates=("i13", "i5"), arm="learner"
        )
        decision = engine.recommend(given).decision
        click = feedback_on(decision.event_id)
        batch = encode(Batch(events=(decision, click), received_ms=50_000_000))
        appended = decode(await patiently(lambda: shard.call("append", batch)), Appended)
        async with asyncio.timeout(30):
            await told.reset.wait()
        assert told.events == [1]
        assert not (await ask(shard, 1)).degraded
        assert "shard 0: the model is not finite" in caplog.text
        assert "back at its last good snapshot and the log after it, without 1 ev" in caplog.text
        again = decode(await patiently(lambda: shard.call("append", batch)), Appended)
        assert [one.sequence for one in again.results] == [one.sequence for one in appended.results]
        stats = decode(await patiently(lambda: shard.call("stats", encode(None))), ShardStats)
        assert stats.engine.quarantined == 1
        await shard.stop()


def feedback_on(decision_id: str) -> Feedback:
    return Feedback(
        event_id="bad",
        user_id="u1",
        ts_ms=50_000_100,
        type="click",
        item_id="i13",
        decision_id=decision_id,
    )


async def test_what_cannot_be_mended_is_told_and_serves_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine.open(None, QUICK.engine)
    engine.apply(items(60))
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def capture() -> None:
        message = "an array"
        raise NonFinite(message)

    def heal() -> int:
        loop.call_soon_threadsafe(tried.set)
        detail = "it is not the events"
        raise StoreError(detail)

    monkeypatch.setattr(engine, "capturing", capture)
    monkeypatch.setattr(engine, "heal", heal)
    shard = Shard(0, QUICK, engine)
    await shard.start()
    async with asyncio.timeout(30):
        await tried.wait()
    assert len((await ask(shard, 1)).items) == 3
    await shard.stop()
    assert "shard 0: the model cannot be mended" in caplog.text
    assert "it is not the events" in caplog.text


async def test_a_stopping_shard_leaves_it_to_the_next_opening() -> None:
    with faulty():
        settings = QUICK.model_copy(update={"engine": SETTINGS.engine})
        engine = Engine.open(None, settings.engine)
        engine.apply(items(60))
        live(engine, 4)
        choose(engine, "u1", "i13", 50_000_000)
        shard = Shard(0, settings, engine)
        await shard.start()
        await shard.stop()
        assert engine.stats().snapshot_sequence == 0
