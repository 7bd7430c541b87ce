"""Shards that are broken on purpose, each in one way that the simulation must notice."""

import asyncio
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import msgspec
from typing_extensions import override

from actors.batcher import Batcher
from actors.errors import Overloaded
from actors.messages import Appended, Batch
from actors.shard import Shard
from recsys.decision import Recommendation, Request
from recsys.errors import StoreError
from recsys.events import Event
from recsys.ids import dedupe_key
from recsys.store.base import Append, Outcome
from recsys.store.records import DeadLetter
from tests.simulation.disk import Disk
from tests.simulation.life import Kinds, WatchedEngine, WatchedStore

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """What is simulated instead, and what is replaced while it is, by dotted name."""

    kinds: Kinds = field(default_factory=Kinds)
    patches: Mapping[str, object] = field(default_factory=dict)


class _Unflushed(WatchedStore):
    """Leaves flushing to the operating system."""

    @override
    def checkpoint_every(self, pages: int) -> None:
        super().checkpoint_every(pages)
        with self._file.use() as connection:
            connection.execute("PRAGMA synchronous = OFF")


class _Rash(WatchedStore):
    """Opens what a killed process left without flushing it again."""

    @staticmethod
    @override
    def before_opening(disk: Disk) -> None:
        pass


class _Forgetful(WatchedStore):
    """Takes every event for a new one."""

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        with self._file.use() as connection:
            connection.executemany(
                "UPDATE seen SET event_key = randomblob(16) WHERE event_key = ?",
                [(dedupe_key(event.event_id),) for event in events],
            )
        return super().append(events, positions)


class _Splitting(WatchedStore):
    """Commits event by event."""

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        appends = list[Append]()
        for event in events:
            appends += super().append([event])
        super().append((), positions)
        return appends


class _Hasty(WatchedStore):
    """Commits positions before the events that they stand behind."""

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        super().append((), positions)
        return super().append(events)


class _Resentful(WatchedStore):
    """Never writes again once a write has failed."""

    hurt = False

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        if self.hurt:
            raise StoreError("once bitten")
        try:
            return super().append(events, positions)
        except StoreError:
            self.hurt = True
            raise


class _Halving(WatchedStore):
    """Commits the users of a snapshot before its other parts."""

    @override
    def commit_snapshot(
        self,
        sequence: int,
        parts: Mapping[str, bytes],
        users: Mapping[str, bytes],
        *,
        gone: Collection[str] = (),
        letters: Sequence[DeadLetter] = (),
    ) -> None:
        super().commit_snapshot(
            self.snapshot_sequence, self.load(), users, gone=gone, letters=letters
        )
        super().commit_snapshot(sequence, parts, {})


class _Eager(WatchedEngine):
    """Learns what it has learned already."""

    @override
    def folding(self, events: Sequence[Event], appends: Sequence[Append]) -> Iterator[None]:
        again = [
            append
            if append.outcome is Outcome.CONFLICT
            else msgspec.structs.replace(append, outcome=Outcome.ACCEPTED)
            for append in appends
        ]
        yield from super().folding(events, again)


class _Dreamy(WatchedEngine):
    """Leaves out every seventh lesson, until it is opened again."""

    @override
    def folding(self, events: Sequence[Event], appends: Sequence[Append]) -> Iterator[None]:
        for event, append in zip(events, appends, strict=True):
            if append.sequence % 7:
                yield from super().folding([event], [append])


class _Boasting(WatchedEngine):
    """Tells propensities that are a little too small."""

    @override
    def recommend(self, request: Request, *, decoded: bool = False) -> Recommendation:
        answer = super().recommend(request, decoded=decoded)
        slots = tuple(
            msgspec.structs.replace(slot, propensity=0.9 * slot.propensity)
            for slot in answer.decision.slots
        )
        decision = msgspec.structs.replace(answer.decision, slots=slots)
        return msgspec.structs.replace(answer, decision=decision)


class _Trusting(WatchedEngine):
    """Checks nothing."""

    @override
    def check(self, events: Sequence[Event], pointer: str = "") -> None:
        pass


class _Restless(Shard):
    """Takes no snapshot at its end."""

    @override
    async def _last_snapshot(self) -> None:
        pass


class _Deaf(Shard):
    """Never answers one call of many."""

    @override
    async def _append(self, batch: Batch) -> Appended:
        answer = await super()._append(batch)
        if self._engine.stats().sequence % 20 == 19:
            await asyncio.Event().wait()
        return answer


@contextmanager
def _late(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit every other time; who is let off believes that it was done."""
    began = connection.in_transaction
    if not began:
        connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if began:
        connection.execute("COMMIT")


_submit = Batcher.submit


async def _refuse_afterwards(
    self: Batcher, events: Sequence[Event], received_ms: int
) -> list[Append]:
    """Queue events, then look whether there is room."""
    task = asyncio.create_task(_submit(self, events, received_ms))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.sleep(0)
    if self.waiting > len(events):
        raise Overloaded(0, 1.0)
    return await task


MUTANTS: Final = {
    "flushes nothing": Mutant(Kinds(store=_Unflushed)),
    "trusts what it reads after a failed flush": Mutant(Kinds(store=_Rash)),
    "does not know repeats": Mutant(Kinds(store=_Forgetful)),
    "splits groups": Mutant(Kinds(store=_Splitting)),
    "writes positions first": Mutant(Kinds(store=_Hasty)),
    "does not recover from a full disk": Mutant(Kinds(store=_Resentful)),
    "writes snapshots in two halves": Mutant(Kinds(store=_Halving)),
    "learns repeats": Mutant(Kinds(engine=_Eager)),
    "skips a lesson": Mutant(Kinds(engine=_Dreamy)),
    "tells other propensities": Mutant(Kinds(engine=_Boasting)),
    "takes what is invalid": Mutant(Kinds(engine=_Trusting)),
    "takes no last snapshot": Mutant(Kinds(shard=_Restless)),
    "leaves a caller waiting": Mutant(Kinds(shard=_Deaf)),
    "acknowledges before it commits": Mutant(patches={"recsys.store.sqlite.atomic": _late}),
    "refuses what it has taken": Mutant(
        patches={"actors.batcher.Batcher.submit": _refuse_afterwards}
    ),
}
