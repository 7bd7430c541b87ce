"""A shard whose disk fails it."""

from typing import NoReturn, cast

import pytest
from typing_extensions import override

from actors.errors import ShardUnavailable
from actors.messages import (
    Appended,
    Lookup,
    Method,
    decode,
    encode,
)
from recsys.errors import StoreError
from recsys.store.base import Outcome
from tests.servers import GatedStore, engine_on
from tests.shards import Tally, batch, click, question, running, shown


async def test_a_full_disk_fails_the_events_and_not_the_recommendations() -> None:
    store = GatedStore()
    store.gate.set()
    tally = Tally()
    async with running(engine_on(store), observer=tally) as shard:
        await shard.call("append", batch(click(1, "bob")))
        store.fault = StoreError("/data/shard-0/log.sqlite: no space left on the device")
        with pytest.raises(ShardUnavailable, match=r"cannot write: no space left on the device$"):
            await shard.call("append", batch(click(2)))
        assert shard.trouble() == (
            "it takes no events: /data/shard-0/log.sqlite: no space left on the device",
        )
        assert not shard.stats().writing
        assert shown(await shard.call("recommend", question(1))).items
        assert ("rejected", "store", 1) in tally.told
        store.fault = None
        answer = decode(await shard.call("append", batch(click(2))), Appended)
        assert answer.results[0].outcome is Outcome.ACCEPTED
        assert shard.trouble() == ()
        assert shard.stats().writing


async def test_a_disk_that_cannot_be_read_makes_the_shard_unavailable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unreadable(GatedStore):
        @override
        def find(self, event_id: str) -> NoReturn:
            raise StoreError("/data/log.sqlite: the disk failed to read")

        @override
        def load_user(self, user_id: str) -> NoReturn:
            raise StoreError("/data/log.sqlite: the disk failed to read")

    async with running(engine_on(Unreadable())) as shard:
        for method, payload in (
            ("recommend", question(1)),
            ("user", encode(Lookup(id="ann"))),
            ("decision", encode(Lookup(id="d1"))),
        ):
            caplog.clear()
            with pytest.raises(ShardUnavailable) as refusal:
                await shard.call(cast(Method, method), payload)
            assert refusal.value.reason == "its store cannot be read", "and not where it lies"
            told = f"shard 0: {method}: /data/log.sqlite: the disk failed to read"
            assert [record.getMessage() for record in caplog.records] == [told]
