"""A disk that is almost full is told of before it is full, and once."""

import asyncio
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from typing_extensions import override

from actors.disk import Disk, free_bytes
from actors.gateway import build_app
from actors.observer import Silent
from actors.ports import LocalPort
from actors.settings import ServerSettings
from actors.shard import Shard
from recsys.engine import Engine
from recsys.store.memory import MemoryStore
from recsys.store.sqlite import SqliteStore

HERE = Path("/data/shard-3")
LOW = ServerSettings.model_validate(
    {"shards": {"count": 1}, "engine": {"store": {"snapshot_every_s": 0.02, "low_disk_bytes": 500}}}
)


class Gauge(Silent):
    """Remembers what was free, and tells of each look."""

    def __init__(self) -> None:
        self.free: list[int] = []
        self.looked = asyncio.Event()

    @override
    def on_disk(self, free: int) -> None:
        self.free.append(free)
        self.looked.set()


class Usage(NamedTuple):
    total: int
    used: int
    free: int


async def now(work: Callable[[], int]) -> int:
    return work()


def disk(
    free: list[int | OSError], observer: Gauge, folder: Path | None = HERE, low_bytes: int = 1000
) -> Disk:
    """Return a disk that has so much free at one look after another."""
    given = iter(free)

    def ask(asked: Path) -> int:
        assert asked == HERE
        answer = next(given)
        if isinstance(answer, OSError):
            raise answer
        return answer

    return Disk(3, folder, low_bytes, observer, now, ask)


async def test_it_is_low_below_the_bound_and_until_it_is_well_above(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    gauge = Gauge()
    given = [1000, 999, 10, 1000, 1099, 1100, 1000]
    one = disk([*given], gauge)
    assert (one.free, one.low, one.trouble()) == (None, False, ())
    seen = []
    for _ in given:
        await one.look()
        seen.append(one.low)
        assert bool(one.trouble()) is one.low
    assert seen == [False, True, True, True, True, False, False]
    assert gauge.free == given
    assert one.free == 1000
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.getMessage() == (
        "shard 3: its disk has less than 1,000 bytes left (engine.store.low_disk_bytes): make room "
        "before it is full, for then it takes no events; 999 bytes are free"
    )
    assert "shard 3: 1100 bytes are free on its disk again" in caplog.text


async def test_no_bound_is_never_broken() -> None:
    one = disk([0, 0], Gauge(), low_bytes=0)
    await one.look()
    assert (one.free, one.low) == (0, False)


async def test_where_nobody_can_say_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    gauge = Gauge()
    gone = OSError("no such folder")
    one = disk([5, gone, gone, 5, gone], gauge)
    lows = []
    for _ in range(5):
        await one.look()
        lows.append(one.low)
    assert lows == [True, False, False, True, False]
    assert gauge.free == [5, 5]
    assert one.free is None
    assert caplog.text.count("nobody says what its disk has left: no such folder") == 2
    await disk([], gauge, folder=None).look()
    assert gauge.free == [5, 5]


def test_a_store_knows_where_it_lies(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "deep" / "log.sqlite")
    assert store.folder == tmp_path / "deep"
    assert 0 < free_bytes(store.folder) <= shutil.disk_usage(tmp_path).total
    store.close()
    assert MemoryStore().folder is None


async def test_a_shard_looks_with_each_round_and_says_so_before_its_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [10_000]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10_000, 0, left[0]))
    gauge = Gauge()
    shard = Shard(0, LOW, Engine.open(tmp_path, LOW.engine), observer=gauge)
    await shard.start()
    transport = httpx2.ASGITransport(app=build_app(LocalPort([shard]), LOW))
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:

        async def seen(free: int) -> tuple[str, object, object]:
            left[0] = free
            async with asyncio.timeout(20):
                while gauge.free[-1:] != [free]:
                    gauge.looked.clear()
                    await gauge.looked.wait()
            ready = await client.get("/readyz")
            assert ready.status_code == 200
            (check,) = ready.json()["checks"]
            (stats,) = (await client.get("/v1/stats")).json()["shards"]
            return check["detail"], stats["disk_free_bytes"], stats["disk_low"]

        assert await seen(10_000) == ("answers", 10_000, False)
        assert shard.trouble() == ()
        assert await seen(499) == ("answers; its disk is almost full", 499, True)
        (sentence,) = shard.trouble()
        assert "less than 500 bytes left" in sentence
        event = {"type": "click", "user_id": "ann", "item_id": "i1"}
        assert (await client.post("/v1/events", json=[event])).status_code == 202
        assert await seen(600) == ("answers", 600, False)
        assert shard.trouble() == ()
    await shard.stop()
