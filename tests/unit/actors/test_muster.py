"""A shard brings its people into memory while it answers, and says so if it cannot."""

import asyncio
import threading

import pytest
from typing_extensions import override

from actors.messages import Lookup, decode, encode
from recsys.engine import Engine
from recsys.errors import CorruptRecord
from recsys.store.memory import MemoryStore
from recsys.views import UserView
from tests.engines import KEY, engine_with, feedback
from tests.servers import SETTINGS
from tests.shards import click, question, running


class Slow(MemoryStore):
    """Lets nobody read people before it is told to, and remembers who was looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_up = list[str]()
        self.asked = threading.Event()
        self.open = threading.Event()

    @override
    def load_user(self, user_id: str) -> bytes | None:
        self.looked_up.append(user_id)
        return super().load_user(user_id)

    @override
    def users_after(self, user_id: str, limit: int) -> list[tuple[str, bytes]]:
        self.asked.set()
        assert self.open.wait(30)
        return super().users_after(user_id, limit)


class Damaged(MemoryStore):
    @override
    def users_after(self, user_id: str, limit: int) -> list[tuple[str, bytes]]:
        message = "log.sqlite: user 'u1' is damaged"
        raise CorruptRecord(message)


def known_to(store: MemoryStore) -> Engine:
    before = engine_with([feedback("u1", "i1", 1000), feedback("u2", "i1", 1000)], store=store)
    before.snapshot()
    return Engine(store, SETTINGS.engine, KEY)


async def test_lists_pass_while_people_are_read_and_need_no_store_after() -> None:
    store = Slow()
    async with running(known_to(store)) as shard, asyncio.timeout(30):
        await asyncio.to_thread(store.asked.wait)
        store.looked_up.clear()
        await shard.call("recommend", question(1))
        assert store.looked_up == ["ann"], "nobody knows yet whether she is a stranger"
        store.open.set()
        while shard.stats().engine.users_in_memory < 2:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.001)
        # Behind the last page, which says that these were all.
        await shard.call("letters", b"")
        store.looked_up.clear()
        for n in (2, 3):
            await shard.call("recommend", question(n))
        answer = await shard.call("user", encode(Lookup(id="u1")))
        assert decode(answer, UserView).events == 1
        assert store.looked_up == []


async def test_a_shard_that_cannot_says_so_once_and_looks_people_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Damaged()
    async with running(known_to(store)) as shard, asyncio.timeout(30):
        while not caplog.records:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.001)
        answer = await shard.call("user", encode(Lookup(id="u2")))
        assert decode(answer, UserView).events == 1
        await shard._upkeep.round()  # noqa: SLF001 - it would be in five seconds
    told = "shard 0: not all people are brought into memory: log.sqlite: user 'u1' is damaged"
    assert [record.getMessage() for record in caplog.records] == [told]


async def test_a_shard_stops_in_the_middle() -> None:
    store = Slow()
    async with running(known_to(store)) as shard, asyncio.timeout(30):
        await asyncio.to_thread(store.asked.wait)
        stopping = asyncio.create_task(shard.stop())
        await asyncio.sleep(0)
        store.open.set()
        await stopping
    again = Engine(store.reopened(), SETTINGS.engine, KEY)
    again.apply([click(1, "u1")])
    view = again.user("u1")
    assert view is not None
    assert view.events == 2
