"""An event loop in which chance decides what comes next, and time passes only when told.

Everything that asyncio leaves open is drawn from one seed: which of the callbacks that are ready
runs first, how long each of them takes, and when another thread begins and ends what it was given.
The code under test needs no change for it: work for an executor is taken before it gets there.
"""

import asyncio
import heapq
import random
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context, ContextVar
from functools import partial
from typing import Final, TypeVar

from typing_extensions import TypeVarTuple, Unpack, override

__all__ = ["OWNER", "Loop", "Stuck"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

OWNER: Final = ContextVar("OWNER", default=0)
"""The simulated process that the running code belongs to; 0 for the world around."""
_START_S: Final = 1_000.0
_STEP_S: Final = 0.001
"""The longest that one callback takes."""


class Stuck(Exception):
    """Nothing is ready and no timer runs: whoever waits would wait for ever."""


class Loop(asyncio.BaseEventLoop):
    """A loop without threads, files and sockets.

    Parameters
    ----------
    patience_s
        The longest that another thread waits before it begins, or before it tells that it ended.
    """

    def __init__(self, chance: random.Random, *, patience_s: float = 0.02) -> None:
        super().__init__()
        self._chance = chance
        self._patience_s = patience_s
        self._now_s = _START_S
        self._soon: list[asyncio.Handle] = []
        self._later: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers = 0
        self._threads: dict[Executor | None, deque[Callable[[], None]]] = {}
        self.faults: list[BaseException] = []
        """What callbacks raised and nobody caught."""
        self.owned: defaultdict[int, list[asyncio.Task[object]]] = defaultdict(list)
        """Tasks by ``OWNER``, of whoever has one."""
        self.set_exception_handler(self._note)

    @override
    def time(self) -> float:
        return self._now_s

    def now_ms(self) -> int:
        """Return the time of this world, in milliseconds."""
        return int(self._now_s * 1000)

    @override
    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[object, object, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Make a task that is known by its owner, so that a process can be killed."""
        task = super().create_task(coro, name=name, context=context)
        owner = OWNER.get() if context is None else context.get(OWNER, 0)
        if owner:
            self.owned[owner].append(task)
        return task

    @override
    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append(handle)
        return handle

    @override
    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    @override
    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers += 1
        heapq.heappush(self._later, (when, self._timers, handle))
        return handle

    @override
    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Do the work in one piece at a random moment; one after the other for an executor."""
        answer: asyncio.Future[T] = self.create_future()
        queue = self._threads.setdefault(executor, deque())
        queue.append(partial(self._work, executor, answer, partial(func, *args)))
        if len(queue) == 1:
            self.call_later(self._while(), queue[0])
        return answer

    def _work(
        self, executor: Executor | None, answer: "asyncio.Future[T]", work: Callable[[], T]
    ) -> None:
        # Work that was given up before it began is not done, as with a real executor.
        if not answer.cancelled():
            try:
                tell: Callable[[], None] = partial(_succeed, answer, work())
            except Exception as error:
                tell = partial(_fail, answer, error)
            self.call_later(self._while(), tell)
        queue = self._threads[executor]
        queue.popleft()
        if queue:
            self.call_later(self._while(), queue[0])

    def _while(self) -> float:
        return self._chance.random() ** 2 * self._patience_s

    def _run_once(self) -> None:
        """Run one callback; asyncio's own loop calls this again and again."""
        if not self._soon and not self._later:
            raise Stuck
        if not self._soon and self._later[0][0] > self._now_s:
            self._now_s = self._later[0][0]
        while self._later and self._later[0][0] <= self._now_s:
            self._soon.append(heapq.heappop(self._later)[2])
        place = self._chance.randrange(len(self._soon))
        self._soon[place], self._soon[-1] = self._soon[-1], self._soon[place]
        handle = self._soon.pop()
        self._now_s += self._chance.random() * _STEP_S
        if not handle.cancelled():
            handle._run()  # noqa: SLF001 - what a loop is for; asyncio's own does the same

    def _note(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        message = str(context.get("message"))
        self.faults.append(error if isinstance(error, BaseException) else RuntimeError(message))


def _succeed(answer: "asyncio.Future[T]", result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: "asyncio.Future[T]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
