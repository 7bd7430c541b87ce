"""Requests at a constant rate, whatever became of those before: an open loop.

Each request is due at its moment, and its latency runs from that moment: a server that stalls for
100 ms shows it in every request that was due meanwhile, although few could be sent ("coordinated
omission" is what a closed loop calls its missing requests; G. Tene, "How not to measure latency").
The generator is a process of its own, so that what it takes of the processor can be told from what
the server takes, and is told.
"""

import asyncio
import os
import select
import selectors
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from heapq import merge
from random import Random
from time import perf_counter, process_time
from typing import Final

import msgspec
from typing_extensions import override

from benchmarks.child import in_child
from benchmarks.connection import Address, Answer, Connection
from benchmarks.figures import Quantiles

__all__ = ["Flow", "OpenLoop", "Stream", "moments", "open_loop", "run_here"]

_LEAD_S: Final = 0.05
"""Before the first request is due."""
_PATIENCE_S: Final = 10.0
"""After the last one was due; what has no answer by then has none."""
_LATE_MS: Final = 5.0
_LATE_SHARE: Final = 0.01
"""A rate is kept when at most this share of the requests is sent later than that."""
_RECONNECT_S: Final = 0.01


class Stream(msgspec.Struct, frozen=True):
    """Requests of one kind.

    Attributes
    ----------
    requests
        Sent in turn.
    again
        Whether the first follows the last; else there must be enough of them.
    poisson
        Whether the pauses are drawn, with the same mean, instead of being equal.
    """

    name: str
    rate_per_s: float
    requests: Sequence[bytes]
    again: bool = True
    poisson: bool = False


class Flow(msgspec.Struct, frozen=True):
    """What became of a stream.

    Attributes
    ----------
    due, good
        Requests, and those with a good answer.
    latencies_ms
        Of all of them, from the intended moment, in the order of those. What failed or had no
        answer counts with the time until that was known.
    late_ms
        From the intended moment to sending.
    errors
        By their kind.
    """

    name: str
    rate_per_s: float
    due: int
    good: int
    latencies_ms: list[float]
    late_ms: Quantiles
    errors: dict[str, int]

    @property
    def quantiles(self) -> Quantiles:
        """Exact ones, of all samples."""
        return Quantiles.of(self.latencies_ms)


