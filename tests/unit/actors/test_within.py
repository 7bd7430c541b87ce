"""A limit of time for what seldom has to wait."""

import asyncio
from contextlib import suppress
from typing import NoReturn

import pytest

from actors.http.within import within


async def test_what_need_not_wait_starts_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    def starts(_: float) -> NoReturn:
        raise AssertionError("a clock was started")

    monkeypatch.setattr(asyncio, "timeout", starts)

    async def ready() -> int:
        return 7

    async def refuses() -> int:
        raise ValueError("no")

    assert await within(0.0, ready()) == 7
    with pytest.raises(ValueError, match="no"):
        await within(0.0, refuses())


async def test_what_waits_goes_on_as_if_nobody_stood_between() -> None:
    loop = asyncio.get_running_loop()
    first: asyncio.Future[int] = loop.create_future()
    second: asyncio.Future[int] = loop.create_future()

    async def adds() -> int:
        found = await first
        await asyncio.sleep(0)
        with suppress(KeyError):
            await second
        return found + 1

    waiting = asyncio.create_task(within(60.0, adds()))
    await asyncio.sleep(0)
    first.set_result(1)
    second.set_exception(KeyError())
    assert await waiting == 2


async def test_what_waits_too_long_is_cancelled_and_cleans_up() -> None:
    cleaned = list[str]()

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    with pytest.raises(TimeoutError):
        await within(0.01, never())
    assert cleaned == ["up"]
    with pytest.raises(KeyError, match="late"):
        await within(0.01, never(), lambda: KeyError("late"))


async def test_who_is_cancelled_from_outside_is_not_late() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(within(60.0, never()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_will_not_be_cancelled_still_ends() -> None:
    gate = asyncio.Event()

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await gate.wait()
        return "done"

    waiting = asyncio.create_task(within(60.0, stubborn()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    assert await waiting == "done"
