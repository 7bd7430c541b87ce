"""A door and what comes through it: calls, peers that mean no good, and shards that go."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypedDict

import pytest
from typing_extensions import Unpack, override

from actors.errors import Overloaded, RuntimeFault, ShardUnavailable
from actors.messages import Method
from actors.ports import ShardPort
from actors.wire.frames import Frame, FrameReader, frame_of
from actors.wire.handshake import MAGIC, VERSION, Caller, Door
from actors.wire.link import Link
from actors.wire.port import WirePort
from actors.wire.server import WireServer
from recsys.errors import InvalidEvent, StoreError


class Limits(TypedDict, total=False):
    """Of a door."""

    limit_bytes: int
    in_flight: int
    most_peers: int
    hello_s: float
    stall_s: float


class PaperShard:
    """Answers questions at once and events when it is told to.

    Attributes
    ----------
    gate
        Events wait for it.
    asked
        What came, in order.
    fault
        Raised in place of an answer.
    """

    def __init__(self, name: bytes = b"a") -> None:
        self.name = name
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = list[tuple[Method, bytes]]()
        self.fault: Exception | None = None

    def at_once(self, method: Method, payload: bytes) -> bytes | None:
        if method == "append":
            return None
        return self._answer(method, payload)

    async def call(self, method: Method, payload: bytes) -> bytes:
        await self.gate.wait()
        return self._answer(method, payload)

    def _answer(self, method: Method, payload: bytes) -> bytes:
        self.asked.append((method, payload))
        if self.fault is not None:
            raise self.fault
        return self.name + b":" + payload


class NoPort(ShardPort):
    """Carries what the wire does not, and counts it."""

    def __init__(self) -> None:
        self.calls = 0

    @property
    @override
    def n_shards(self) -> int:
        return 1

    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        self.calls += 1
        await asyncio.sleep(0)
        return b"by the other way"


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until something is so."""
    while not condition():  # noqa: ASYNC110 - nobody is told of it
        await asyncio.sleep(0.001)


@asynccontextmanager
async def opened(
    shard: PaperShard, number: int = 0, **limits: Unpack[Limits]
) -> AsyncIterator[tuple[WireServer, Door]]:
    server = WireServer(number, shard, **limits)
    door = await server.open()
    try:
        yield server, door
    finally:
        await server.close()


@asynccontextmanager
async def linked(
    shard: PaperShard, **limits: Unpack[Limits]
) -> AsyncIterator[tuple[Link, WireServer]]:
    async with opened(shard, **limits) as (server, door):

        async def find(_: int) -> Door:
            return door

        link = Link(0, find)
        await link.reached()
        try:
            yield link, server
        finally:
            await link.close()


