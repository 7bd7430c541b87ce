"""An open loop counts from the moments that were intended, whatever the server does."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from benchmarks.open_loop import Stream, moments, open_loop, run_here

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = b"POST /x HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"


@contextmanager
def serving(handler: Handler) -> Iterator[str]:
    """Run a server in a thread of its own."""
    started = threading.Event()
    ports = list[int]()
    ends = list[Callable[[], object]]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def serve() -> None:
        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ends.append(lambda: loop.call_soon_threadsafe(ending.set))
        started.set()
        await ending.wait()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(20)
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        for end in ends:
            end()
        thread.join(20)


class Server:
    """Answers, but for what it is told to do before the request of a number."""

    def __init__(
        self, before: Callable[[int], float] = lambda _: 0.0, answer: bytes = ANSWER
    ) -> None:
        self.asked = 0
        self._before = before
        self._answer = answer
        self._open = asyncio.Event()
        self._open.set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                self.asked += 1
                if pause_s := self._before(self.asked):
                    # Everybody waits, as for a process that collects its garbage.
                    self._open.clear()
                    await asyncio.sleep(pause_s)
                    self._open.set()
                await self._open.wait()
                writer.write(self._answer)


def test_moments_are_equally_far_apart() -> None:
    assert moments(4.0, 1.0) == [0.0, 0.25, 0.5, 0.75]
    assert moments(0.1, 1.0) == [0.0]


def test_drawn_moments_have_the_rate_and_the_seed() -> None:
    drawn = moments(1000.0, 5.0, poisson=True, seed=3)
    assert drawn == sorted(drawn)
    assert drawn == moments(1000.0, 5.0, poisson=True, seed=3)
    assert drawn != moments(1000.0, 5.0, poisson=True, seed=4)
    assert abs(len(drawn) - 5000) < 300
    assert drawn[-1] < 5.0


@pytest.mark.parametrize(("rate", "seconds"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0)])
def test_rates_and_times_are_positive(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        moments(rate, seconds)


@pytest.mark.parametrize("connections", [2, 64])
def test_a_stall_is_seen_by_all_who_were_due_meanwhile(connections: int) -> None:
    stall_s = 0.2
    rate, seconds = 200.0, 0.6
    with serving(Server(lambda number: stall_s if number == 40 else 0.0)) as url:
        found = run_here(url, [Stream("lists", rate, [REQUEST])], seconds, connections)
    flow = found.flow("lists")
    assert (flow.due, flow.good, flow.errors) == (120, 120, {})
    # Request 40 and all that were due within the stall, by the time that was left of it.
    for behind in range(1, 38):
        left_ms = 1000.0 * (stall_s - behind / rate)
        assert flow.latencies_ms[39 + behind] > left_ms - 2.0, behind
    assert flow.quantiles.p99 is not None
    assert flow.quantiles.p99 > 150.0
    assert sum(ms > 50.0 for ms in flow.latencies_ms) >= 29


def test_too_few_connections_are_told() -> None:
    with serving(Server(lambda number: 0.1 if number == 5 else 0.0)) as url:
        found = run_here(url, [Stream("lists", 200.0, [REQUEST])], 0.3, 1)
    assert not found.kept
    assert "ms late: the server held all 1 connections" in found.reason


def test_streams_run_beside_each_other_in_a_process_of_their_own() -> None:
    streams = [
        Stream("lists", 200.0, [REQUEST]),
        Stream("events", 20.0, [REQUEST] * 10, again=False, poisson=False),
    ]
    with serving(Server()) as url:
        found = open_loop(url, streams, 0.5, connections=8)
    assert [flow.due for flow in found.flows] == [100, 10]
    assert [flow.good for flow in found.flows] == [100, 10]
    assert 0.0 < found.cpu_share < 1.0
    assert min(found.flow("lists").latencies_ms) > 0.0


def test_refusals_are_counted_by_their_status() -> None:
    refusal = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"
    with serving(Server(answer=refusal)) as url:
        found = run_here(url, [Stream("lists", 100.0, [REQUEST])], 0.1, 4)
    assert found.flow("lists").errors == {"HTTP 429": 10}
    assert found.flow("lists").good == 0


def test_a_connection_that_ends_is_replaced() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    with serving(once) as url:
        found = run_here(url, [Stream("lists", 100.0, [REQUEST])], 0.2, 2)
    assert (found.flow("lists").good, found.flow("lists").errors) == (20, {})


def test_a_connection_that_breaks_is_an_error() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    with serving(never) as url:
        found = run_here(url, [Stream("lists", 50.0, [REQUEST])], 0.1, 2)
    assert found.flow("lists").errors == {"no answer": 5}


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(RuntimeError, match="ConnectionRefusedError"):
        open_loop("http://127.0.0.1:1", [Stream("lists", 10.0, [REQUEST])], 0.1, connections=1)
    with (
        serving(Server()) as url,
        pytest.raises(ValueError, match="events: 10 requests are due, there are 1"),
    ):
        run_here(url, [Stream("events", 100.0, [REQUEST], again=False)], 0.1, 1)
