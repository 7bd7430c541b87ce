"""A gateway's connection to one shard, made again whenever it breaks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, cast

import msgspec
from typing_extensions import override

from actors.errors import Overloaded, ShardUnavailable
from actors.messages import Method
from actors.wire.faults import fault_from
from actors.wire.frames import BadFrame, Frame, FrameReader, frame_of
from actors.wire.handshake import Caller, Door, OtherVersion
from actors.wire.sockets import keep_alive
from recsys.errors import RecsysError

__all__ = ["FindDoor", "Link"]

_log = logging.getLogger(__name__)

_PAUSES_S: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Before the second, third, ... attempt to connect; the last one repeats."""
_CONNECT_S: Final = 5.0
_SWEEP_S: Final = 0.02
"""How exact deadlines are: a timer for each call would cost more than the call."""
_RETRY_AFTER_S: Final = 1.0
_NO_ANSWER: Final[Frame] = ("", "", "")

FindDoor = Callable[[int], Awaitable[Door]]
"""Asks a shard for its door; raises ``RecsysError`` while it has none."""


class Link:
    """Carries calls to one shard within one event loop.

    Parameters
    ----------
    shard
        Its number.
    find
        Asked before each attempt to connect, for a shard that comes back has another door.
    limit_bytes
        Of one answer.
    in_flight
        Calls that may wait for their answers; more are refused.
    """

    def __init__(
        self, shard: int, find: FindDoor, *, limit_bytes: int = 1 << 26, in_flight: int = 4096
    ) -> None:
        self._shard = shard
        self._find = find
        self._limit_bytes = limit_bytes
        self._in_flight = in_flight
        self._line: _Line | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False
        self._said = ""

    @property
    def up(self) -> bool:
        """Whether there is a connection."""
        return self._line is not None

    def reach(self) -> None:
        """See to it that there will be a connection."""
        if self._line is None and self._connecting is None and not self._closed:
            self._connecting = asyncio.create_task(
                self._connect(), name=f"connect-shard-{self._shard}"
            )

    async def reached(self) -> None:
        """Wait for a connection."""
        while not self.up:
            self.reach()
            if self._connecting is None:
                raise ShardUnavailable(self._shard, "the link to it is closed")
            await asyncio.shield(self._connecting)

    def call(self, method: Method, payload: bytes, timeout_s: float) -> Awaitable[bytes]:
        """Send a call while ``up``; what is returned is awaited for its answer.

        Raises
        ------
        RecsysError
            What the shard raised.
        ShardUnavailable
            When the connection breaks or no answer comes in time.
        Overloaded
            When too many calls wait already; nothing happened.
        """
        line = self._line
        if line is None:
            raise ShardUnavailable(self._shard, "there is no connection to it")
        if len(line.waiting) >= self._in_flight:
            raise Overloaded(self._shard, _RETRY_AFTER_S)
        return line.call(method, payload, timeout_s)

    async def close(self) -> None:
        """Hang up for good."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._line is not None:
            self._line.hang_up("the link to it is closed")

    async def _connect(self) -> None:
        attempt = 0
        try:
            while self._line is None:
                if attempt:
                    await asyncio.sleep(_PAUSES_S[min(attempt, len(_PAUSES_S)) - 1])
                attempt += 1
                try:
                    async with asyncio.timeout(_CONNECT_S):
                        line = await self._dial(await self._find(self._shard))
                    # It may have broken since it was welcome.
                    self._line = line if line.open else None
                except (OSError, RecsysError, BadFrame, OtherVersion) as error:
                    # TimeoutError is an OSError.
                    self._say(f"{type(error).__name__}: {error}")
            self._said = ""
        finally:
            self._connecting = None

    async def _dial(self, door: Door) -> "_Line":
        loop = asyncio.get_running_loop()
        line = _Line(self._shard, door, self._limit_bytes, self._broken)
        await loop.create_connection(lambda: line, door.host, door.port)
        try:
            await line.welcome
        except BaseException:
            line.hang_up("it was not reached")
            raise
        return line

    def _broken(self, line: "_Line") -> None:
        if self._line is line:
            self._line = None
            self.reach()

    def _say(self, why: str) -> None:
        """Log why there is no connection, once; calls go another way meanwhile."""
        if why != self._said:
            self._said = why
            _log.info("shard %d: not connected: %s", self._shard, why)


class _Waiting(msgspec.Struct):
    answer: asyncio.Future[bytes]
    sent_s: float
    due_s: float


class _Line(asyncio.Protocol):
    """One connection.

    Attributes
    ----------
    welcome
        Done when the shard has let us in.
    waiting
        Calls without an answer whose time is not over, by id; nobody may wait for some any more.
    """

    def __init__(
        self, shard: int, door: Door, limit_bytes: int, broken: Callable[["_Line"], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.welcome: asyncio.Future[None] = self._loop.create_future()
        self.waiting: dict[int, _Waiting] = {}
        self._shard = shard
        self._broken = broken
        self._caller = Caller(door.secret, shard)
        self._reader = FrameReader(limit_bytes)
        self._take: Callable[[Frame], None] = self._prove
        self._number = 0
        self._out = list[bytes]()
        self._heard_s = 0.0
        self._sweeping: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._why = "its connection broke"

    @property
    def open(self) -> bool:
        """Whether calls may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        keep_alive(transport)
        self._transport.write(self._caller.hello())

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._sweeping is not None:
            self._sweeping.cancel()
        if not self.welcome.done():
            self.welcome.set_exception(ShardUnavailable(self._shard, self._why))
            # Nobody may wait for it any more.
            self.welcome.exception()
        waiting, self.waiting = self.waiting, {}
        for call in waiting.values():
            if not call.answer.done():
                call.answer.set_exception(ShardUnavailable(self._shard, self._why))
        self._broken(self)

    @override
    def data_received(self, data: bytes) -> None:
        self._heard_s = self._loop.time()
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except (BadFrame, OtherVersion) as error:
            if not self.welcome.done():
                self.welcome.set_exception(error)
                self.welcome.exception()
            self.hang_up(str(error))

    def hang_up(self, why: str) -> None:
        """Break the connection."""
        self._why = why
        if self._transport is not None:
            self._transport.abort()

    def call(self, method: Method, payload: bytes, timeout_s: float) -> Awaitable[bytes]:
        """See ``Link.call``."""
        if not self.open:
            raise ShardUnavailable(self._shard, self._why)
        self._number += 1
        number = self._number
        answer: asyncio.Future[bytes] = self._loop.create_future()
        now_s = self._loop.time()
        self.waiting[number] = _Waiting(answer, now_s, now_s + timeout_s)
        self._out.append(frame_of(number, method, max(0, int(timeout_s * 1000)), payload))
        if len(self.waiting) == 1:
            # Nobody is there to share a write with, and the shard may be asleep.
            self._flush()
        elif len(self._out) == 1:
            self._loop.call_soon(self._flush)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)
        return answer

    def _flush(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _sweep(self) -> None:
        """Fail the calls whose time is over; if nothing was heard since, the peer may be gone."""
        self._sweeping = None
        now_s = self._loop.time()
        silent = False
        late = [number for number, call in self.waiting.items() if call.due_s <= now_s]
        for call in map(self.waiting.pop, late):
            if not call.answer.done():
                silent |= self._heard_s < call.sent_s
                error = ShardUnavailable(self._shard, "it did not answer in time")
                call.answer.set_exception(error)
        if silent:
            self.hang_up("it does not answer")
        elif self.waiting:
            self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)

    def _prove(self, frame: Frame) -> None:
        proof = self._caller.prove(frame)
        if self._transport is not None:
            self._transport.write(proof)
        self._take = self._enter

    def _enter(self, frame: Frame) -> None:
        if frame != (0,):
            message = "the shard did not say welcome"
            raise BadFrame(message)
        if not self.welcome.done():
            self.welcome.set_result(None)
        self._take = self._answer

    def _answer(self, frame: Frame) -> None:
        number, kind, payload = frame if len(frame) == 3 else _NO_ANSWER
        # For each list; a pattern would say it in more steps.
        if type(number) is not int or type(kind) is not int or type(payload) is not bytes:
            message = "an answer has an id, a kind and a payload"
            raise BadFrame(message)
        call = self.waiting.pop(number, None)
        # Without one, its time was over.
        if call is not None and not call.answer.done():
            if kind == 0:
                call.answer.set_result(payload)
            else:
                call.answer.set_exception(fault_from(kind, payload))
