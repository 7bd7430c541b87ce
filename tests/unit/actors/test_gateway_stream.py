import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Scope

from actors.errors import ShardUnavailable
from actors.http.problems import Problem
from actors.http.shards import Shards
from actors.http.stream import Stream
from actors.http.whereabouts import Whereabouts
from actors.shard_map import ShardMap
from tests.servers import SETTINGS, Served, served

SCOPE: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/v1/stream",
    "query_string": b"",
    "headers": [],
}


Tick = dict[str, list[dict[str, object]]]


class Listener:
    """A client of a stream: what it was sent, and its wish to leave."""

    def __init__(self, app: ASGIApp) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._task = asyncio.create_task(self._run(app))

    async def _run(self, app: ASGIApp) -> None:
        await app(dict(SCOPE), self._receive, self._send)
        self._chunks.put_nowait(None)

    async def _receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message.get("body"):
            self._chunks.put_nowait(message["body"])

    async def chunk(self) -> bytes | None:
        """Return the next frame, ``None`` at the end."""
        return await asyncio.wait_for(self._chunks.get(), 20)

    async def tick(self) -> Tick:
        """Return the data of the next tick."""
        while chunk := await self.chunk():
            lines = chunk.decode().splitlines()
            if "event: tick" in lines:
                data: dict[str, list[dict[str, object]]] = json.loads(
                    lines[1].removeprefix("data: ")
                )
                return data
        raise AssertionError("the stream has ended")

    async def leave(self) -> None:
        self._gone.set()
        await self._task


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


@asynccontextmanager
async def streaming(server: Served, **options: float) -> AsyncIterator[Stream]:
    where = Whereabouts(ShardMap.dealt_out(2, SETTINGS.shards.partitions))
    stream = Stream(
        Shards(server.port, SETTINGS, where),
        interval_s=options.get("interval_s", 0.01),
        listeners=int(options.get("listeners", 64)),
        lifetime_s=options.get("lifetime_s", 60.0),
    )
    try:
        yield stream
    finally:
        await stream.close()


async def listen(stream: Stream) -> Listener:
    return Listener(await stream.get(Request(dict(SCOPE))))


async def until(true: Callable[[], bool], step: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await step()


async def test_the_route_streams_ticks(server: Served) -> None:
    listener = Listener(server.app)
    tick = await listener.tick()
    assert listener.status == 200
    assert listener.headers["content-type"].startswith("text/event-stream")
    assert listener.headers["cache-control"] == "no-store"
    assert listener.headers["x-request-id"]
    assert [shard["shard"] for shard in tick["shards"]] == [0, 1]
    assert set(tick) == {"ts_ms", "shards", "arms", "unavailable"}
    await listener.leave()


async def test_the_first_frame_says_when_to_come_back(server: Served) -> None:
    async with streaming(server) as stream:
        listener = await listen(stream)
        assert await listener.chunk() == b"retry: 1000\n\n"
        await listener.leave()


async def test_all_who_listen_share_one_poller(server: Served) -> None:
    async with streaming(server) as stream:
        listeners = [await listen(stream) for _ in range(10)]
        seen: set[object] = set()
        for _ in range(5):
            for listener in listeners:
                seen.add(json.dumps((await listener.tick())["ts_ms"]))
        for listener in listeners:
            await listener.leave()
        asked = sum(method == "stats" for _, method, _ in server.port.calls)
        assert asked % 2 == 0
        # Pollers of their own would have asked at least 50 times.
        assert 5 <= asked / 2 < 50
        assert len(seen) <= asked / 2


async def test_nobody_is_asked_when_nobody_listens(server: Served) -> None:
    async with streaming(server) as stream:
        assert not stream.polling
        listener = await listen(stream)
        await listener.tick()
        assert stream.polling
        await listener.leave()
        assert stream.listening == 0
        await until(lambda: not stream.polling, lambda: asyncio.sleep(0.001))
        again = await listen(stream)
        assert (await again.tick())["shards"]
        await again.leave()


async def test_streams_are_bounded(server: Served) -> None:
    async with streaming(server, listeners=2) as stream:
        listeners = [await listen(stream) for _ in range(2)]
        for listener in listeners:
            await listener.tick()
        with pytest.raises(Problem) as caught:
            await listen(stream)
        assert caught.value.status == 503
        assert caught.value.headers["Retry-After"]
        await listeners.pop().leave()
        other = await listen(stream)
        await other.tick()
        for listener in [*listeners, other]:
            await listener.leave()


async def test_those_who_come_at_once_do_not_pass_the_bound(server: Served) -> None:
    async with streaming(server, listeners=1) as stream:
        first, second = await listen(stream), await listen(stream)
        await first.tick()
        assert await second.chunk() == b"retry: 1000\n\n"
        assert await second.chunk() is None
        await first.leave()


async def test_a_stream_ends_after_its_time(server: Served) -> None:
    async with streaming(server, lifetime_s=0.03) as stream:
        listener = await listen(stream)
        while await listener.chunk():
            pass
        assert stream.listening == 0


async def test_close_ends_all_streams_and_refuses_new_ones(server: Served) -> None:
    async with streaming(server, interval_s=60) as stream:
        listener = await listen(stream)
        await listener.tick()
        await stream.close()
        assert await listener.chunk() is None
        assert not stream.polling
        with pytest.raises(Problem):
            await listen(stream)


async def test_a_shard_that_is_down_is_part_of_the_tick(server: Served) -> None:
    server.port.faults[0, "stats"] = ShardUnavailable(0, "restarting")
    async with streaming(server) as stream:
        listener = await listen(stream)
        tick = await listener.tick()
        assert tick["unavailable"][0]["shard"] == 0
        await listener.leave()


async def test_the_poller_outlives_a_fault(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    server.port.faults[0, "stats"] = RuntimeError("surprise")
    async with streaming(server) as stream:
        listener = await listen(stream)
        await until(lambda: "surprise" in caplog.text, lambda: asyncio.sleep(0.001))
        server.port.faults.clear()
        assert (await listener.tick())["shards"]
        await listener.leave()
