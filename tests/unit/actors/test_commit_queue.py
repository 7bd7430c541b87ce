"""Who waits for a commit has it at once; decisions wait a moment for company."""

import asyncio

from actors.commit_queue import CommitQueue, Group
from recsys.events import Decision, Event
from tests.stores import clicks

HOUR = 3600.0


def decision(number: int) -> Group:
    made = Decision(event_id=f"d{number}", user_id="u", ts_ms=number, slots=(), policy="learner")
    return Group((made,), number, None)


def feedback(*numbers: int) -> Group:
    events: list[Event] = [event for n in numbers for event in clicks(n, n)]
    return Group(events, 0, asyncio.get_running_loop().create_future())


async def is_due(queue: CommitQueue) -> bool:
    waiting = asyncio.ensure_future(queue.due())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    found = waiting.done()
    waiting.cancel()
    return found


def ids(groups: list[Group]) -> list[str]:
    return [event.event_id for group in groups for event in group.events]


async def test_a_decision_waits_for_company() -> None:
    queue = CommitQueue(100, HOUR)
    queue.put(decision(1))
    queue.put(decision(2))
    assert not await is_due(queue)
    queue.put(feedback(3))
    assert await is_due(queue)
    assert ids(queue.take()) == ["d1", "d2", "e3"]
    queue.put(decision(4))
    assert not await is_due(queue)


async def test_but_not_for_long() -> None:
    queue = CommitQueue(100, 0.001)
    queue.put(decision(1))
    async with asyncio.timeout(20):
        await queue.due()
    assert ids(queue.take()) == ["d1"]
    assert not await is_due(queue)


async def test_nor_where_there_is_company_enough() -> None:
    queue = CommitQueue(3, HOUR)
    for number in range(7):
        queue.put(decision(number))
    assert await is_due(queue)
    assert ids(queue.take()) == ["d0", "d1", "d2"]
    # The rest has waited for this commit already.
    assert await is_due(queue)
    assert ids(queue.take()) == ["d3", "d4", "d5"]
    assert await is_due(queue)
    assert ids(queue.take()) == ["d6"]
    assert not await is_due(queue)


async def test_a_pause_takes_what_is_before_it_along() -> None:
    queue = CommitQueue(100, HOUR)
    queue.put(decision(1))
    pause = queue.pause()
    queue.put(decision(2))
    assert await is_due(queue)
    assert ids(queue.take()) == ["d1"]
    assert queue.head is pause
    queue.put_first(feedback(3))
    assert ids(queue.take()) == ["e3"]
    queue.drop_pause()
    assert ids(queue.take()) == ["d2"]


async def test_who_hurries_is_told_of_nothing_too() -> None:
    queue = CommitQueue(100, HOUR)
    queue.hurry()
    assert await is_due(queue)
    queue.rest()
    assert not await is_due(queue)
    queue.put(decision(1))
    queue.hurry()
    queue.rest()
    assert await is_due(queue)
