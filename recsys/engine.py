"""The engine: state, store, and the order in which the two are touched.

What a notebook and a shard both run. ``append``, ``commit``, ``decision`` and ``load_user`` go to
the store, ``fold``, ``capture`` and ``recommend`` to memory; the former may run on one other thread
than the latter. ``apply`` and ``snapshot`` are both halves in a row, for callers with one thread.
"""

import logging
import secrets
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.admission import check_events
from recsys.candidates.factors import Factors
from recsys.candidates.nearest import Index
from recsys.capture import Capture, Letters, at_once, capturing, committing
from recsys.conform import conform
from recsys.decision import Recommendation, Request, conform_request, validate_request
from recsys.describe import fingerprint_of, stats_of, view_of
from recsys.erasing import Erasures
from recsys.errors import IncompatibleState, StoreError
from recsys.events import Decision, Event, UserErase
from recsys.fold import folding
from recsys.healing import check_start, quarantine_failing, quarantine_poison
from recsys.keyfile import KEY_BYTES, load_key
from recsys.killpoints import kill_point
from recsys.mixing.port import Mix
from recsys.moving.export import Part, Scouted, export
from recsys.people import People
from recsys.recommend import recommend
from recsys.settings import EngineSettings
from recsys.shelf import Shelf
from recsys.state import State
from recsys.store.base import Append, Outcome, Store
from recsys.store.memory import MemoryStore
from recsys.store.records import kind_of, letter_of
from recsys.store.sqlite import SqliteStore
from recsys.strikes import ASKING, Strikes
from recsys.views import Stats, UserView
from recsys.warm_up import live

__all__ = ["Capture", "Engine"]

_log = logging.getLogger(__name__)


