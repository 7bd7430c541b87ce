"""The shard's side: a door, and the peers that came through it.

What needs no waiting is answered at once, in the order in which it came, before anything else has
the loop; what waits for the disk becomes a task. Answers to what came together, and those of one
tick, leave in one write. A peer that sends no frames, keeps silent instead of proving itself, or
does not read its answers is shown out; the others do not notice.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol, cast, get_args

from typing_extensions import override

from actors.errors import Overloaded, RuntimeFault, ShardUnavailable
from actors.messages import Method
from actors.ports import Callee
from actors.wire.faults import fault_to
from actors.wire.frames import BadFrame, Frame, FrameReader, frame_of
from actors.wire.handshake import Door, Keeper
from actors.wire.sockets import keep_alive
from recsys.errors import RecsysError

__all__ = ["QuickCallee", "WireServer", "blame"]

_log = logging.getLogger(__name__)

_METHODS: Final = frozenset(get_args(Method))
_CALL: Final = (int, str, int, bytes)
_RETRY_AFTER_S: Final = 1.0
_HIGH_WATER: Final = 1 << 20
"""Bytes that wait for a peer to read: until then, nothing more of what it asks is looked at."""
_FLUSH_AT: Final = 1 << 18


class QuickCallee(Callee, Protocol):
    """A shard, some of whose answers need no waiting."""

    def at_once(self, method: Method, payload: bytes) -> bytes | None:
        """Do it and return the answer's payload, or return ``None`` and do nothing.

        Raises what ``call`` raises.
        """
        ...

    def settle(self) -> None:
        """Do what follows of answers, but need not be done for them; called when they have left."""
        ...


class WireServer:
    """Listens for gateways.

    Parameters
    ----------
    shard
        Its number.
    host
        Address of the door; the port is any that is free.
    limit_bytes
        Of one frame.
    in_flight
        Calls of one peer that may wait for the disk; more are refused.
    most_peers
        Connections at a time; more are closed at once.
    hello_s
        Who has not proved itself by then is shown out.
    stall_s
        Who does not read its answers for so long is shown out.
    """

    def __init__(
        self,
        shard: int,
        callee: QuickCallee,
        *,
        host: str = "127.0.0.1",
        limit_bytes: int = 1 << 26,
        in_flight: int = 4096,
        most_peers: int = 1024,
        hello_s: float = 5.0,
        stall_s: float = 30.0,
    ) -> None:
        self.shard = shard
        self.callee = callee
        self.limit_bytes = limit_bytes
        self.in_flight = in_flight
        self.hello_s = hello_s
        self.stall_s = stall_s
        self.secret = Door.new_secret()
        self.peers = set[_Peer]()
        self._host = host
        self._most_peers = most_peers
        self._server: asyncio.Server | None = None

    async def open(self) -> Door:
        """Listen, and return where.

        Raises
        ------
        OSError
            When the address is not this machine's.
        """
        self._server = await asyncio.get_running_loop().create_server(self._peer, self._host, 0)
        port = self._server.sockets[0].getsockname()[1]
        return Door(self._host, port, self.secret)

    async def close(self) -> None:
        """Show everybody out and listen no more; what is in flight is not answered."""
        if self._server is not None:
            self._server.close()
            for peer in tuple(self.peers):
                peer.show_out("")
            await self._server.wait_closed()
            self._server = None

    def full(self) -> bool:
        """Return whether there are as many peers as there may be."""
        return len(self.peers) >= self._most_peers

    def _peer(self) -> asyncio.Protocol:
        return _Peer(self)


class _Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: WireServer) -> None:
        self._server = server
        self._reader = FrameReader(server.limit_bytes)
        self._keeper = Keeper(server.secret, server.shard)
        self._take: Callable[[Frame], None] = self._hello
        self._tasks = set[asyncio.Task[None]]()
        self._out = list[bytes]()
        self._out_bytes = 0
        self._reading = False
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._server.full():
            self.show_out("there are too many connections")
            return
        self._server.peers.add(self)
        self._transport.set_write_buffer_limits(_HIGH_WATER)
        keep_alive(self._transport)
        self._show_out_after(self._server.hello_s, "it has not proved itself")

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._server.peers.discard(self)
        self._transport = None
        self._stop_timer()

    @override
    def data_received(self, data: bytes) -> None:
        self._read(data)

    def _read(self, data: bytes = b"") -> None:
        self._reading = True
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
                if self._paused or self._transport is None:
                    # The rest of what came waits in the reader until the answers are read.
                    return
        except BadFrame as error:
            self.show_out(str(error))
        finally:
            self._reading = False
            # What was answered leaves before the loop turns to what it can do later.
            self._flush()
            self._settle()

    def _settle(self) -> None:
        try:
            self._server.callee.settle()
        except Exception:
            # The answers have left, and what the peer asks next is none of this.
            _log.exception("shard-%d: what follows of its answers failed", self._server.shard)

    @override
    def pause_writing(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()
            self._show_out_after(self._server.stall_s, "it does not read its answers")

    @override
    def resume_writing(self) -> None:
        self._paused = False
        self._stop_timer()
        self._read()
        if self._transport is not None and not self._paused:
            self._transport.resume_reading()

    def show_out(self, why: str) -> None:
        """Close the connection; what it waits for goes on without it."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if why:
            name = transport.get_extra_info("peername")
            _log.warning("shard %d: %s is shown out: %s", self._server.shard, name, why)
        transport.abort()

    def _hello(self, frame: Frame) -> None:
        self._say(self._keeper.answer(frame))
        self._take = self._prove

    def _prove(self, frame: Frame) -> None:
        self._keeper.admit(frame)
        self._stop_timer()
        self._say(frame_of(0))
        self._take = self._call

    def _call(self, frame: Frame) -> None:
        if tuple(map(type, frame)) != _CALL:
            message = "a call has an id, a method, a budget and a payload"
            raise BadFrame(message)
        number, name, budget_ms, payload = cast(tuple[int, str, int, bytes], frame)
        shard = self._server.shard
        if name not in _METHODS:
            self._fail(number, RuntimeFault(f"shard {shard} runs another version"))
            return
        method = cast(Method, name)
        try:
            answer = self._server.callee.at_once(method, payload)
        except RecsysError as error:
            self._fail(number, error)
        except Exception as error:
            self._fail(number, blame(error, shard, method))
        else:
            if answer is not None:
                self._say(frame_of(number, 0, answer))
            elif len(self._tasks) >= self._server.in_flight:
                self._fail(number, Overloaded(shard, _RETRY_AFTER_S))
            else:
                loop = asyncio.get_running_loop()
                due_s = loop.time() + budget_ms / 1000
                task = loop.create_task(self._wait(number, method, payload, due_s))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _wait(self, number: int, method: Method, payload: bytes, due_s: float) -> None:
        shard = self._server.shard
        if asyncio.get_running_loop().time() > due_s:
            self._fail(number, ShardUnavailable(shard, "it came too late to it; nothing was done"))
            return
        try:
            answer = await self._server.callee.call(method, payload)
        except RecsysError as error:
            self._fail(number, error)
        except Exception as error:
            self._fail(number, blame(error, shard, method))
        else:
            self._say(frame_of(number, 0, answer))

    def _fail(self, number: int, error: RecsysError) -> None:
        self._say(frame_of(number, *fault_to(error)))

    def _say(self, frame: bytes) -> None:
        if not self._out and not self._reading:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(frame)
        self._out_bytes += len(frame)
        if self._out_bytes >= _FLUSH_AT:
            # So that a long run of questions meets the bound of what waits for its reader.
            self._flush()

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()
        self._out_bytes = 0

    def _show_out_after(self, seconds: float, why: str) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.show_out, why)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def blame(error: Exception, shard: int, method: Method) -> RuntimeFault:
    """Log what one call has raised and return the error that its caller sees."""
    _log.error("shard-%d: %s failed", shard, method, exc_info=error)
    return RuntimeFault(f"shard-{shard} failed: {type(error).__name__}")
