"""Sends a world's people to a server: recommend, look, click, dwell, and again.

Every person waits for the answer, and for the acknowledgement of their clicks, before they look at
the next list. Impressions are not sent: the server knows its decisions.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from recsys.client import AsyncClient, Item, NewFeedback, Recommended
from recsys.errors import ApiError, Unreachable
from simulators.audience import Person
from simulators.measure import Latency, Tally
from simulators.report import Report
from simulators.truth import personal_rates
from simulators.worlds import Click, World

__all__ = ["Driver", "Pace", "put_all", "until_ready"]

_PUT_BATCH = 500
_READY_EVERY_S = 0.2


@dataclass(frozen=True)
class Pace:
    """How fast the people are.

    Attributes
    ----------
    people_at_once
        Visits that run at the same time; each has at most one request in flight.
    rate
        Requests per second, 0 for as many as the server answers.
    speed
        Seconds of the world per second, for arrivals and thinking; 0 never waits.
    list_length
        Items asked for.
    switch_at_s
        When everybody's taste switches, from the start of the run.
    grace_s
        How long running requests may go on once the run shall stop.
    """

    people_at_once: int = 32
    rate: float = 0.0
    speed: float = 0.0
    list_length: int = 10
    switch_at_s: float | None = None
    grace_s: float = 2.0


async def until_ready(client: AsyncClient, patience_s: float) -> bool:
    """Return whether every shard answers, asking again for a while.

    Raises
    ------
    Unreachable
        When nothing listens there at all.
    ApiError
        When what listens there is something else.
    """
    last = perf_counter() + patience_s
    while not await client.ready():
        if perf_counter() >= last:
            return False
        await asyncio.sleep(_READY_EVERY_S)
    return True


async def put_all(client: AsyncClient, items: Sequence[Item]) -> None:
    """Put a whole catalogue, in batches."""
    for start in range(0, len(items), _PUT_BATCH):
        await client.put_items(items[start : start + _PUT_BATCH])


class Driver:
    """Runs visits until it is told to stop.

    Parameters
    ----------
    world
        Who comes and what they like.
    client
        Should allow as many connections as there are people at once.
    report
        Takes in what happens.
    """

    def __init__(self, world: World, client: AsyncClient, pace: Pace, report: Report) -> None:
        self._world = world
        self._client = client
        self._pace = pace
        self._report = report
        self._arrivals = world.arrivals()
        self._busy: set[int] = set()
        self._stop = asyncio.Event()
        self._started_s = perf_counter()
        self._next_request_s = 0.0

    def stop(self) -> None:
        """End the run: no new lists are asked for."""
        self._stop.set()

    async def put_items(self) -> None:
        """Tell the server about the world's items."""
        catalogue = self._world.catalogue
        pairs = zip(catalogue.ids, catalogue.attributes, strict=True)
        await put_all(self._client, [Item(*pair) for pair in pairs])

    async def run(self, duration_s: float | None) -> None:
        """Run for ``duration_s`` seconds, without end for ``None``, or until ``stop``.

        Errors of single requests are counted in the report and end the visit.

        Raises
        ------
        ApiError
            When the server wants another key than the client's: nobody gets any further.
        """
        self._started_s = perf_counter()
        # A worker looks for a seat that is not taken: there must be one.
        n_workers = min(self._pace.people_at_once, len(self._world.people))
        workers = [asyncio.create_task(self._work()) for _ in range(n_workers)]
        stopped = asyncio.create_task(self._stop.wait())
        try:
            # A worker only returns before the stop when it fails: that must not go unseen.
            await asyncio.wait(
                [stopped, *workers], timeout=duration_s, return_when=asyncio.FIRST_COMPLETED
            )
            self._stop.set()
            await asyncio.wait(workers, timeout=self._pace.grace_s)
        finally:
            for task in (stopped, *workers):
                task.cancel()
            ends = await asyncio.gather(stopped, *workers, return_exceptions=True)
            self._tick()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _work(self) -> None:
        while not self._stop.is_set():
            at_s, seat = self._arrival()
            self._busy.add(seat)
            try:
                if self._pace.speed > 0:
                    await self._pause(at_s / self._pace.speed - self._tick())
                await self._visit(seat)
            finally:
                self._busy.discard(seat)

    def _arrival(self) -> tuple[float, int]:
        """Return when and to which seat someone comes next; nobody comes twice at a time."""
        return next(arrival for arrival in self._arrivals if arrival[1] not in self._busy)

    async def _visit(self, seat: int) -> None:
        switch_at_s = self._pace.switch_at_s
        if switch_at_s is not None and self._report.switched_at_s is None:
            now_s = self._tick()
            if now_s >= switch_at_s:
                self._report.switched_at_s = now_s
                self._world.switch()
        visit = self._world.visit(seat)
        for round_number in range(visit.rounds):
            if round_number > 0 and self._pace.speed > 0:
                await self._pause(self._world.think_s(visit.person) / self._pace.speed)
            if self._stop.is_set() or not await self._round(visit.person):
                return

    async def _round(self, person: Person) -> bool:
        """Show one list and send what came of it; return whether the person stays."""
        try:
            await self._turn()
            with self._timed(self._report.recommend):
                shown = await self._client.recommend(person.user_id, n=self._pace.list_length)
        except (ApiError, Unreachable) as error:
            self._note("recommend", error)
            return False
        clicks = self._look(person, shown)
        if not clicks:
            return True
        try:
            await self._turn()
            with self._timed(self._report.events):
                results = await self._client.send_events(_feedback(person, shown, clicks))
        except (ApiError, Unreachable) as error:
            self._note("events", error)
            return False
        self._report.sent(results)
        return True

    def _note(self, what: str, error: ApiError | Unreachable) -> None:
        if isinstance(error, ApiError) and error.denied:
            raise error
        self._report.went_wrong(what, error)

    def _look(self, person: Person, shown: Recommended) -> list[Click]:
        n = len(shown.items)
        if n == 0:
            return []
        best, uniform = personal_rates(self._world, person, n)
        clicks = self._world.look(person, [item.item_id for item in shown.items])
        self._tick()
        self._report.saw(shown.policy, Tally(1, n, len(clicks), n * best, n * uniform))
        return clicks

    @contextmanager
    def _timed(self, latency: Latency) -> Iterator[None]:
        start_s = perf_counter()
        yield
        latency.add((perf_counter() - start_s) * 1000.0)

    async def _turn(self) -> None:
        """Wait until the wanted rate allows another request."""
        if self._pace.rate <= 0:
            return
        now_s = perf_counter()
        at_s = max(self._next_request_s, now_s)
        self._next_request_s = at_s + 1.0 / self._pace.rate
        await self._pause(at_s - now_s)

    async def _pause(self, wait_s: float) -> None:
        """Sleep, but not beyond the stop."""
        if wait_s <= 0:
            return
        try:
            await asyncio.wait_for(self._stop.wait(), timeout=wait_s)
        except TimeoutError:
            return

    def _tick(self) -> float:
        """Bring the report's time up to now and return it."""
        self._report.elapsed_s = perf_counter() - self._started_s
        return self._report.elapsed_s


def _feedback(person: Person, shown: Recommended, clicks: Sequence[Click]) -> list[NewFeedback]:
    """Return a click and a dwell per clicked item, ids made from the decision's."""
    events = []
    for click in clicks:
        for kind, value in (("click", None), ("dwell", click.dwell_s)):
            events.append(
                NewFeedback(
                    type=kind,
                    user_id=person.user_id,
                    item_id=click.item_id,
                    event_id=f"{shown.decision_id}:{click.rank}:{kind}",
                    decision_id=shown.decision_id,
                    value=value,
                )
            )
    return events
