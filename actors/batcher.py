"""The group commit: everything that waits is written by one transaction, then learned.

While one commit is on its way to the disk the next one gathers by itself, so a lone event waits for
nobody and a crowd shares its flushes. A commit overlaps with the learning of the one before it.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Final, Protocol

from actors.commit_queue import CommitQueue, Group, Pause
from actors.errors import Overloaded, ShardUnavailable
from actors.meters import Pace, Quantiles, Rate
from actors.observer import Observer
from recsys.clock import now_ms
from recsys.errors import FlushFailed, StoreError
from recsys.events import Decision, Event
from recsys.settings import StoreSettings
from recsys.store.base import Append, Outcome

__all__ = ["SLICE_S", "Batcher", "Doomed", "Ledger"]

_log = logging.getLogger(__name__)

_PLACE: Final = re.compile(r"^/.*?: ")
"""The path with which a store's complaint begins."""
_RETRY_AFTER_S = (1.0, 60.0)
"""Refused senders are told to come back after so long, at least and at most."""
_KEPT = 10
"""One in so many places of the queue is kept for decisions."""
SLICE_S: Final = 0.002
"""After so long whatever can wait lets waiting questions pass."""


Doomed = Callable[[FlushFailed], None]


class Ledger(Protocol):
    """The two steps of an engine that a batcher takes."""

    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        """Write durably, with where to go on in the logs the events came from; blocks."""
        ...

    def folding(self, events: Sequence[Event], appends: Sequence[Append]) -> Iterator[None]:
        """Teach those that were accepted, in order, in short steps."""
        ...