class Peer:
    """A peer that speaks byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._frames = FrameReader(1 << 20)

    @classmethod
    async def at(cls, door: Door) -> "Peer":
        return cls(*await asyncio.open_connection(door.host, door.port))

    @classmethod
    async def admitted(cls, door: Door, shard: int = 0) -> "Peer":
        peer = await cls.at(door)
        caller = Caller(door.secret, shard)
        peer.writer.write(caller.hello())
        (answer,) = await peer.frames(1)
        peer.writer.write(caller.prove(answer))
        assert await peer.frames(1) == [(0,)]
        return peer

    async def frames(self, n: int) -> list[Frame]:
        found = list[Frame]()
        async with asyncio.timeout(5):
            while len(found) < n:
                chunk = await self.reader.read(1 << 16)
                assert chunk, "the connection was closed"
                found.extend(self._frames.feed(chunk))
        return found

    async def is_shown_out(self) -> bool:
        """Wait for the end of the connection, whatever comes before it."""
        async with asyncio.timeout(5):
            try:
                while await self.reader.read(1 << 16):
                    pass
            except ConnectionError:
                pass
        self.writer.close()
        return True


async def test_calls_are_answered_and_errors_are_raised() -> None:
    shard = PaperShard()
    async with linked(shard) as (link, _):
        assert await link.call("recommend", b"x", 5) == b"a:x"
        assert await link.call("append", b"y", 5) == b"a:y"
        for method in ("recommend", "append"):
            shard.fault = InvalidEvent("/n", "too many")
            with pytest.raises(InvalidEvent, match="too many"):
                await link.call(method, b"", 5)
            shard.fault = StoreError("odd")
            with pytest.raises(RuntimeFault, match="odd"):
                await link.call(method, b"", 5)
            shard.fault = KeyError("a secret of ours")
            with pytest.raises(RuntimeFault, match=r"shard-0 failed: KeyError$"):
                await link.call(method, b"", 5)
        shard.fault = None
        assert await link.call("recommend", b"z", 5) == b"a:z"


async def test_a_question_does_not_wait_for_an_event() -> None:
    shard = PaperShard()
    shard.gate.clear()
    async with linked(shard) as (link, _):
        events = [asyncio.create_task(link.call("append", b"%d" % n, 5)) for n in range(20)]
        assert await link.call("recommend", b"x", 5) == b"a:x"
        assert not any(event.done() for event in events)
        shard.gate.set()
        assert await asyncio.gather(*events) == [b"a:%d" % n for n in range(20)]


async def test_calls_of_one_tick_leave_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = PaperShard()
    async with linked(shard) as (link, server):
        (peer,) = server.peers
        chunks = list[bytes]()
        received = peer.data_received

        def data_received(data: bytes) -> None:
            chunks.append(data)
            received(data)

        monkeypatch.setattr(peer, "data_received", data_received)
        calls = [link.call("recommend", b"%d" % n, 5) for n in range(50)]
        assert await asyncio.gather(*calls) == [b"a:%d" % n for n in range(50)]
        assert len(chunks) == 1


async def test_who_stops_waiting_takes_nothing_with_them() -> None:
    shard = PaperShard()
    shard.gate.clear()
    async with linked(shard) as (link, _):
        one = asyncio.create_task(link.call("append", b"1", 5))
        two = asyncio.create_task(link.call("append", b"2", 5))
        assert await link.call("recommend", b"", 5) == b"a:"
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        shard.gate.set()
        assert await two == b"a:2"
        assert await link.call("recommend", b"", 5) == b"a:"
        assert ("append", b"1") in shard.asked


async def test_a_call_that_takes_too_long_fails_and_the_others_go_on() -> None:
    shard = PaperShard()
    shard.gate.clear()
    async with linked(shard) as (link, _):
        patient = asyncio.create_task(link.call("append", b"2", 60))
        late = asyncio.create_task(link.call("append", b"1", 0.05))
        # Something is heard meanwhile, so the connection is well.
        while not late.done():
            assert await link.call("recommend", b"", 5) == b"a:"
        with pytest.raises(ShardUnavailable, match="did not answer in time"):
            await late
        assert link.up
        shard.gate.set()
        assert await patient == b"a:2"


async def test_a_peer_that_has_gone_silent_is_given_up() -> None:
    """As after a cable was pulled: nothing comes, and no end either."""
    shard = PaperShard()
    shard.gate.clear()
    async with linked(shard) as (link, _):
        with pytest.raises(ShardUnavailable, match="did not answer in time"):
            await link.call("append", b"1", 0.05)
        async with asyncio.timeout(5):
            await until(lambda: not link.up)
            await link.reached()
        assert await link.call("recommend", b"", 5) == b"a:"
        shard.gate.set()


async def test_more_calls_than_may_wait_are_refused() -> None:
    shard = PaperShard()
    shard.gate.clear()
    async with linked(shard, in_flight=3) as (link, _):
        waiting = [asyncio.create_task(link.call("append", b"%d" % n, 5)) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await link.call("append", b"more", 5)
        assert await link.call("recommend", b"", 5) == b"a:"
        shard.gate.set()
        await asyncio.gather(*waiting)
        assert ("append", b"more") not in shard.asked


async def test_a_gateway_bounds_what_it_has_in_flight() -> None:
    shard = PaperShard()
    shard.gate.clear()
    async with opened(shard) as (_, door):

        async def find(_: int) -> Door:
            return door

        link = Link(0, find, in_flight=2)
        await link.reached()
        waiting = [asyncio.create_task(link.call("append", b"", 5)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await link.call("recommend", b"", 5)
        shard.gate.set()
        await asyncio.gather(*waiting)
        await link.close()


async def test_a_shard_that_goes_fails_its_calls_and_is_found_again() -> None:
    first, second = PaperShard(b"old"), PaperShard(b"new")
    first.gate.clear()
    doors = list[Door]()

    async def find(shard: int) -> Door:
        if not doors:
            raise ShardUnavailable(shard, "it is restarting")
        return doors[-1]

    other = NoPort()
    port = WirePort(other, find, 1 << 20)
    assert await port.call(0, "recommend", b"x", 5) == b"by the other way"
    async with opened(first) as (_, door):
        doors.append(door)
        async with asyncio.timeout(5):
            while await port.call(0, "recommend", b"x", 5) != b"old:x":
                pass
        waiting = asyncio.create_task(port.call(0, "append", b"", 5))
        await asyncio.sleep(0)
        doors.clear()
    with pytest.raises(ShardUnavailable, match="connection broke"):
        await waiting
    first.gate.set()
    assert await port.call(0, "recommend", b"x", 5) == b"by the other way"
    async with opened(second) as (_, door):
        doors.append(door)
        async with asyncio.timeout(5):
            while await port.call(0, "recommend", b"x", 5) != b"new:x":
                pass
        calls = other.calls
        assert await port.call(0, "recommend", b"y", 5) == b"new:y"
        assert other.calls == calls
        await port.close()


async def test_a_stale_door_is_noticed() -> None:
    """Another process may have got the port of a shard that is gone."""
    mine, others = PaperShard(b"mine"), PaperShard(b"other")
    async with opened(others, 1) as (_, wrong), opened(mine, 0) as (_, right):
        stale = Door(wrong.host, wrong.port, right.secret)
        doors = [stale, stale, right]

        async def find(_: int) -> Door:
            return doors.pop(0)

        link = Link(0, find)
        await link.reached()
        assert await link.call("recommend", b"", 5) == b"mine:"
        assert others.asked == []
        await link.close()


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x00",
        b"\xc1",
        b"\xdc\xff\xff" * 10,
        frame_of(MAGIC, VERSION, 7, b"n" * 16),
        frame_of(1, "recommend", 1000, b""),
        frame_of(MAGIC, VERSION, 0, b"n" * 16) + frame_of(b"guess" * 6),
        frame_of(MAGIC, VERSION, 0, b"n" * 16) * 2,
    ],
    ids=lambda said: said[:8].hex(),
)
async def test_who_does_not_prove_themselves_is_shown_out(said: bytes) -> None:
    shard = PaperShard()
    async with linked(shard) as (link, server):
        peer = await Peer.at(Door("127.0.0.1", _port_of(server), b""))
        peer.writer.write(said + frame_of(1, "recommend", 1000, b""))
        assert await peer.is_shown_out()
        assert shard.asked == []
        assert await link.call("recommend", b"", 5) == b"a:"
        assert len(server.peers) == 1


async def test_who_says_nothing_is_shown_out() -> None:
    async with opened(PaperShard(), hello_s=0.02) as (server, door):
        peers = [await Peer.at(door) for _ in range(3)]
        peers[0].writer.write(b"\x94")
        for peer in peers:
            assert await peer.is_shown_out()
        assert not server.peers


async def test_only_so_many_may_come() -> None:
    async with opened(PaperShard(), most_peers=2) as (server, door):
        peers = [await Peer.admitted(door) for _ in range(2)]
        assert await (await Peer.at(door)).is_shown_out()
        assert len(server.peers) == 2
        for peer in peers:
            peer.writer.write(frame_of(1, "recommend", 1000, b"x"))
            assert await peer.frames(1) == [(1, 0, b"a:x")]
            peer.writer.close()


@pytest.mark.parametrize(
    "said",
    [
        b"\xc1",
        frame_of(1, "recommend", 1000),
        frame_of("1", "recommend", 1000, b""),
        frame_of(1, "recommend", 1000, "text"),
        frame_of(1, b"recommend", 1000, b""),
        frame_of(1, "recommend", 1000, b"x" * 300),
    ],
    ids=lambda said: said[:8].hex(),
)
async def test_an_admitted_peer_that_sends_no_calls_is_shown_out(said: bytes) -> None:
    shard = PaperShard()
    async with opened(shard, limit_bytes=200) as (_, door):
        peer, other = await Peer.admitted(door), await Peer.admitted(door)
        peer.writer.write(said)
        assert await peer.is_shown_out()
        other.writer.write(frame_of(1, "recommend", 1000, b"x"))
        assert await other.frames(1) == [(1, 0, b"a:x")]
        other.writer.close()


async def test_a_method_that_is_not_known_is_refused_and_the_peer_stays() -> None:
    async with opened(PaperShard()) as (_, door):
        peer = await Peer.admitted(door)
        peer.writer.write(frame_of(1, "format_disk", 1000, b"") + frame_of(2, "user", 1000, b"x"))
        refused, answered = await peer.frames(2)
        assert refused[:2] == (1, 1)
        assert b"another version" in bytes(refused[2])  # type: ignore[arg-type]
        assert answered == (2, 0, b"a:x")
        peer.writer.close()


async def test_an_event_whose_time_is_over_is_not_begun() -> None:
    shard = PaperShard()
    async with opened(shard) as (_, door):
        peer = await Peer.admitted(door)
        peer.writer.write(frame_of(1, "append", -1, b"x"))
        (answer,) = await peer.frames(1)
        assert answer[1] != 0
        assert shard.asked == []
        peer.writer.close()


async def test_a_peer_that_comes_byte_by_byte_is_understood() -> None:
    async with opened(PaperShard()) as (_, door):
        peer = await Peer.admitted(door)
        for byte in frame_of(1, "recommend", 1000, b"x"):
            peer.writer.write(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0)
        assert await peer.frames(1) == [(1, 0, b"a:x")]
        peer.writer.close()


async def test_a_peer_that_does_not_read_is_asked_no_more_and_shown_out() -> None:
    shard = PaperShard(b"z" * 65_536)
    async with opened(shard, stall_s=0.2) as (server, door):
        deaf, well = await Peer.admitted(door), await Peer.admitted(door)
        connection: socket.socket = deaf.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.reader._transport.pause_reading()  # type: ignore[attr-defined]  # noqa: SLF001
        sent = 4000
        deaf.writer.write(frame_of(1, "recommend", 1000, b"x") * sent)
        async with asyncio.timeout(10):
            await until(lambda: len(server.peers) == 1)
        # What the system holds between the two, and what we let wait.
        assert len(shard.asked) < 200
        well.writer.write(frame_of(1, "recommend", 1000, b"x"))
        assert len(await well.frames(1)) == 1
        deaf.writer.transport.abort()
        well.writer.close()


def _port_of(server: WireServer) -> int:
    sockets = server._server.sockets  # type: ignore[union-attr]  # noqa: SLF001
    port: int = sockets[0].getsockname()[1]
    return port
