"""What a shard does beside its calls: snapshots, erasures, indices, a look at the disk."""

import asyncio
import logging
from time import perf_counter
from typing import Final

from actors.batcher import SLICE_S, Batcher, Doomed
from actors.disk import Disk
from actors.garbage import tuck_away
from actors.healer import Healer
from actors.home import Blocking
from actors.indexer import Indexer
from actors.mixing import ShardMixing
from actors.muster import Muster
from actors.observer import Observer
from recsys.capture import Capture
from recsys.clock import now_ms
from recsys.engine import Engine
from recsys.errors import FlushFailed, NonFinite, StoreError
from recsys.settings import StoreSettings

__all__ = ["Upkeep"]

_log = logging.getLogger(__name__)

_ROUND_S: Final = 5.0
"""From one round to the next, where snapshots are not wanted more often."""


class Upkeep:
    """The upkeep of one shard.

    What a snapshot costs depends on what the shard holds, not on what is new: so one is taken when
    there is much to learn again, when the one before is old, or when something waits for it.

    Parameters
    ----------
    blocking
        Runs something on the store's thread.
    stopping
        Set when the shard stops.

    Attributes
    ----------
    snapshots
        Held by whoever takes a snapshot.
    healer, disk, mixing
        Parts of it.
    """

    def __init__(
        self,
        index: int,
        engine: Engine,
        settings: StoreSettings,
        batcher: Batcher,
        observer: Observer,
        blocking: Blocking,
        stopping: asyncio.Event,
        doomed: Doomed,
    ) -> None:
        self.snapshots = asyncio.Lock()
        self.healer = Healer(index, engine, batcher, observer, blocking, stopping)
        self.disk = Disk(index, engine.store.folder, settings.low_disk_bytes, observer, blocking)
        self._index = index
        self._engine = engine
        self._every_s = settings.snapshot_every_s
        self._events = settings.snapshot_events
        self._hurried = False
        self._since: float | None = None  # of the loop's time: when the last snapshot began
        self._batcher = batcher
        self._observer = observer
        self._blocking = blocking
        self._stopping = stopping
        self._doomed = doomed
        self._indexer = Indexer(index, engine)
        self._muster = Muster(index, engine, blocking, stopping)
        self.mixing = ShardMixing(index, engine, batcher, blocking)

    def trouble(self) -> tuple[str, ...]:
        """Return what the operator should read."""
        return self.disk.trouble() + self.healer.trouble()

    async def run(self) -> None:
        """Do a round again and again, until the shard stops."""
        self._since = asyncio.get_running_loop().time()
        await self._muster.round()
        while True:
            tuck_away()
            await self.disk.look()
            try:
                async with asyncio.timeout(min(self._every_s, _ROUND_S)):
                    await self._stopping.wait()
            except TimeoutError:
                await self.round()
            else:
                return

    async def round(self) -> None:
        """Do what is due."""
        self._observer.on_round()
        await self._snapshot_if_due()
        await self._finish_erasures()
        await self._bury()
        await self._indexer.round()
        await self._muster.round()

    def hurry(self) -> None:
        """Take a snapshot in the next round: something is wrong that it would find."""
        self._hurried = True

    async def snapshot(self) -> None:
        """Take a snapshot if anything was learned since the last one; failures are logged."""
        async with self.snapshots:
            if not await self.healer.forbids() and self._new():
                await self._take_snapshot()

    async def _snapshot_if_due(self) -> None:
        async with self.snapshots:
            if not await self.healer.forbids() and self._due():
                await self._take_snapshot()

    def _due(self) -> bool:
        new = self._new()
        if not new:
            return False
        if self._hurried or self._engine.erasures.pending or new >= self._events:
            return True
        now = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = now
        return now - self._since >= self._every_s

    def _new(self) -> int:
        """Return how many events the last snapshot does not contain."""
        stats = self._engine.stats()
        return stats.sequence - stats.snapshot_sequence

    async def _take_snapshot(self) -> None:
        since, started = asyncio.get_running_loop().time(), perf_counter()
        try:
            capture = await self._captured()
            await self._commit(capture)
            self._engine.committed(capture)
        except NonFinite as error:
            await self.healer.heal(error)
            return
        except StoreError as error:
            # Nothing is lost: the log still holds every event. The next round tries again.
            _log.error("shard %d: no snapshot: %s", self._index, error)
            if isinstance(error, FlushFailed):
                self._doomed(error)
            return
        except Exception:
            # The same holds for a learner that cannot be saved; without the next round the log
            # would grow for ever.
            _log.exception("shard %d: no snapshot", self._index)
            return
        self.healer.well()
        self._since, self._hurried = since, False
        self._observer.on_snapshot(perf_counter() - started)

    async def _captured(self) -> Capture:
        """Capture the state between two events, and let questions pass as it is done."""
        loop = asyncio.get_running_loop()
        async with self._batcher.learning:
            steps = self._engine.capturing()
            since = loop.time()
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    capture: Capture = end.value
                    return capture
                if loop.time() - since > SLICE_S:
                    await asyncio.sleep(0)
                    since = loop.time()

    async def _commit(self, capture: Capture) -> None:
        """Write a capture, and let events be written between its steps."""
        steps = self._engine.committing(capture)
        while await self._blocking(lambda: next(steps, self)) is not self:
            pass

    async def _bury(self) -> None:
        """Take what was mixed in long ago out of the log."""
        try:
            await self.mixing.bury()
        except StoreError as error:
            # It is named again.
            _log.error("shard %d: the log keeps what was mixed in: %s", self._index, error)
            if isinstance(error, FlushFailed):
                self._doomed(error)

    async def _finish_erasures(self) -> None:
        """Let the people who were erased leave log and files, as far as a snapshot allows.

        Not on the store's thread: the log is looked through page by page, and commits pass between.
        """
        while self._engine.erasures.pending and not self._stopping.is_set():
            try:
                if not await asyncio.to_thread(self._engine.erasures.complete, now_ms()):
                    return
            except StoreError as error:
                # The next round, or the next process, goes on where this one was.
                _log.error("shard %d: erasures wait: %s", self._index, error)
                return
            except Exception:
                _log.exception("shard %d: erasures wait", self._index)
                return