class Batcher:
    """A bounded queue with one writer, all of it in one event loop.

    Parameters
    ----------
    shard
        Its number, for errors.
    executor
        The store's own thread.
    settings
        ``queue_events`` bounds the events that wait for their commit, decisions included, and
        ``queue_s`` how long, as far as can be told, for events; some places are kept for decisions,
        so that a rush of events does not end recommending. A commit takes groups until it holds
        ``commit_events``.
    doomed
        Called when nothing can be written until the store is opened anew.

    Attributes
    ----------
    learning
        Held while a few events are learned: who else holds it has a state that stands still.
    """

    def __init__(
        self,
        shard: int,
        ledger: Ledger,
        executor: Executor,
        settings: StoreSettings,
        observer: Observer,
        doomed: Doomed,
    ) -> None:
        self.freshness_ms = Quantiles()
        self.rate = Rate()
        self.learning = asyncio.Lock()
        self._shard = shard
        self._ledger = ledger
        self._executor = executor
        self._settings = settings
        self._observer = observer
        self._doomed = doomed
        self._queue = CommitQueue(settings.commit_events, settings.decisions_linger_s)
        self._decisions: dict[str, Decision] = {}
        self._waiting = 0
        self._pace = Pace()
        self._written = asyncio.Event()
        self._stopping = False
        self._writer: asyncio.Task[None] | None = None
        self._refusing = ""

    @property
    def refusing(self) -> str:
        """Why the last commit was not written, empty when it was: for the operator alone."""
        return self._refusing

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
        self._queue.hurry()
        if self._writer is not None:
            await self._writer
            self._writer = None

    def resume(self) -> None:
        """Take events again, after ``stop``."""
        self._stopping = False
        self.start()

    def make_room(self, events: int, *, patient: bool = True, ahead: int = 0) -> None:
        """Refuse unless ``events`` more fit into the queue.

        Parameters
        ----------
        patient
            Whether nobody waits for them, so that the time they take does not matter.
        ahead
            Events that found room before, and will be queued before these.

        Raises
        ------
        Overloaded
            When they do not.
        ShardUnavailable
            After ``stop``.
        """
        if self._stopping:
            raise ShardUnavailable(self._shard, "it is stopping")
        # A group larger than the whole queue must pass at some time, so it passes when empty.
        waiting = self._waiting + ahead
        if not waiting:
            return
        bound = self._settings.queue_events
        full = waiting + events > (bound if patient else bound - bound // _KEPT)
        if patient and not full:
            return
        wait_s = self._pace.seconds_for(waiting)
        if full or (not patient and wait_s is not None and wait_s > self._settings.queue_s):
            self._observer.on_rejected("overloaded", events)
            shortest, longest = _RETRY_AFTER_S
            # When the queue of now is gone, there is room again, also for those who come back.
            raise Overloaded(self._shard, min(max(wait_s or 0.0, shortest), longest))

    async def room_for(self, events: int) -> None:
        """Wait until ``events`` more fit into the queue, for those who need not be refused."""
        while not self._fits(events):
            self._written.clear()
            await self._written.wait()

    def _fits(self, events: int) -> bool:
        bound = self._settings.queue_events
        return not self._waiting or self._waiting + events <= bound - bound // _KEPT

    async def submit(
        self,
        events: Sequence[Event],
        received_ms: int,
        positions: Mapping[str, int] | None = None,
        *,
        counted: bool = True,
    ) -> list[Append]:
        """Return one result per event, once they are durable and learned.

        Whoever stops waiting does not take the events back.

        Parameters
        ----------
        positions
            Where to go on in the outside logs that the events came from; durable with them.
        counted
            Whether they are what somebody did, and count in the rate and the freshness.

        Raises
        ------
        Overloaded
            When the queue is full; nothing happened.
        ShardUnavailable
            When the store could not write. After a failed flush the events may be there all the
            same once the shard is opened anew: send them again with the same ids.
        """
        # What comes from an outside log waits there as well.
        self.make_room(len(events), patient=positions is not None)
        done: asyncio.Future[list[Append]] = asyncio.get_running_loop().create_future()
        self._waiting += len(events)
        self._queue.put(Group(events, received_ms, done, positions, counted))
        return await done

    def offer(self, decision: Decision) -> None:
        """Queue a decision for which nobody waits; ask ``make_room`` first."""
        self._decisions[decision.event_id] = decision
        self._waiting += 1
        self._queue.put(Group((decision,), decision.ts_ms, None))

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Hold the writer: inside, nothing is written, and all that came before is learned.

        What comes in the meantime waits, so let it be short. ``stop`` waits for the end.

        Raises
        ------
        ShardUnavailable
            After ``stop``.
        """
        if self._stopping:
            raise ShardUnavailable(self._shard, "it is stopping")
        pause = self._queue.pause()
        try:
            await pause.reached.wait()
            yield
        finally:
            pause.over.set()

    def put_first(self, event: Event) -> asyncio.Future[list[Append]]:
        """Queue an event before all that waits, while ``paused``; await the result afterwards."""
        done: asyncio.Future[list[Append]] = asyncio.get_running_loop().create_future()
        self._waiting += 1
        self._queue.put_first(Group((event,), now_ms(), done))
        return done

    def find(self, decision_id: str) -> Decision | None:
        """Return a decision that is not durable yet."""
        return self._decisions.get(decision_id)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        learning: asyncio.Task[None] | None = None
        while self._queue or not self._stopping:
            await self._queue.due()
            if not self._queue:
                # There was nothing left when it was told to stop.
                self._queue.rest()
                continue
            head = self._queue.head
            if isinstance(head, Pause):
                self._queue.drop_pause()
                if learning is not None:
                    await learning
                    learning = None
                head.reached.set()
                await head.over.wait()
                continue
            groups = self._queue.take()
            started = loop.time()
            appends = await self._commit(groups)
            if learning is not None:
                await learning
                learning = None
            taken = sum(len(group.events) for group in groups)
            # What a few events take says little: a flush takes as long for one as for many.
            if taken >= self._settings.commit_events and self._queue:
                self._pace.add(taken, loop.time() - started)
            if appends is not None:
                learning = asyncio.create_task(self._learn(groups, appends))
        if learning is not None:
            await learning

    async def _commit(self, groups: Sequence[Group]) -> list[Append] | None:
        events = [event for group in groups for event in group.events]
        positions = dict[str, int]()
        for group in groups:
            positions.update(group.positions or {})
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            appends = await loop.run_in_executor(
                self._executor, self._ledger.append, events, positions
            )
        except StoreError as error:
            self._refuse(groups, str(error))
            if isinstance(error, FlushFailed):
                self._doomed(error)
            return None
        except Exception:
            # The writer must outlive a fault of the store, or every caller waits for ever.
            _log.exception("shard %d: append raised", self._shard)
            self._refuse(groups, "a fault of its own; the log of the shard has more")
            return None
        finally:
            self._waiting -= len(events)
            self._written.set()
            for group in groups:
                if group.done is None:
                    self._decisions.pop(group.events[0].event_id, None)
        self._observer.on_commit(len(events), loop.time() - started)
        if self._refusing:
            _log.info("shard %d: events are written again", self._shard)
        self._refusing = ""
        return appends

    def _refuse(self, groups: Sequence[Group], reason: str) -> None:
        refused = sum(len(group.events) for group in groups)
        if reason != self._refusing:
            # Once, not at every commit: the log may lie on the same full disk.
            _log.error("shard %d: events are not written: %s", self._shard, reason)
        self._refusing = reason
        self._observer.on_rejected("store", refused)
        for group in groups:
            if group.done is not None and not group.done.done():
                # Where its file lies is nothing for callers.
                why = f"its store cannot write: {_PLACE.sub('', reason)}"
                group.done.set_exception(ShardUnavailable(self._shard, why))

    async def _learn(self, groups: Sequence[Group], appends: Sequence[Append]) -> None:
        loop = asyncio.get_running_loop()
        place = 0
        since = loop.time()
        for group in groups:
            results = appends[place : place + len(group.events)]
            place += len(group.events)
            for event, result in zip(group.events, results, strict=True):
                async with self.learning:
                    since = await self._fold(event, result, since)
                if loop.time() - since > SLICE_S:
                    await asyncio.sleep(0)
                    since = loop.time()
            self._settle(group, results)

    async def _fold(self, event: Event, append: Append, since: float) -> float:
        """Learn an event; returns when others had their last turn, which was at ``since``."""
        loop = asyncio.get_running_loop()
        try:
            for _ in self._ledger.folding((event,), (append,)):
                if loop.time() - since > SLICE_S:
                    await asyncio.sleep(0)
                    since = loop.time()
        except Exception:
            # It is durable, so its sender must hear so; the log teaches it after a restart.
            _log.exception("shard %d: fold raised", self._shard)
        return since

    def _settle(self, group: Group, results: Sequence[Append]) -> None:
        learned = sum(result.outcome is Outcome.ACCEPTED for result in results)
        if not group.counted:
            learned = 0
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
