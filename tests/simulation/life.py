"""One life of a shard's process: from opening its file to the end, whatever that is."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final, TypeVar

from typing_extensions import override

from actors.errors import Overloaded, ShardUnavailable
from actors.messages import Method
from actors.shard import Shard
from recsys.decision import Recommendation, Request
from recsys.engine import Engine
from recsys.errors import InvalidEvent, StoreError
from recsys.events import Event
from recsys.store.base import Append
from recsys.store.sqlite import SqliteStore
from tests.simulation.disk import Disk, DiskFault
from tests.simulation.history import KEY, Broken, History
from tests.simulation.loop import OWNER, Loop
from tests.simulation.plan import Plan
from tests.simulation.vfs import NAME, mounted

__all__ = ["FILE", "Kinds", "Life", "WatchedEngine", "WatchedStore"]

T = TypeVar("T")

FILE: Final = "log.sqlite"
_STOP_S: Final = 60.0
"""A shard that takes longer to stop hangs."""


class WatchedStore(SqliteStore):
    """The store, with a checkpoint as often as the plan says."""

    @staticmethod
    def before_opening(disk: Disk) -> None:
        """Do what the store does to its files by itself where they lie on a real file system.

        There it writes SQLite's log anew once it has the lock, past SQLite's file system.
        """
        try:
            disk.flush_again(f"{FILE}-wal")
        except DiskFault as fault:
            raise StoreError(str(fault)) from fault

    def checkpoint_every(self, pages: int) -> None:
        """Copy SQLite's log into the file when it has so many pages."""
        with self._file.use() as connection:
            connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")


class WatchedEngine(Engine):
    """The engine, telling the history what it wrote and what it knew when it was closed.

    Attributes
    ----------
    history
        Hears of it; ``None`` while the engine opens.
    sources
        Where records of outside logs stand, by event id; they are written with their positions.
    """

    history: History | None = None
    sources: Mapping[str, tuple[str, int]] = {}

    @property
    def lame(self) -> bool:
        """Whether it has not learned an event, because the disk could not be read."""
        return bool(self._missed)

    @override
    def recommend(self, request: Request, *, decoded: bool = False) -> Recommendation:
        if self.lame and self.history is not None:
            self.history.excuse(request.decision_id)
        return super().recommend(request, decoded=decoded)

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        reached = self.store.positions() if self.sources else {}
        news = dict[str, int]()
        for event in events:
            if event.event_id in self.sources:
                source, offset = self.sources[event.event_id]
                news[source] = max(offset + 1, news.get(source, 0), reached.get(source, 0))
        appends = super().append(events, news)
        if self.history is not None:
            self.history.wrote(events, appends)
        return appends

    @override
    def close(self) -> None:
        self.testify()
        super().close()

    def testify(self) -> None:
        """Tell what it has learned by now, if it can."""
        if self.history is None or self.lame:
            return
        try:
            fingerprint = self.fingerprint()
        except StoreError:
            return
        self.history.learned(self.stats().sequence, fingerprint)


@dataclass(frozen=True)
class Kinds:
    """What is simulated; tests of the simulation put broken ones in."""

    store: type[WatchedStore] = WatchedStore
    engine: type[WatchedEngine] = WatchedEngine
    shard: type[Shard] = Shard


class Life:
    """A process with one shard.

    Parameters
    ----------
    number
        From 1, as in ``loop.OWNER``.

    Raises
    ------
    StoreError
        When the disk failed while it opened.
    """

    def __init__(self, number: int, plan: Plan, disk: Disk, loop: Loop, kinds: Kinds) -> None:
        self.disk = disk
        self.gone: asyncio.Future[bytes] = loop.create_future()
        self._loop = loop
        self._number = number
        self._context = copy_context()
        self._context.run(OWNER.set, number)
        self._stack = ExitStack()
        with self._stack:
            folder = self._stack.enter_context(mounted(disk))
            kinds.store.before_opening(disk)
            self.store = kinds.store(folder / FILE, log_events=plan.log_events, vfs=NAME)
            self._stack.callback(self.store.close)
            self.store.checkpoint_every(plan.checkpoint_pages)
            self.engine = kinds.engine(self.store, plan.settings.engine, KEY)
            self.shard = kinds.shard(0, plan.settings, self.engine)
            self._stack = self._stack.pop_all()

    async def start(self) -> None:
        """Have the shard take calls."""
        await self._inside(self.shard.start())

    def call(self, method: Method, payload: bytes) -> "asyncio.Task[bytes]":
        """Begin a call."""
        return self._inside(self._checked(method, payload))

    async def stop(self) -> None:
        """Stop the shard as a supervisor does, while others call it.

        Raises
        ------
        Broken
            When it hangs.
        """
        try:
            async with asyncio.timeout(_STOP_S):
                await asyncio.gather(*(self._inside(self.shard.stop()) for _ in range(2)))
        except TimeoutError as error:
            raise Broken(f"the shard does not stop within {_STOP_S:g} s") from error

    async def end(self) -> None:
        """End the process: nothing of it runs any more, nothing of it reaches the disk."""
        self.disk.dead = True
        if not self.gone.done():
            self.gone.set_result(b"")
        tasks = self._loop.owned.pop(self._number, [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._stack.close()

    def _inside(self, work: Coroutine[object, object, T]) -> "asyncio.Task[T]":
        """Do something as this process."""
        return self._loop.create_task(work, context=self._context)

    async def _checked(self, method: Method, payload: bytes) -> bytes:
        """Answer, with no error but those that callers know of."""
        try:
            return await self.shard.call(method, payload)
        except (Overloaded, ShardUnavailable, InvalidEvent, asyncio.CancelledError):
            raise
        except Exception as error:
            self._loop.faults.append(error)
            raise