class Engine:
    """One shard's recommender.

    Parameters
    ----------
    store
        Owned from now on: ``close`` closes it.
    key
        Secret under which pickled estimators are sealed; the same at every opening.

    Raises
    ------
    CorruptRecord
        When the store's bytes are damaged.
    InvalidSettings
        When the settings cannot go on from the snapshot and the log no longer reaches back far
        enough to rebuild it.

    Attributes
    ----------
    key
        As given.
    erasures
        Of people; what is left to do about them.
    strikes, mix, people
        Says when to ``heal``; what other shards are told, and told of; brings all into memory.
    """

    def __init__(self, store: Store, settings: EngineSettings, key: bytes) -> None:
        self.settings = settings
        self._store = store
        self.key = key
        self._shelf = Shelf(store)
        self._letters = Letters()
        self.strikes = Strikes()
        self._missed = 0
        self.erasures = Erasures(store)
        self._state = self._recover()
        self.mix = Mix(lambda: self._state)
        self.people = People(store, lambda: self._state)

    @classmethod
    def open(cls, folder: Path | str | None, settings: EngineSettings | None = None) -> Self:
        """Open, or make, the engine whose state lies in a folder.

        Parameters
        ----------
        folder
            Holds ``log.sqlite`` and ``key``; made when missing. ``None`` keeps all in memory.

        Raises
        ------
        StoreLocked
            When another process has it open.
        """
        settings = settings or EngineSettings()
        if folder is None:
            memory = MemoryStore(log_events=settings.store.log_events)
            return cls(memory, settings, secrets.token_bytes(KEY_BYTES))
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        store = SqliteStore(path / "log.sqlite", log_events=settings.store.log_events)
        try:
            return cls(store, settings, load_key(path / "key"))
        except BaseException:
            store.close()
            raise

    @classmethod
    def warm_up(cls, settings: EngineSettings | None = None) -> None:
        """Have all that asks and learns under the settings compiled, by a short life in memory.

        Without it, the first to ask after an installation or an upgrade waits for the compiler.
        """
        engine = cls.open(None, settings)
        live(engine)
        engine.close()

    @property
    def state(self) -> State:
        """The learned state, for evaluation and tests; only the fold may change it."""
        return self._state

    @property
    def store(self) -> Store:
        """The store, for its epoch and for tests."""
        return self._store

    def recommend(self, request: Request, *, decoded: bool = False) -> Recommendation:
        """Answer a request; the caller logs its decision with ``apply``.

        One that was ``decoded`` just now is of the types that the schema says.

        Raises
        ------
        InvalidEvent
            When the request breaks a limit.
        """
        settled = request if decoded else conform_request(request)
        validate_request(settled)
        try:
            recommendation = recommend(self._state, settled)
        except Exception as error:
            self.strikes.failed(ASKING, self._state.counters.sequence, error, settled.user_id)
            raise
        self.strikes.worked(ASKING)
        self._trim()
        return recommendation

    def apply(self, events: Sequence[Event]) -> list[Append]:
        """Make events durable and learn the new ones.

        Raises
        ------
        InvalidEvent
            When one breaks a limit; then none was taken.
        StoreError
            When none could be written, or one that was written could not be learned (``fold``).
        """
        settled = [conform(event, f"/{place}") for place, event in enumerate(events)]
        self.check(settled)
        appends = self.append(settled)
        self.fold(settled, appends)
        return appends

    def check(self, events: Sequence[Event], pointer: str = "") -> None:
        """Refuse events of which one breaks a limit, or brings an item for which there is no room.

        Raises
        ------
        InvalidEvent
            Naming the field, with the JSON pointer of ``events`` before it.
        """
        check_events(self._state, events, pointer)

    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        """Make checked events durable, each id once, as ``recsys.store.base.Store.append``."""
        return self._store.append(events, positions)

    def fold(self, events: Sequence[Event], appends: Sequence[Append]) -> None:
        """Learn the events that ``append`` accepted, in the order of appending.

        Raises
        ------
        StoreError
            When a person could not be read. The event is durable, and learned at the next opening;
            until then there are no snapshots.
        """
        for _ in self.folding(events, appends):
            pass

    def folding(self, events: Sequence[Event], appends: Sequence[Append]) -> Iterator[None]:
        """Do as ``fold`` in short steps, between which lists may be asked for."""
        for event, append in zip(events, appends, strict=True):
            if append.outcome is Outcome.ACCEPTED:
                yield from self._folding_one(append.sequence, event)

    def _folding_one(self, sequence: int, event: Event) -> Iterator[None]:
        try:
            yield from folding(self._state, sequence, event)
            self._shelf.drop(event)
            if isinstance(event, UserErase):
                self.erasures.begun(sequence)
            self.strikes.worked(kind_of(event))
        except StoreError:
            # The store failed, not the event: no snapshot may say that it was learned.
            self._missed = sequence
            raise
        except Exception as error:
            # The event is durable and would fail again at every recovery, at the same place: what
            # it has changed until then is as much a function of the log as all else. It is counted
            # and left behind, so that the events after it are still learned.
            self._state.counters.failed += 1
            self._letters.add(letter_of(sequence, event, error))
            self.strikes.failed(kind_of(event), sequence, error)
            _log.exception("event %d of kind %s failed", sequence, type(event).__name__)

    def capture(self) -> Capture:
        """Return the state as it is now, to be given to ``commit``; raises as ``capturing``."""
        return at_once(self.capturing())

    def capturing(self) -> Generator[None, None, Capture]:
        """Do as ``capture`` in short steps, between which lists may be asked for, but not learned.

        Raises
        ------
        NonFinite
            When something learned is not finite: see ``heal``.
        StoreError
            When an event was not learned because the store failed, or the folder for temporary
            files is full.
        """
        if self._missed:
            detail = f"event {self._missed} is in the log but not learned; open the engine again"
            raise StoreError(detail)
        return capturing(self._state, self._shelf, self._letters)

    def commit(self, capture: Capture) -> None:
        """Write a capture; blocks. All of it counts, or nothing does.

        Raises
        ------
        NonFinite
            As ``capture``, of parts that find out late.
        StoreError
            When it could not be written; its users are part of the next capture.
        """
        for _ in self.committing(capture):
            pass

    def committing(self, capture: Capture) -> Iterator[None]:
        """Do as ``commit`` in steps of some milliseconds, between which others use the store."""
        yield from committing(self._store, capture, self._shelf.gone(capture.void))

    def committed(self, capture: Capture) -> None:
        """Tell memory that a capture is durable, so that idle users may leave."""
        self._shelf.settle(capture.users)
        self._state.users.left(capture.gone)
        self._letters.settle(capture.letters)
        for partition, sequence in capture.void.items():
            if self._state.void.get(partition) == sequence:
                del self._state.void[partition]
        self._spill()

    def _trim(self) -> None:
        """Let idle users go before a snapshot, when asking alone has brought in many."""
        if self._state.users.crowded:
            self._spill()

    def _spill(self) -> None:
        for user in self._state.users.spill(self._shelf):
            for model in self._state.personal:
                model.forget(user)

    def snapshot(self) -> None:
        """Capture and commit."""
        capture = self.capture()
        self.commit(capture)
        self.committed(capture)

    def heal(self) -> int:
        """Go back to the last snapshot, without the events that broke the state; blocks.

        To be called when ``capture`` has raised ``NonFinite`` or ``strikes`` are due, while nothing
        else is. The events leave tombstones and become dead letters, so that every later replay
        does without them. Returns how many they were.

        Raises
        ------
        StoreError
            When the store cannot write, or when the state cannot be mended: it is as it was.
        """
        kinds = self.strikes.due(self._state.counters.sequence)
        try:
            quarantine = quarantine_failing if kinds else quarantine_poison
            removed = quarantine(self._store, self.settings, self.key)
            self._shelf.clear()
            self._letters.clear()
            self.strikes.forget()
            self._missed = 0
            self._state = self._recover()
        finally:
            self.strikes.tried(kinds, self._state.counters.sequence)
        return removed

    def to_index(self) -> NDArray[np.float32] | None:
        """Return what a ``recsys.candidates.nearest.Index`` is to be made of, to give ``indexed``.

        A copy, so that another thread may make it. ``None`` while the catalogue is small, or the
        index there is will do. A new engine has none; it may answer otherwise than the one before
        it, but it learns the same.
        """
        return None if (one := self._state.source(Factors)) is None else one.to_index()

    def indexed(self, index: Index) -> None:
        """Answer from an index from now on."""
        if (factors := self._state.source(Factors)) is not None:
            factors.use(index)

    def export(
        self, partition: int, partitions: int, key: bytes, scouted: Scouted | None = None
    ) -> Iterator[Part]:
        """Yield what is known of a partition's people, for the engine with this ``key``.

        Nothing may be learned until the last part was taken.
        """
        scouted = scouted or Scouted.of(self._store, partition, partitions)
        return export(self._state, self._store, self._load_user, (self.key, key), scouted)

    def user(self, user_id: str) -> UserView | None:
        """Return what is known about a person, ``None`` for a stranger."""
        user = self._state.users.get(user_id)
        view = None if user is None else view_of(self._state, user)
        self._trim()
        return view

    def decision(self, decision_id: str) -> Decision | None:
        """Return a decision of the log, ``None`` when it is not (or no longer) there."""
        found = self._store.find(decision_id)
        return found[1] if found is not None and isinstance(found[1], Decision) else None

    def stats(self) -> Stats:
        """Return counters and sizes."""
        return stats_of(self._state, self._store)

    def fingerprint(self) -> str:
        """Return a digest of all that was learned, people included; reads the whole store.

        Equal for two engines that folded the same log under the same settings and key, however
        often one of them crashed or was asked.
        """
        return fingerprint_of(self._state, self._shelf)

    def close(self) -> None:
        """Close the store. What is not in a snapshot is folded again at the next opening."""
        self._store.close()

    def _recover(self) -> State:
        state = State(self.settings, self._load_user, self.key)
        if parts := self._store.load():
            try:
                state.restore(parts)
            except IncompatibleState as error:
                return self._rebuild(str(error))
        return self._replay(state, after=self._store.snapshot_sequence)

    def _rebuild(self, reason: str) -> State:
        """Fold the whole log anew, because the snapshot cannot be used."""
        check_start(self._store, reason)
        _log.warning("rebuilding the state from the whole log: %s", reason)
        self._shelf.closed = True
        state = self._replay(State(self.settings, self._load_user, self.key), after=0)
        self._shelf.closed = False
        return state

    def _replay(self, state: State, after: int) -> State:
        self._state = state
        for sequence, event in self._store.read(after=after):
            for _ in self._folding_one(sequence, event):
                pass
            kill_point("mid-recovery")
        kill_point("after-recovery")
        return state

    def _load_user(self, user_id: str) -> bytes | None:
        return self._shelf.load(user_id, self._state.void)
