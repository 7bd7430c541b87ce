"""Reads a shard's partitions, from connection to connection.

A session connects, looks at what the topics are and hold, begins where the store says, and reads
until the connection fails. Partitions that cannot go on are left out; the others are read.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Final, Literal

from actors.errors import ShardUnavailable
from actors.kafka.base import (
    Home,
    KafkaUnreachable,
    LockedOut,
    Partition,
    PartitionStuck,
    Reader,
    Record,
    Span,
    Topic,
)
from actors.kafka.observer import KafkaObserver
from actors.kafka.pauses import Backoff, pause
from actors.kafka.positions import Plan, gap_of, partitions_of, plan
from actors.kafka.settler import Settler
from actors.kafka.stats import PartitionGap
from actors.kafka.topics import TopicsMissing, TopicsUnfit, check_topics, names
from actors.settings import ServerSettings
from recsys.clock import now_ms

__all__ = ["Intake"]

_log = logging.getLogger(__name__)

_WAIT_S: Final = 0.2
"""So long one reading waits for records; also how fast a stop is noticed."""
_AGAIN_S: Final = 600.0
"""So often the log says why nothing is read, while it stays the same."""
_TRIES: Final = 3
"""So often a damaged place is fetched again: it may have been the network."""


class Intake:
    """The reading of one shard.

    Attributes
    ----------
    state, detail
        See ``actors.kafka.stats.KafkaStats``.
    gaps
        Partitions that are not read.
    reconnects
        Connections that were lost or not made.
    locked_out
        Whether the brokers answer and do not let us in.

    Parameters
    ----------
    make_reader
        Makes a reader that is not connected yet.
    """

    def __init__(
        self,
        home: Home,
        settings: ServerSettings,
        make_reader: Callable[[], Reader],
        settler: Settler,
        observer: KafkaObserver,
    ) -> None:
        self.state: Literal["connecting", "reading", "refused"] = "connecting"
        self.detail = "nothing was tried yet"
        self.gaps = dict[Partition, PartitionGap]()
        self.reconnects = 0
        self.locked_out = False
        self._home = home
        self._settings = settings
        self._make_reader = make_reader
        self._settler = settler
        self._observer = observer
        self._stopping = asyncio.Event()
        self._backoff = Backoff(0.2, settings.kafka.longest_pause_s)
        self._topics = dict[str, Topic]()
        self._at = dict[Partition, int]()
        self._ends = dict[Partition, int]()
        self._damaged = Counter[Partition]()
        self._commit: asyncio.Task[None] | None = None
        self._owned: Sequence[int] = ()
        self._told_at = float("-inf")
        self._idle = asyncio.Event()
        self._idle.set()

    def lag(self) -> dict[Partition, int]:
        """Return how many records lie between what is learned and the ends of the last look."""
        lag = dict[Partition, int]()
        for partition, end in self._ends.items():
            gap = self.gaps.get(partition)
            lag[partition] = max(0, end - (self._at[partition] if gap is None else gap.position))
        return lag

    def stop(self) -> None:
        """Have ``run`` end after the batch that it is at."""
        self._stopping.set()

    async def settled(self) -> None:
        """Wait for the batch at hand."""
        await self._idle.wait()

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """Tell ``settled`` to wait."""
        self._idle.clear()
        try:
            yield
        finally:
            self._idle.set()

    async def run(self) -> None:
        """Read until ``stop``."""
        while not self._stopping.is_set():
            await self._attempt()
            await pause(self._stopping, self._backoff.next_s())

    async def _attempt(self) -> None:
        """Connect and read, until the connection fails or reading is to stop; never raises."""
        reader: Reader | None = None
        try:
            reader = self._make_reader()
            await reader.start()
            await self._session(reader)
        except (KafkaUnreachable, TopicsMissing) as error:
            self._lost(str(error))
            self.locked_out = isinstance(error, LockedOut)
        except TopicsUnfit as error:
            self._lost(str(error))
            self.state = "refused"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Not ours: a task inside of the client was cancelled, and we waited for it.
            self._lost("the client gave up")
        except Exception as error:
            # Whatever it is, the next attempt must come.
            _log.exception("shard %d: reading from Kafka failed", self._home.index)
            self._lost(f"it failed: {type(error).__name__}")
        finally:
            if reader is not None:
                await self._end(reader)

    def _lost(self, why: str) -> None:
        if self.detail != why or monotonic() - self._told_at >= _AGAIN_S:
            # Not with each attempt for as long as it lasts.
            _log.warning("shard %d: not reading from Kafka: %s", self._home.index, why)
            self._told_at = monotonic()
        self.state, self.detail, self.locked_out = "connecting", why, False
        self.reconnects += 1
        self._observer.on_reconnect()

    async def _end(self, reader: Reader) -> None:
        if self._commit is not None:
            self._commit.cancel()
            await asyncio.gather(self._commit, return_exceptions=True)
            self._commit = None
        await reader.stop()

    async def _session(self, reader: Reader) -> None:
        while not self._stopping.is_set():
            await self._begin(reader)
            await self._read_on(reader)
        # What is learned is durable; tell those who watch the lag so.
        await self._tell(reader)

    async def _begin(self, reader: Reader) -> None:
        """Find out where to go on in the partitions that the shard owns now."""
        self._topics = await reader.topics(names(self._settings))
        check_topics(self._settings, self._topics)
        catalogue = self._topics[self._settings.kafka.topics.catalogue].partitions
        self._owned = self._home.owned
        # What came from another shard brought its place along.
        stored = await self._home.positions()
        partitions = partitions_of(self._owned, self._settings, catalogue)
        made = self._plan(partitions, stored, await reader.spans(partitions))
        if made.positions:
            with self._busy():
                await self._remember(made.positions)
        self._at = made.starts
        self._ends = {one: end for one, end in self._ends.items() if one in partitions}
        self._set_gaps(made.gaps)
        self._assign(reader)
        self.state, self.detail, self.locked_out = "reading", "", False
        _log.info("shard %d: reading %d partitions from Kafka", self._home.index, len(made.starts))

    def _plan(
        self,
        partitions: list[Partition],
        stored: Mapping[str, int],
        spans: Mapping[Partition, Span],
    ) -> Plan:
        topics = self._settings.kafka.topics
        latest = self._settings.kafka.first_start == "latest"
        # The whole catalogue is needed whenever one begins.
        ends = frozenset({topics.feedback}) if latest else frozenset[str]()
        return plan(partitions, stored, self._topics, spans, ends)

    async def _remember(self, positions: Mapping[str, int]) -> None:
        """Make positions durable before anything is read from them."""
        try:
            await self._home.append((), now_ms(), positions)
        except ShardUnavailable as error:
            raise KafkaUnreachable(str(error)) from error

    def _assign(self, reader: Reader) -> None:
        reader.assign({p: at for p, at in self._at.items() if p not in self.gaps})

    async def _read_on(self, reader: Reader) -> None:
        look_at = monotonic()
        while not self._stopping.is_set() and self._owned == self._home.owned:
            if monotonic() >= look_at:
                await self._look(reader)
                look_at = monotonic() + self._settings.kafka.probe_every_s
            if self.gaps.keys() >= self._at.keys():
                await pause(self._stopping, self._settings.kafka.probe_every_s)
                continue
            try:
                records = await reader.read(self._settings.kafka.batch_records, _WAIT_S)
            except PartitionStuck as stuck:
                await self._unstick(reader, stuck)
                continue
            fresh = [one for one in records if one.offset >= self._at[one.partition]]
            if self._owned != self._home.owned:
                return
            if fresh and not await self._settle(fresh):
                return

    async def _settle(self, records: list[Record]) -> bool:
        """Settle, however long the store cannot write; return whether it could at last."""
        backoff = Backoff(0.1, self._settings.kafka.longest_pause_s)
        marks = {name: topic.mark for name, topic in self._topics.items()}
        with self._busy():
            while True:
                try:
                    after = await self._settler.settle(records, marks)
                except ShardUnavailable as error:
                    self.detail = str(error)
                    if await pause(self._stopping, backoff.next_s()):
                        return False
                else:
                    break
        self.detail = ""
        self._backoff.reset()
        self._at.update(after)
        for partition in after:
            self._damaged.pop(partition, None)
        return True

    async def _look(self, reader: Reader) -> None:
        """See how far behind we are, and whether the topics are still the same."""
        topics = await reader.topics(names(self._settings))
        check_topics(self._settings, topics)
        spans = await reader.spans([*{**self._at, **self.gaps}])
        self._ends = {partition: span.end for partition, span in spans.items()}
        for partition, records in self.lag().items():
            self._observer.on_lag(partition, records)
        if topics != self._topics:
            # Begin anew: some may be other topics of the same name.
            message = "the topics have changed"
            raise KafkaUnreachable(message)
        self._backoff.reset()
        if self._commit is None or self._commit.done():
            self._commit = asyncio.create_task(self._tell(reader))

    async def _tell(self, reader: Reader) -> None:
        """Tell Kafka what is learned; only those who watch the lag read it."""
        catalogue, count = self._settings.kafka.topics.catalogue, self._settings.shards.count
        own = {
            partition: at
            for partition, at in self._at.items()
            # All shards read the catalogue; one speaks for each of its partitions.
            if partition.topic != catalogue or partition.number % count == self._home.index
        }
        try:
            await reader.commit(own)
        except KafkaUnreachable as error:
            _log.debug("shard %d: offsets were not told: %s", self._home.index, error)

    async def _unstick(self, reader: Reader, stuck: PartitionStuck) -> None:
        """Find out what is wrong with a partition, and leave it out if it stays wrong."""
        partition = stuck.partition
        if partition not in self._at:
            # A late answer for what is another shard's by now.
            self._assign(reader)
            return
        span = (await reader.spans([partition]))[partition]
        topics = await reader.topics(names(self._settings))
        if stuck.why in {"damaged", "skipped"}:
            self._damaged[partition] += 1
        # What is withheld was asked for again and again by then.
        enough = stuck.why == "withheld" or self._damaged[partition] >= _TRIES
        gap = gap_of(
            partition,
            self._at[partition],
            span,
            recreated=topics.get(partition.topic) != self._topics[partition.topic],
            given_up=stuck if enough else None,
        )
        if gap is not None:
            self._set_gaps({**self.gaps, partition: gap})
        else:
            _log.warning("shard %d: %s; trying again", self._home.index, stuck)
            await pause(self._stopping, _WAIT_S)
        self._assign(reader)

    def _set_gaps(self, gaps: dict[Partition, PartitionGap]) -> None:
        for partition in {*gaps, *self.gaps}:
            self._observer.on_gap(partition, open_=partition in gaps)
        for partition, gap in gaps.items():
            if self.gaps.get(partition) != gap:
                _log.error("shard %d: %s", self._home.index, gap)
        self.gaps = gaps
