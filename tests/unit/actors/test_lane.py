"""Calls that travel together."""

import asyncio
from collections.abc import Sequence

import pytest

from actors.errors import Overloaded, ShardUnavailable
from actors.lane import Call, Lane, Reply


class Carrier:
    """Keeps messages until ``deliver``; echoes payloads, and fails those that say so."""

    def __init__(self) -> None:
        self.messages: list[list[bytes]] = []
        self.sent = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.down = False

    async def send(self, calls: Sequence[Call]) -> Sequence[Reply]:
        self.messages.append([payload for _, payload in calls])
        self.sent.release()
        await self.open.wait()
        if self.down:
            raise ShardUnavailable(3, "it is restarting")
        return [
            Overloaded(3, 1.0) if payload == b"full" else method.encode() + b":" + payload
            for method, payload in calls
        ]


async def test_calls_of_one_tick_share_a_message_and_get_their_own_answers() -> None:
    carrier = Carrier()
    carrier.open.set()
    lane = Lane(carrier.send)
    answers = await asyncio.gather(
        lane.call("user", b"a", 5), lane.call("stats", b"b", 5), lane.call("user", b"c", 5)
    )
    assert list(answers) == [b"user:a", b"stats:b", b"user:c"]
    assert carrier.messages == [[b"a", b"b", b"c"]]


async def test_a_crowd_waits_for_a_free_place_and_travels_in_bounded_messages() -> None:
    carrier = Carrier()
    lane = Lane(carrier.send, in_flight=2, most=3)
    calls = [
        asyncio.create_task(lane.call("user", str(number).encode(), 5)) for number in range(10)
    ]
    await carrier.sent.acquire()
    await carrier.sent.acquire()
    assert [len(message) for message in carrier.messages] == [3, 3]
    carrier.open.set()
    assert await asyncio.gather(*calls) == [b"user:%d" % number for number in range(10)]
    assert [len(message) for message in carrier.messages] == [3, 3, 3, 1]


async def test_one_refusal_is_its_callers_alone() -> None:
    carrier = Carrier()
    carrier.open.set()
    lane = Lane(carrier.send)
    good, bad = await asyncio.gather(
        lane.call("append", b"x", 5), lane.call("append", b"full", 5), return_exceptions=True
    )
    assert good == b"append:x"
    assert isinstance(bad, Overloaded)


async def test_a_message_that_is_lost_fails_all_its_calls_and_frees_its_place() -> None:
    carrier = Carrier()
    carrier.open.set()
    carrier.down = True
    lane = Lane(carrier.send, in_flight=1)
    answers = await asyncio.gather(
        lane.call("user", b"a", 5), lane.call("user", b"b", 5), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [ShardUnavailable, ShardUnavailable]
    carrier.down = False
    assert await lane.call("user", b"c", 5) == b"user:c"


async def test_a_call_that_waited_too_long_is_never_sent() -> None:
    carrier = Carrier()
    lane = Lane(carrier.send, in_flight=1)
    stuck = asyncio.create_task(lane.call("user", b"first", 5))
    await carrier.sent.acquire()
    with pytest.raises(TimeoutError):
        await lane.call("user", b"late", 0.01)
    carrier.open.set()
    assert await stuck == b"user:first"
    assert await lane.call("user", b"next", 5) == b"user:next"
    assert carrier.messages == [[b"first"], [b"next"]]


async def test_more_calls_than_may_wait_are_refused() -> None:
    carrier = Carrier()
    lane = Lane(carrier.send, in_flight=1, most=2, waiting=3, shard=5)
    calls = [asyncio.create_task(lane.call("user", b"sent", 5)) for _ in range(2)]
    await carrier.sent.acquire()
    calls += [asyncio.create_task(lane.call("user", b"waits", 5)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await lane.call("user", b"too many", 5)
    assert (refused.value.shard, refused.value.retry_after_s) == (5, 1.0)
    carrier.open.set()
    assert await asyncio.gather(*calls) == [b"user:sent"] * 2 + [b"user:waits"] * 3
    assert await lane.call("user", b"again", 5) == b"user:again"
