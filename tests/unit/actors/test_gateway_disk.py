"""A disk that fills up, turns read-only or fails under a running server: what callers see."""

import os
import resource
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path

import httpx2
import pytest
from typing_extensions import override

from actors.settings import ServerSettings, ShardSettings
from actors.shard_actor import end_process
from recsys.errors import FlushFailed, StoreError
from recsys.events import Feedback
from recsys.store.memory import MemoryStore
from recsys.store.records import DeadLetter
from recsys.store.sqlite import SqliteStore
from recsys.store.sqlite_file import wal_of
from tests.servers import Served, served
from tests.stores import RawStore, clicks, filled, flush_fails

SETTINGS = ServerSettings(shards=ShardSettings(count=1, partitions=8))

Trouble = Callable[[RawStore, Path], AbstractContextManager[None]]


@contextmanager
def full(store: RawStore, path: Path) -> Iterator[None]:
    store.run(f"PRAGMA max_page_count = {store.ask('PRAGMA page_count')}")
    yield
    store.run("PRAGMA max_page_count = 1000000")


@contextmanager
def read_only(store: RawStore, path: Path) -> Iterator[None]:
    store.run("PRAGMA query_only = ON")
    yield
    store.run("PRAGMA query_only = OFF")


@contextmanager
def refusing(store: RawStore, path: Path) -> Iterator[None]:
    """Let writes beyond what the log holds now fail, as those beyond a quota do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal_of(path).stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@asynccontextmanager
async def running(
    path: Path, doomed: Callable[[FlushFailed], None] | None = None
) -> AsyncIterator[tuple[Served, RawStore]]:
    store = RawStore(path)
    async with served(SETTINGS, [store], doomed) as server:
        yield server, store


def batch(first: int, last: int) -> list[dict[str, object]]:
    return [
        {"type": "click", "user_id": f"u{n % 7}", "item_id": f"i{n % 50}", "event_id": f"e{n}"}
        for n in range(first, last + 1)
    ]


async def written(server: Served, first: int, last: int) -> httpx2.Response:
    return await server.client.post("/v1/events", json=batch(first, last))


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (full, "the disk is full; free some space, then send the same again"),
        (read_only, "the file or its folder is read-only; make both writable"),
        (refusing, "the disk failed to read or write; check the disk and its quota"),
    ],
)
async def test_events_wait_outside_and_lists_are_served(
    tmp_path: Path, trouble: Trouble, reason: str
) -> None:
    path = tmp_path / "log.sqlite"
    async with running(path) as (server, store):
        assert (await written(server, 1, 100)).status_code == 202
        with trouble(store, path):
            for _ in range(3):
                refused = await written(server, 101, 900)
                assert refused.status_code == 503
                assert refused.headers["retry-after"] == "1"
                assert reason in refused.json()["detail"]
                asked = await server.client.post("/v1/recommend", json={"user_id": "u1"})
                assert asked.status_code == 200
                assert asked.json()["items"]
            assert store.find("e101") is None
        # It goes on by itself, and what was refused can be sent again under the same ids.
        answer = (await written(server, 1, 900)).json()
        assert (answer["accepted"], answer["duplicates"], answer["failed"]) == (800, 100, 0)
    with closing(SqliteStore(path)) as again:
        events = [event for _, event in again.read(after=0) if isinstance(event, Feedback)]
    assert [event.event_id for event in events] == [f"e{n}" for n in range(1, 901)]


@pytest.mark.skipif(sys.platform != "linux", reason="finds open files under /proc")
async def test_a_failed_flush_ends_the_shard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is acknowledged any more; the next process finds what the disk holds."""
    path = tmp_path / "log.sqlite"
    ends: list[FlushFailed] = []
    async with running(path, ends.append) as (server, _):
        assert (await written(server, 1, 10)).status_code == 202
        with flush_fails(wal_of(path)):
            refused = await written(server, 11, 20)
        assert refused.status_code == 503
        assert "the disk did not confirm a write" in refused.json()["detail"]
        assert len(ends) == 1
        assert (await written(server, 11, 20)).status_code == 503
    async with running(path) as (server, _):
        answer = (await written(server, 1, 20)).json()
        assert (answer["accepted"], answer["duplicates"]) == (10, 10)


class Unflushable(MemoryStore):
    """Takes events and no snapshots."""

    @override
    def commit_snapshot(
        self,
        sequence: int,
        parts: Mapping[str, bytes],
        users: Mapping[str, bytes],
        *,
        gone: Collection[str] = (),
        letters: Sequence[DeadLetter] = (),
    ) -> None:
        raise FlushFailed("the disk did not confirm a write")


async def test_a_failed_flush_of_a_snapshot_ends_it_too() -> None:
    ends: list[FlushFailed] = []
    async with served(SETTINGS, [Unflushable()], ends.append) as server:
        assert (await written(server, 1, 10)).status_code == 202
        assert ends == []
        await server.shards[0].stop()
    assert [str(end) for end in ends] == ["the disk did not confirm a write"]


def test_the_process_ends_at_once_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    statuses: list[int] = []
    end_process(FlushFailed("log.sqlite: the disk did not confirm a write"), statuses.append)
    assert statuses == [74]
    assert "ending, to recover from what the disk holds: log.sqlite: the disk" in caplog.text


def test_no_more_open_files_at_a_start(tmp_path: Path) -> None:
    """It refuses, and takes a mark that it cannot read for no missing one."""
    path = filled(tmp_path / "log.sqlite")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
    try:
        with pytest.raises(StoreError, match=r"Too many open files|ulimit -n"):
            SqliteStore(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    store = SqliteStore(path)
    assert store.append(clicks(21, 21))[0].sequence == 21
    store.close()


async def test_no_more_open_files_at_run_time(tmp_path: Path) -> None:
    """What is open stays open: events are written as before."""
    async with running(tmp_path / "log.sqlite") as (server, _):
        assert (await written(server, 1, 10)).status_code == 202
        assert (
            await server.client.post("/v1/recommend", json={"user_id": "u1"})
        ).status_code == 200
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        probe = os.open(os.devnull, os.O_RDONLY)
        os.close(probe)
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
        try:
            events = await written(server, 11, 20)
            asked = await server.client.post("/v1/recommend", json={"user_id": "u1"})
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (events.status_code, asked.status_code) == (202, 200)
