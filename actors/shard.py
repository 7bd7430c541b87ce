"""A shard: one engine behind a mailbox, the only writer of its users' state.

Life cycle: construct with an open engine, ``start`` in the event loop that serves ``call``, then
``stop``, which writes what waits, takes a last snapshot and closes the engine. Whatever touches the
store blocks and runs on one thread of its own; learning and recommending run in the loop.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from time import perf_counter
from typing import TypeVar

from actors.batcher import SLICE_S, Batcher, Doomed
from actors.errors import NotOwned, ShardUnavailable
from actors.home import Attach, Side, SideHome
from actors.messages import (
    Appended,
    Batch,
    Erase,
    Letter,
    Letters,
    LogAfter,
    LogPart,
    Lookup,
    Method,
    Recommendations,
    Requests,
    ShardStats,
    decode,
    encode,
    encode_list,
)
from actors.mover import Mover
from actors.observer import Observer, Silent
from actors.settings import ServerSettings
from actors.shard_map import ShardMap
from actors.territory import Territory
from actors.upkeep import Upkeep
from recsys.clock import now_ms
from recsys.codec import decode_event
from recsys.decision import Recommendation, Request
from recsys.engine import Engine
from recsys.errors import FlushFailed, InvalidEvent, StoreError
from recsys.events import Decision, UserErase
from recsys.store.records import Erasure, begun

__all__ = ["Shard"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Shard:
    """One shard of the server; a plain class, which the runtime makes an actor.

    Parameters
    ----------
    index
        Its number, from 0.
    engine
        Open and recovered; the shard owns it from here on and closes it.
    epoch
        How often this shard has been opened.
    shard_map
        Who owns what; as in a new data directory if nothing is said.
    observer
        Hears of what it does.
    doomed
        Called when the disk did not confirm a write, after which the store refuses everything: it
        should end the process, so that the next one finds out what the disk holds.
    attach
        Makes what stands beside the shard, if anything does.

    Attributes
    ----------
    territory
        What it owns.
    mover
        Its part in moves of partitions.
    """

    def __init__(
        self,
        index: int,
        settings: ServerSettings,
        engine: Engine,
        *,
        epoch: int = 1,
        shard_map: ShardMap | None = None,
        observer: Observer | None = None,
        doomed: Doomed | None = None,
        attach: Attach | None = None,
    ) -> None:
        self._index = index
        self._settings = settings
        self._engine = engine
        self._epoch = epoch
        if shard_map is None:
            shard_map = ShardMap.dealt_out(settings.shards.count, settings.shards.partitions)
        self.territory = Territory(index, shard_map, lambda: engine.state.counters.moves)
        self._observer = Silent() if observer is None else observer
        self._started_ms = now_ms()
        self._store_thread = ThreadPoolExecutor(1, thread_name_prefix=f"shard-{index}-store")
        self._doomed = self._say_doomed if doomed is None else doomed
        self._batcher = Batcher(
            index,
            engine,
            self._store_thread,
            settings.engine.store,
            self._observer,
            self._doomed,
        )
        self._served = deque[tuple[Recommendation, float]]()
        self._stopping = asyncio.Event()
        self._maintenance: asyncio.Task[None] | None = None
        self._upkeep = Upkeep(
            index, engine, settings.engine.store, self._batcher, self._observer, self._blocking,
            self._stopping, self._doomed,
        )  # fmt: skip
        self._side: Side | None = None
        if attach is not None:
            home = SideHome(index, self.territory, engine, self._batcher, self._blocking)
            self._side = attach(home, engine.store.positions())
        self.mover = Mover(
            index, settings, engine, self._batcher, self.territory, self._upkeep.snapshots,
            self._side,
        )  # fmt: skip

    def _say_doomed(self, error: FlushFailed) -> None:
        _log.critical("shard %d: %s", self._index, error)

    async def start(self) -> None:
        """Start to write and to take snapshots; call before ``call``."""
        self._batcher.start()
        if self._side is not None:
            self._side.start()
        self._maintenance = asyncio.create_task(
            self._upkeep.run(), name=f"shard-{self._index}-maintenance"
        )

    async def stop(self) -> None:
        """Write and learn what waits, take a snapshot, close the engine. A second call is fine."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self.mover.stop()
        if self._side is not None:
            await self._side.stop()
        await self._batcher.stop()
        if self._maintenance is not None:
            await self._maintenance
        await self._last_snapshot()
        await self._blocking(self._engine.close)
        self._store_thread.shutdown()

    async def _last_snapshot(self) -> None:
        await self._upkeep.snapshot()

    async def call(self, method: Method, payload: bytes) -> bytes:
        """Do what ``actors.messages`` says of ``method``.

        Raises
        ------
        Overloaded
            When the queue of events is full; nothing happened.
        NotOwned
            When another shard owns somebody's partition, or is about to; nothing happened.
        InvalidEvent
            When a value breaks a limit; nothing happened.
        ShardUnavailable
            When the shard is stopping, or its store can neither write nor read what is asked for.
        msgspec.DecodeError
            When the payload is not what the method takes: the caller runs another version.
        """
        try:
            answer = self.at_once(method, payload)
        finally:
            self.settle()
        if answer is not None:
            return answer
        try:
            return await self._answer(method, payload)
        except StoreError as error:
            raise self._unreadable(method, error) from error

    def at_once(self, method: Method, payload: bytes) -> bytes | None:
        """Do what needs no waiting, as ``call``; ``None`` for all else, which is not begun.

        ``settle`` has to follow before anything else of the shard runs.

        Raises
        ------
        RecsysError
            As ``call``.
        """
        if self._stopping.is_set():
            raise ShardUnavailable(self._index, "it is stopping")
        if self._upkeep.healer.busy:
            raise ShardUnavailable(self._index, "it goes back to its last good snapshot")
        try:
            match method:
                case "recommend":
                    return encode_list(self._recommend(decode(payload, Request)))
                case "user":
                    user_id = decode(payload, Lookup).id
                    self.territory.check(user_id)
                    return encode(self._engine.user(user_id))
                case "stats":
                    return encode(self.stats())
                case _:
                    return None
        except StoreError as error:
            raise self._unreadable(method, error) from error

    def _unreadable(self, method: Method, error: StoreError) -> ShardUnavailable:
        """Return what callers see; writing has its own way to fail."""
        # Where the file lies is nothing for them.
        _log.error("shard %d: %s: %s", self._index, method, error)
        return ShardUnavailable(self._index, "its store cannot be read")

    async def _answer(self, method: Method, payload: bytes) -> bytes:
        answer: object
        match method:
            case "recommend_many":
                answer = await self._recommend_many(decode(payload, Requests))
            case "append":
                answer = await self._append(decode(payload, Batch))
            case "erase":
                answer = await self._erase(decode(payload, Erase))
            case "decision":
                answer = await self._decision(decode(payload, Lookup).id)
            case "log":
                return await self._log_after(decode(payload, LogAfter))
            case "erasure":
                receipt = decode(payload, Lookup).id
                answer = await self._blocking(lambda: self._engine.erasures.find(receipt))
            case "mix":
                answer = await self._upkeep.mixing.answer(payload)
            case "letters":
                answer = await self._blocking(self._letters)
            case _:
                message = f"{method} is answered at once"
                raise AssertionError(message)
        return encode(answer)

    def stats(self) -> ShardStats:
        """Return the state of this shard."""
        return ShardStats(
            shard=self._index,
            epoch=self._epoch,
            started_ms=self._started_ms,
            partitions=len(self.territory.owned),
            engine=self._engine.stats(),
            events_per_second=self._batcher.rate.per_second(),
            freshness_p50_ms=self._batcher.freshness_ms.quantile(0.5),
            freshness_p99_ms=self._batcher.freshness_ms.quantile(0.99),
            queue=self._batcher.waiting,
            kafka=None if self._side is None else self._side.stats(),
            writing=not self._batcher.refusing,
            disk_free_bytes=self._upkeep.disk.free,
            disk_low=self._upkeep.disk.low,
            mix=position if (position := self._engine.mix.position).shard else None,
        )

    def trouble(self) -> tuple[str, ...]:
        """Return what the operator should read, one sentence each; empty when all is well."""
        refusing = self._batcher.refusing
        mine = self._upkeep.trouble()
        if refusing:
            mine = (f"it takes no events: {refusing}", *mine)
        return mine if self._side is None else mine + self._side.trouble()

    def settle(self) -> None:
        """Queue the decisions of the lists that were made, and count them.

        The answers wait neither for that nor for the disk. A crash before the next commit loses a
        decision, and feedback on it then counts as feedback without one.
        """
        while self._served:
            recommendation, seconds = self._served.popleft()
            decision = recommendation.decision
            self._batcher.offer(decision)
            if recommendation.degraded:
                self._upkeep.hurry()
            self._observer.on_recommend(decision.policy, seconds, fallback=decision.fallback)

    def _recommend(self, request: Request) -> Recommendation:
        """Make a list; ``settle`` does the rest."""
        self.territory.check(request.user_id)
        self._batcher.make_room(1, ahead=len(self._served))
        started = perf_counter()
        recommendation = self._engine.recommend(request, decoded=True)
        self._served.append((recommendation, perf_counter() - started))
        return recommendation

    async def _recommend_many(self, asked: Requests) -> Recommendations:
        for request in asked.requests:
            self.territory.check(request.user_id)
        self._batcher.make_room(len(asked.requests))
        loop = asyncio.get_running_loop()
        since = loop.time()
        lists = list[bytes | None]()
        for request in asked.requests:
            try:
                lists.append(encode_list(self._recommend(request)))
            except NotOwned:
                lists.append(None)
            finally:
                self.settle()
            if loop.time() - since > SLICE_S:
                await asyncio.sleep(0)
                since = loop.time()
        return Recommendations(tuple(lists))

    async def _append(self, batch: Batch) -> Appended:
        try:
            self._engine.check(batch.events, "/events")
        except InvalidEvent:
            self._observer.on_rejected("invalid", len(batch.events))
            raise
        if not batch.events:
            return Appended(results=())
        self.territory.check_events(batch.events)
        results = await self._batcher.submit(batch.events, batch.received_ms)
        return Appended(results=tuple(results))

    async def _decision(self, decision_id: str) -> Decision | None:
        waiting = self._batcher.find(decision_id)
        if waiting is not None:
            return waiting
        return await self._blocking(lambda: self._engine.decision(decision_id))

    async def _erase(self, asked: Erase) -> Erasure:
        event = UserErase(event_id=asked.receipt, user_id=asked.user_id, ts_ms=asked.received_ms)
        self._engine.check((event,))
        # What leaves the one shard now would bring the person to the other after this.
        self.territory.check_still(asked.user_id)
        results = await self._batcher.submit((event,), asked.received_ms)
        return begun(results[0].sequence, event)

    def _letters(self) -> Letters:
        return Letters(
            tuple(
                Letter(
                    shard=self._index,
                    sequence=letter.sequence,
                    kind=letter.kind,
                    event_id=decode_event(letter.record).event_id,
                    cause=letter.cause,
                    ts_ms=letter.ts_ms,
                )
                for letter in self._engine.store.dead_letters()
            )
        )

    async def _log_after(self, asked: LogAfter) -> bytes:
        """Read, and encode, on the store's thread: commits wait for it, so let parts be small."""

        def read() -> bytes:
            events = islice(self._engine.store.read(after=asked.sequence), asked.events)
            return encode(LogPart(events=tuple(events)))

        return await self._blocking(read)

    async def _blocking(self, work: Callable[[], T]) -> T:
        """Run ``work`` on the store's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._store_thread, work)
