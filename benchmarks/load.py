"""Clients for a while: askers in a closed loop, and clicks at a fixed rate beside them.

Closed loop means that each client asks again when it has its answer: a server that gets slower is
asked less, so that these latencies are those of so many patient clients and not of a fixed rate.
The clicks are an open loop: each is due at its moment, whatever became of those before, and its
time runs from that moment.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from time import perf_counter
from typing import Final

from benchmarks.wire import Wire
from recsys.client import NewFeedback, Recommended
from recsys.client.calls import Call, recommend, send_events
from recsys.errors import ApiError, Unreachable

__all__ = ["Load", "Measured"]

_LIST: Final = 10
_SHOWN: Final = 2000
"""Shown items that may still be clicked."""
_CLICKS: Final = 256
"""Clicks in flight; one more is an error."""
_REFUSED_S: Final = 0.05
"""Pause of a client that got no answer."""


@dataclass
class Measured:
    """What was seen while it counted.

    Attributes
    ----------
    answers_ms, acks_ms
        Of lists and of clicks.
    errors
        By what was asked and how it failed.
    """

    answers_ms: list[float] = field(default_factory=list)
    acks_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


class Load:
    """Puts a load on a server and measures it.

    Parameters
    ----------
    people
        Who asks; drawn uniformly.
    items
        What is clicked as long as nothing was shown.
    """

    def __init__(self, url: str, people: Sequence[str], items: Sequence[str], seed: int) -> None:
        self._url = url
        self._people = people
        self._items = items
        self._rng = Random(seed)
        self._shown = deque[tuple[str, str, str | None]](maxlen=_SHOWN)
        self._measured = Measured()
        self._from_s = 0.0
        self._until_s = 0.0
        self._free: list[Wire] = []

    async def run(
        self, *, clients: int, events_per_s: float, warming_s: float, counted_s: float
    ) -> Measured:
        """Load the server for ``warming_s`` and then for the ``counted_s`` that count."""
        self._measured = Measured()
        self._from_s = perf_counter() + warming_s
        self._until_s = self._from_s + counted_s
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._ask(await stack.enter_async_context(Wire(self._url))))
            if events_per_s > 0:
                self._free = [
                    await stack.enter_async_context(Wire(self._url)) for _ in range(_CLICKS)
                ]
                group.create_task(self._click_at(events_per_s, group))
        return self._measured

    async def _ask(self, wire: Wire) -> None:
        while perf_counter() < self._until_s:
            user_id = self._rng.choice(self._people)
            started_s = perf_counter()
            try:
                shown = await wire.do(_question(user_id))
            except (ApiError, Unreachable) as error:
                self._went_wrong("recommend", error)
                await asyncio.sleep(_REFUSED_S)
                continue
            self._count(self._measured.answers_ms, started_s)
            if shown.items:
                item = self._rng.choice(shown.items)
                self._shown.append((user_id, item.item_id, shown.decision_id))

    async def _click_at(self, per_s: float, group: asyncio.TaskGroup) -> None:
        due_s = perf_counter()
        while due_s < self._until_s:
            # All that are due: one per turn of a busy loop would fall behind.
            while due_s <= perf_counter():
                if self._free:
                    group.create_task(self._click(self._free.pop(), due_s))
                else:
                    self._measured.errors["events: too many in flight"] += 1
                due_s += 1.0 / per_s
            await asyncio.sleep(due_s - perf_counter())

    async def _click(self, wire: Wire, due_s: float) -> None:
        user_id, item_id, decision_id = self._clicked()
        click = NewFeedback(type="click", user_id=user_id, item_id=item_id, decision_id=decision_id)
        try:
            await wire.do(send_events([click]))
        except (ApiError, Unreachable) as error:
            self._went_wrong("events", error)
        else:
            self._count(self._measured.acks_ms, due_s)
        finally:
            self._free.append(wire)

    def _clicked(self) -> tuple[str, str, str | None]:
        """Return whose click on what it is: on something shown, as far as there is any."""
        if self._shown:
            return self._shown.popleft()
        return self._rng.choice(self._people), self._rng.choice(self._items), None

    def _count(self, durations_ms: list[float], started_s: float) -> None:
        now_s = perf_counter()
        if self._from_s <= now_s < self._until_s:
            durations_ms.append((now_s - started_s) * 1000.0)

    def _went_wrong(self, asked: str, error: ApiError | Unreachable) -> None:
        status = f"HTTP {error.status}" if isinstance(error, ApiError) else "no answer"
        self._measured.errors[f"{asked}: {status}"] += 1


def _question(user_id: str) -> Call[Recommended]:
    return recommend(user_id, n=_LIST, context={}, candidates=None, exclude=(), arm=None)
