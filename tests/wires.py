"""A door, peers and links, for tests of the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypedDict

from typing_extensions import Unpack, override

from actors.messages import Method
from actors.ports import ShardPort
from actors.wire.frames import Frame, FrameReader
from actors.wire.handshake import Caller, Door
from actors.wire.link import Link
from actors.wire.server import WireServer

__all__ = ["Limits", "NoPort", "PaperShard", "Peer", "linked", "opened", "port_of", "until"]


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
    settling
        Called by ``settle``.
    """

    def __init__(self, name: bytes = b"a") -> None:
        self.name = name
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = list[tuple[Method, bytes]]()
        self.fault: Exception | None = None
        self.settling: Callable[[], object] = lambda: None

    def settle(self) -> None:
        self.settling()

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


def port_of(server: WireServer) -> int:
    """Return where a server listens."""
    sockets = server._server.sockets  # type: ignore[union-attr]  # noqa: SLF001
    port: int = sockets[0].getsockname()[1]
    return port
