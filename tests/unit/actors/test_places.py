"""Places: how many are inside, whose turn it is, and what becomes of a place nobody takes."""

import asyncio

from actors.http.places import Places


async def waiting_for(places: Places, order: list[str], name: str) -> asyncio.Task[None]:
    """Begin to wait for a place."""

    async def wait() -> None:
        await places.wait()
        order.append(name)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    return task


def test_so_many_may_be_inside() -> None:
    places = Places(1, 1)
    assert places.enter()
    assert places.enter()
    assert not places.enter()
    places.leave()
    assert places.enter()
    assert not Places().enter()


async def test_who_came_first_is_first_and_nobody_goes_before() -> None:
    places = Places(1, 2)
    order = list[str]()
    assert places.take()
    tasks = [await waiting_for(places, order, name) for name in ("ann", "bob")]
    places.give_back()
    assert not places.take(), "it is ann's"
    places.give_back()
    await asyncio.gather(*tasks)
    assert order == ["ann", "bob"]
    assert not places.take()
    places.give_back()
    assert places.take()


async def test_a_place_goes_past_who_has_stopped_waiting() -> None:
    places = Places(1, 3)
    order = list[str]()
    assert places.take()
    before, late, last = [await waiting_for(places, order, name) for name in ("ann", "bob", "eve")]
    before.cancel()
    places.give_back()
    # It is bob's by now, who does not know it yet.
    late.cancel()
    await asyncio.wait([before, late, last])
    assert before.cancelled()
    assert late.cancelled()
    assert order == ["eve"]
    places.give_back()
    assert places.take()


async def test_the_end_comes_when_the_last_has_left() -> None:
    places = Places(2, 0)
    await places.emptied()
    assert places.enter()
    assert places.enter()
    end = asyncio.create_task(places.emptied())
    await asyncio.sleep(0)
    places.leave()
    await asyncio.sleep(0)
    assert not end.done()
    places.leave()
    await end
