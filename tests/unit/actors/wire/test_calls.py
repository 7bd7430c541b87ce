"""Calls over the wire, and what becomes of them when a shard goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actors.errors import Overloaded, RuntimeFault, ShardUnavailable
from actors.wire.handshake import Door
from actors.wire.link import Link
from actors.wire.port import WirePort
from recsys.errors import InvalidEvent, StoreError
from tests.wires import NoPort, PaperShard, linked, opened, until


@asynccontextmanager
async def bounded(shard: PaperShard, in_flight: int) -> AsyncIterator[Link]:
    """Yield a link over which so many calls may be in flight."""
    async with opened(shard) as (_, door):

        async def find(_: int) -> Door:
            return door

        link = Link(0, find, in_flight=in_flight)
        await link.reached()
        yield link
        await link.close()


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
        events = [asyncio.ensure_future(link.call("append", b"%d" % n, 5)) for n in range(20)]
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
        # A lone call waits for nobody; those after it are together.
        shard.gate.clear()
        lone = asyncio.ensure_future(link.call("append", b"lone", 5))
        async with asyncio.timeout(5):
            await until(lambda: len(chunks) == 1)
        calls = [link.call("recommend", b"%d" % n, 5) for n in range(50)]
        assert await asyncio.gather(*calls) == [b"a:%d" % n for n in range(50)]
        assert len(chunks) == 2
        shard.gate.set()
        assert await lone == b"a:lone"


async def test_answers_have_left_before_what_follows_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shard = PaperShard()
    async with linked(shard) as (link, server):
        (peer,) = server.peers
        order = list[str]()
        flush = peer._flush  # noqa: SLF001 - what is written is seen by nobody else

        def leave() -> None:
            flush()
            order.append("left")

        monkeypatch.setattr(peer, "_flush", leave)
        monkeypatch.setattr(shard, "settling", lambda: order.append(f"settled {len(shard.asked)}"))
        assert await link.call("recommend", b"x", 5) == b"a:x"
        assert await link.call("recommend", b"y", 5) == b"a:y"
        assert order == ["left", "settled 1", "left", "settled 2"]


async def test_what_fails_behind_an_answer_is_logged_and_harms_no_peer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shard = PaperShard()
    async with linked(shard) as (link, _):

        def fail() -> None:
            raise KeyError("a secret of ours")

        shard.settling = fail
        assert await link.call("recommend", b"x", 5) == b"a:x"
        assert await link.call("recommend", b"y", 5) == b"a:y"
        assert "what follows of its answers failed" in caplog.text


async def test_who_stops_waiting_takes_nothing_with_them() -> None:
    shard = PaperShard()
    shard.gate.clear()
    async with linked(shard) as (link, _):
        one = asyncio.ensure_future(link.call("append", b"1", 5))
        two = asyncio.ensure_future(link.call("append", b"2", 5))
        assert await link.call("recommend", b"", 5) == b"a:"
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        shard.gate.set()
        assert await two == b"a:2"
        assert await link.call("recommend", b"", 5) == b"a:"
        assert ("append", b"1") in shard.asked


async def test_who_stopped_waiting_takes_no_room_when_their_time_is_over() -> None:
    shard = PaperShard()
    shard.gate.clear()
    async with bounded(shard, 1) as link:
        gone = asyncio.ensure_future(link.call("append", b"1", 0.05))
        gone.cancel()
        with pytest.raises(Overloaded):
            await link.call("recommend", b"", 5)
        async with asyncio.timeout(5):
            while True:
                try:
                    assert await link.call("recommend", b"", 5) == b"a:"
                except Overloaded:
                    await asyncio.sleep(0.001)
                else:
                    break
        shard.gate.set()


async def test_a_call_that_takes_too_long_fails_and_the_others_go_on() -> None:
    shard = PaperShard()
    shard.gate.clear()
    async with linked(shard) as (link, _):
        patient = asyncio.ensure_future(link.call("append", b"2", 60))
        late = asyncio.ensure_future(link.call("append", b"1", 0.05))
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
    async with linked(shard) as (link, server):
        before = set(server.peers)
        with pytest.raises(ShardUnavailable, match="did not answer in time"):
            await link.call("append", b"1", 0.05)
        async with asyncio.timeout(5):
            await until(lambda: not before & server.peers)
            await link.reached()
        assert await link.call("recommend", b"", 5) == b"a:"
        shard.gate.set()


async def test_more_calls_than_may_wait_are_refused() -> None:
    shard = PaperShard()
    shard.gate.clear()
    async with linked(shard, in_flight=3) as (link, _):
        waiting = [asyncio.ensure_future(link.call("append", b"%d" % n, 5)) for n in range(3)]
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
    async with bounded(shard, 2) as link:
        waiting = [asyncio.ensure_future(link.call("append", b"", 5)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await link.call("recommend", b"", 5)
        shard.gate.set()
        await asyncio.gather(*waiting)


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
        waiting = asyncio.ensure_future(port.call(0, "append", b"", 5))
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
