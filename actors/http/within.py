"""A limit of time for what seldom has to wait: the clock is started when it does.

``asyncio.timeout`` alone makes and breaks a timer each time, 6 us: an eighth of what a gateway's
handler takes for a list, whose body has nearly always come with its head.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from typing_extensions import override

__all__ = ["within"]

T = TypeVar("T")


async def within(
    seconds: float, work: Coroutine[Any, Any, T], late: Callable[[], Exception] = TimeoutError
) -> T:
    """Return the outcome of some work.

    Parameters
    ----------
    seconds
        That it may take from the moment when it first has to wait.
    late
        Makes what is raised when it took longer; it was cancelled then.
    """
    steps = work.__await__()
    try:
        waits_for = next(steps)
    except StopIteration as done:
        outcome: T = done.value
        return outcome
    try:
        async with asyncio.timeout(seconds):
            return await _Rest(steps, waits_for)
    except TimeoutError:
        raise late() from None


class _Rest(Awaitable[T], Generic[T]):
    """What is left of some work that was begun, as ``yield from`` would do all of it (PEP 380)."""

    def __init__(self, steps: Generator[Any, Any, T], waits_for: object) -> None:
        self._steps = steps
        self._waits_for = waits_for

    @override
    def __await__(self) -> Generator[Any, Any, T]:
        waits_for = self._waits_for
        while True:
            try:
                try:
                    sent = yield waits_for
                except BaseException as error:
                    # To be cancelled is what it may have to clean up after.
                    waits_for = self._steps.throw(error)
                else:
                    waits_for = self._steps.send(sent)
            except StopIteration as done:
                outcome: T = done.value
                return outcome