class OpenLoop(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes
    ----------
    cpu_share
        Of one processor, taken by the generator.
    kept
        Whether the rate was kept; ``reason`` says why not.
    """

    flows: list[Flow]
    seconds: float
    cpu_share: float
    kept: bool
    reason: str

    def flow(self, name: str) -> Flow:
        """Return what became of a stream."""
        return next(one for one in self.flows if one.name == name)


def moments(
    rate_per_s: float, seconds: float, *, poisson: bool = False, seed: int = 0
) -> list[float]:
    """Return when requests are due, in seconds from the start; all before ``seconds``.

    Raises
    ------
    ValueError
        For a rate or a time that is not positive.
    """
    if rate_per_s <= 0.0 or seconds <= 0.0:
        message = f"a rate and a time are more than 0, got {rate_per_s:g}/s for {seconds:g} s"
        raise ValueError(message)
    if not poisson:
        return [place / rate_per_s for place in range(max(1, round(rate_per_s * seconds)))]
    rng, due, found = Random(seed), 0.0, list[float]()
    while (due := due + rng.expovariate(rate_per_s)) < seconds:
        found.append(due)
    return found


class _Prompt(selectors.EpollSelector):
    """Wakes within microseconds: epoll waits whole milliseconds, which would count as latency."""

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0.0:
            # An epoll is a file that can be waited for, and this call counts microseconds.
            select.select([self], [], [], timeout)
            timeout = 0.0
        return super().select(timeout)


class _Shot:
    """One request on its way."""

    __slots__ = ("due_s", "place", "request", "sent_s", "track")

    def __init__(self, track: "_Track", place: int, due_s: float, request: bytes) -> None:
        self.track = track
        self.place = place
        self.due_s = due_s
        self.request = request
        self.sent_s = -1.0


class _Track:
    """A stream's book."""

    def __init__(self, stream: Stream, seconds: float, seed: int) -> None:
        self.stream = stream
        self.offsets = moments(stream.rate_per_s, seconds, poisson=stream.poisson, seed=seed)
        if not stream.again and len(stream.requests) < len(self.offsets):
            message = (
                f"{stream.name}: {len(self.offsets)} requests are due, "
                f"there are {len(stream.requests)}"
            )
            raise ValueError(message)
        self.latencies_ms = [-1.0] * len(self.offsets)
        self.late_ms = [-1.0] * len(self.offsets)
        self.errors = Counter[str]()
        self.good = 0

    def shots(self) -> list[_Shot]:
        """Return its requests; ``due_s`` from the start."""
        requests = self.stream.requests
        return [
            _Shot(self, place, due_s, requests[place % len(requests)])
            for place, due_s in enumerate(self.offsets)
        ]

    def flow(self) -> Flow:
        return Flow(
            self.stream.name,
            self.stream.rate_per_s,
            len(self.offsets),
            self.good,
            self.latencies_ms,
            Quantiles.of(self.late_ms),
            dict(self.errors),
        )


class _Generator:
    """Sends what is due on whatever connection is free."""

    def __init__(self, address: Address, connections: int, tracks: Sequence[_Track]) -> None:
        self._address = address
        self._n = connections
        self._tracks = tracks
        self._free = deque[Connection]()
        self._on_way = dict[Connection, _Shot]()
        self._backlog = deque[_Shot]()
        self._left = 0
        self._held_up = 0
        self._slow = 0
        self._shots = deque[_Shot]()
        self._ahead_s = 0.0
        self._all_sent = asyncio.Event()
        self._done = asyncio.Event()
        self._repairs = set[asyncio.Task[None]]()

    async def run(self) -> None:
        """Send everything and wait for the answers.

        Raises
        ------
        OSError
            When nobody listens.
        """
        for _ in range(self._n):
            self._free.append(await Connection.to(self._address, self._answered))
        loop = asyncio.get_running_loop()
        shots = list(merge(*(track.shots() for track in self._tracks), key=lambda one: one.due_s))
        self._left = len(shots)
        if not shots:
            self._done.set()
        start_s = perf_counter() + _LEAD_S
        for shot in shots:
            shot.due_s += start_s
        self._shots = deque(shots)
        # The loop's clock and this one may begin at different moments.
        self._ahead_s = loop.time() - perf_counter()
        self._tick()
        await self._all_sent.wait()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._done.wait()
        except TimeoutError:
            self._give_up(perf_counter())
        for task in self._repairs:
            task.cancel()
        for connection in (*self._free, *self._on_way):
            connection.close()
        # What is closed is let go of by the loop's next turns.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _tick(self) -> None:
        """Send what is due, and come back for the next."""
        shots, now_s = self._shots, perf_counter()
        while shots and shots[0].due_s <= now_s:
            self._shoot(shots.popleft(), now_s)
        if shots:
            asyncio.get_running_loop().call_at(shots[0].due_s + self._ahead_s, self._tick)
        else:
            self._all_sent.set()

    def _shoot(self, shot: _Shot, now_s: float) -> None:
        if not self._free:
            self._backlog.append(shot)
            self._held_up += 1
            return
        if (now_s - shot.due_s) * 1000.0 > _LATE_MS:
            self._slow += 1
        self._send(self._free.popleft(), shot, now_s)

    def _send(self, connection: Connection, shot: _Shot, now_s: float) -> None:
        shot.sent_s = now_s
        shot.track.late_ms[shot.place] = (now_s - shot.due_s) * 1000.0
        self._on_way[connection] = shot
        connection.send(shot.request)

    def _answered(self, connection: Connection, answer: Answer) -> None:
        now_s = perf_counter()
        shot = self._on_way.pop(connection)
        track = shot.track
        track.latencies_ms[shot.place] = (now_s - shot.due_s) * 1000.0
        if answer.good:
            track.good += 1
        else:
            track.errors[answer.fault] += 1
        self._left -= 1
        if self._left == 0:
            self._done.set()
        if connection.open:
            self._take(connection, now_s)
        elif self._left:
            task = asyncio.get_running_loop().create_task(self._repair())
            self._repairs.add(task)
            task.add_done_callback(self._repairs.discard)

    def _take(self, connection: Connection, now_s: float) -> None:
        if self._backlog:
            self._send(connection, self._backlog.popleft(), now_s)
        else:
            self._free.append(connection)

    async def _repair(self) -> None:
        """Put a new connection in the place of one that has ended."""
        while True:
            try:
                connection = await Connection.to(self._address, self._answered)
            except OSError:
                await asyncio.sleep(_RECONNECT_S)
                continue
            self._take(connection, perf_counter())
            return

    def _give_up(self, now_s: float) -> None:
        for shot in (*self._on_way.values(), *self._backlog):
            shot.track.latencies_ms[shot.place] = (now_s - shot.due_s) * 1000.0
            if shot.sent_s < 0.0:
                shot.track.late_ms[shot.place] = shot.track.latencies_ms[shot.place]
            shot.track.errors["no answer"] += 1

    def verdict(self) -> str:
        """Return why the rate was not kept, or nothing."""
        due = sum(len(track.offsets) for track in self._tracks)
        late = sum(late > _LATE_MS for track in self._tracks for late in track.late_ms)
        if late <= _LATE_SHARE * due:
            return ""
        told = f"{late / due:.1%} of {due:,} requests were sent more than {_LATE_MS:g} ms late"
        if self._held_up >= self._slow:
            return f"{told}: the server held all {self._n} connections"
        return f"{told}: the generator itself was late (is another process in its way?)"


async def _measure(
    url: str, streams: Sequence[Stream], seconds: float, connections: int, seed: int
) -> OpenLoop:
    tracks = [_Track(stream, seconds, seed + place) for place, stream in enumerate(streams)]
    generator = _Generator(Address.of(url), connections, tracks)
    began_s, used_s = perf_counter(), process_time()
    await generator.run()
    took_s = perf_counter() - began_s
    share = (process_time() - used_s) / took_s
    reason = generator.verdict()
    return OpenLoop([track.flow() for track in tracks], took_s, round(share, 3), not reason, reason)


def run_here(
    url: str, streams: Sequence[Stream], seconds: float, connections: int = 128, seed: int = 1
) -> OpenLoop:
    """Do as ``open_loop``, in this process."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_Prompt())) as runner:
        return runner.run(_measure(url, streams, seconds, connections, seed))


def _run_ahead(
    url: str, streams: Sequence[Stream], seconds: float, connections: int, seed: int
) -> OpenLoop:
    """Do as ``run_here``, before all else that wants a processor, where the system allows it."""
    # A clock that has to wait for what it times tells the wrong time. Not everybody may do this;
    # how late the clock was is in the report in any case.
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return run_here(url, streams, seconds, connections, seed)


def open_loop(
    url: str, streams: Sequence[Stream], seconds: float, *, connections: int = 128, seed: int = 1
) -> OpenLoop:
    """Send streams at their rates from a process of its own and measure them.

    Parameters
    ----------
    connections
        Kept open; together for all streams.
    seed
        Of drawn pauses.

    Raises
    ------
    RuntimeError
        When it could not be measured: nobody listens, or requests are too few.
    """
    return in_child(_run_ahead, url, streams, seconds, connections, seed)
