"""Peers that mean no good, or do not know better, and what the others notice of them: nothing."""

import asyncio
import socket

import pytest

from actors.wire.frames import frame_of
from actors.wire.handshake import MAGIC, VERSION, Door
from tests.wires import PaperShard, Peer, linked, opened, port_of, until


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
        peer = await Peer.at(Door("127.0.0.1", port_of(server), b""))
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
