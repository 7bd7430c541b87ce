"""The group commit: everything that waits is written by one transaction, then learned.

There is no timer. While one commit is on its way to the disk the next one gathers by itself, so a
lone event waits for nobody and a crowd shares its flushes. A commit overlaps with the learning of
the one before it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from time import perf_counter
from typing import NamedTuple, Protocol

from actors.errors import Overloaded, ShardUnavailable
from actors.meters import Quantiles, Rate
from actors.observer import Observer
from recsys.clock import now_ms
from recsys.errors import StoreError
from recsys.events import Decision, Event
from recsys.settings import StoreSettings
from recsys.store.base import Append, Outcome

__all__ = ["Batcher", "Ledger"]

_log = logging.getLogger(__name__)

_RETRY_AFTER_S = 1.0
_FOLD_EVENTS = 8
"""Events learned between two looks at the clock."""
_FOLD_S = 0.002
"""After so long the learning lets waiting recommendations pass."""


class Ledger(Protocol):
    """The two steps of an engine that a batcher takes."""

    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        """Write durably, with where to go on in the logs the events came from; blocks."""
        ...

    def fold(self, events: Sequence[Event], appends: Sequence[Append]) -> None:
        """Teach those that were accepted, in order."""
        ...


class _Group(NamedTuple):
    """Events that came together: never split between commits.

    ``done`` is resolved with one result per event once they are durable and learned, and is
    ``None`` for decisions, for which nobody waits. ``positions`` say where to go on in the outside
    logs that the events came from.
    """

    events: Sequence[Event]
    received_ms: int
    done: asyncio.Future[list[Append]] | None
    positions: Mapping[str, int] | None = None


class Batcher:
    """A bounded queue with one writer, all of it in one event loop.

    Parameters
    ----------
    shard
        Its number, for errors.
    executor
        The store's own thread.
    settings
        ``queue_events`` bounds the events that wait for their commit, decisions included; a commit
        takes groups until it holds ``commit_events``.
    """

    def __init__(
        self,
        shard: int,
        ledger: Ledger,
        executor: Executor,
        settings: StoreSettings,
        observer: Observer,
    ) -> None:
        self.freshness_ms = Quantiles()
        self.rate = Rate()
        self._shard = shard
        self._ledger = ledger
        self._executor = executor
        self._settings = settings
        self._observer = observer
        self._groups: deque[_Group] = deque()
        self._decisions: dict[str, Decision] = {}
        self._waiting = 0
        self._wake = asyncio.Event()
        self._written = asyncio.Event()
        self._stopping = False
        self._writer: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Events that are not durable yet."""
        return self._waiting

    def start(self) -> None:
        """Start the writer."""
        self._writer = asyncio.create_task(self._write(), name=f"shard-{self._shard}-writer")

    async def stop(self) -> None:
        """Take nothing more, and return when all that waits is written and learned."""
        self._stopping = True
        self._wake.set()
        if self._writer is not None:
            await self._writer
            self._writer = None

    def make_room(self, events: int) -> None:
        """Refuse unless ``events`` more fit into the queue.

        Raises
        ------
        Overloaded
            When they do not.
        ShardUnavailable
            After ``stop``.
        """
        if self._stopping:
            raise ShardUnavailable(self._shard, "it is stopping")
        if not self._fits(events):
            self._observer.on_rejected("overloaded", events)
            raise Overloaded(self._shard, _RETRY_AFTER_S)

    async def room_for(self, events: int) -> None:
        """Wait until ``events`` more fit into the queue, for those who need not be refused."""
        while not self._fits(events):
            self._written.clear()
            await self._written.wait()

    def _fits(self, events: int) -> bool:
        # A group larger than the whole queue must pass at some time, so it passes when empty.
        return not self._waiting or self._waiting + events <= self._settings.queue_events

    async def submit(
        self,
        events: Sequence[Event],
        received_ms: int,
        positions: Mapping[str, int] | None = None,
    ) -> list[Append]:
        """Return one result per event, once they are durable and learned.

        Whoever stops waiting does not take the events back.

        Parameters
        ----------
        positions
            Where to go on in the outside logs that the events came from; durable with them.

        Raises
        ------
        Overloaded
            When the queue is full; nothing happened.
        ShardUnavailable
            When the store could not write; nothing happened.
        """
        self.make_room(len(events))
        done: asyncio.Future[list[Append]] = asyncio.get_running_loop().create_future()
        self._put(_Group(events, received_ms, done, positions))
        return await done

    def offer(self, decision: Decision) -> None:
        """Queue a decision for which nobody waits; ask ``make_room`` first."""
        self._decisions[decision.event_id] = decision
        self._put(_Group((decision,), decision.ts_ms, None))

    def find(self, decision_id: str) -> Decision | None:
        """Return a decision that is not durable yet."""
        return self._decisions.get(decision_id)

    def _put(self, group: _Group) -> None:
        self._groups.append(group)
        self._waiting += len(group.events)
        self._wake.set()

    def _take(self) -> list[_Group]:
        taken: list[_Group] = []
        events = 0
        while self._groups and events < self._settings.commit_events:
            taken.append(self._groups.popleft())
            events += len(taken[-1].events)
        return taken

    async def _write(self) -> None:
        learning: asyncio.Task[None] | None = None
        while self._groups or not self._stopping:
            if not self._groups:
                self._wake.clear()
                await self._wake.wait()
                continue
            groups = self._take()
            appends = await self._commit(groups)
            if learning is not None:
                await learning
                learning = None
            if appends is not None:
                learning = asyncio.create_task(self._learn(groups, appends))
        if learning is not None:
            await learning

    async def _commit(self, groups: Sequence[_Group]) -> list[Append] | None:
        events = [event for group in groups for event in group.events]
        positions = dict[str, int]()
        for group in groups:
            positions.update(group.positions or {})
        started = perf_counter()
        loop = asyncio.get_running_loop()
        try:
            appends = await loop.run_in_executor(
                self._executor, self._ledger.append, events, positions
            )
        except StoreError as error:
            self._refuse(groups, f"its store cannot write: {error}")
            return None
        except Exception:
            # The writer must outlive a fault of the store, or every caller waits for ever.
            _log.exception("shard %d: append raised", self._shard)
            self._refuse(groups, "its store failed")
            return None
        finally:
            self._waiting -= len(events)
            self._written.set()
            for group in groups:
                if group.done is None:
                    self._decisions.pop(group.events[0].event_id, None)
        self._observer.on_commit(len(events), perf_counter() - started)
        return appends

    def _refuse(self, groups: Sequence[_Group], reason: str) -> None:
        refused = sum(len(group.events) for group in groups)
        _log.error("shard %d: %d events are not written: %s", self._shard, refused, reason)
        self._observer.on_rejected("store", refused)
        for group in groups:
            if group.done is not None and not group.done.done():
                group.done.set_exception(ShardUnavailable(self._shard, reason))

    async def _learn(self, groups: Sequence[_Group], appends: Sequence[Append]) -> None:
        place = 0
        since = perf_counter()
        for group in groups:
            results = appends[place : place + len(group.events)]
            place += len(group.events)
            for start in range(0, len(results), _FOLD_EVENTS):
                stop = start + _FOLD_EVENTS
                self._fold(group.events[start:stop], results[start:stop])
                if perf_counter() - since > _FOLD_S:
                    await asyncio.sleep(0)
                    since = perf_counter()
            self._settle(group, results)

    def _fold(self, events: Sequence[Event], appends: Sequence[Append]) -> None:
        try:
            self._ledger.fold(events, appends)
        except Exception:
            # They are durable, so their senders must hear so; the log teaches them after a restart.
            _log.exception("shard %d: fold raised", self._shard)

    def _settle(self, group: _Group, results: Sequence[Append]) -> None:
        learned = sum(result.outcome is Outcome.ACCEPTED for result in results)
        self.rate.add(learned)
        if group.done is None:
            return
        if learned:
            # The gateway's clock may run ahead of this one.
            waited_ms = max(0, now_ms() - group.received_ms)
            self.freshness_ms.add(waited_ms, learned)
            self._observer.on_folded(learned, waited_ms / 1000)
        if not group.done.done():
            group.done.set_result(list(results))
