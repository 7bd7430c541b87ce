"""Sessions like this one: what else was liked in them.

Session-aware nearest neighbours (V-SkNN; Ludewig & Jannach, Evaluation of session-based
recommendation algorithms, 2018): the person's newest likes x = 0, 1, ... of the current session
point to the sessions of others with the same items::

    similarity(s) = sum over shared items of decay ** x / sqrt(|s| + 3)
    score(j)      = sum of similarity over the most similar sessions that contain j

Sessions lie in a ring, and every item knows the latest sessions that it was liked in: both are
bounded, whatever happens.
"""

import msgspec
import numpy as np
from typing_extensions import override

from recsys.arrays import Packed, grown, pack_array, unpack_array
from recsys.candidates import session_kernels as compute
from recsys.candidates.base import Asker, Source
from recsys.candidates.pool import Pool
from recsys.codec import pack, unpack
from recsys.errors import IncompatibleState
from recsys.held import Held
from recsys.settings import SessionSettings
from recsys.users import User

__all__ = ["Sessions"]

_GONE = np.iinfo(np.int32).min
"""Older than all sessions."""
_LENGTH = 20
"""Likes per session; a longer one goes on as the next."""


class _State(msgspec.Struct):
    items: Packed
    sizes: Packed
    started: int
    serials: Packed
    lengths: Packed


class Sessions(Source):
    """The ring of sessions. A person's current one is named by ``User.session``."""

    columns = ("sessions",)

    def __init__(self, settings: SessionSettings) -> None:
        self.weights = (settings.weight,)
        self._settings = settings
        self._gap_ms = settings.gap_s * 1000.0
        size = settings.sessions
        self._ring = compute.Ring(np.zeros((size, _LENGTH), np.int32), np.zeros(size, np.int32))
        self._postings = compute.Postings(
            np.zeros((64, settings.occurrences), np.int32), np.zeros(64, np.int64)
        )
        self._n_items = 0
        self._count = np.zeros(1, np.int64)
        self._held = Held(compute.hold_shelves)
        self._similarity = np.zeros(size, np.float32)
        self._found = np.zeros(size, np.int64)

    @property
    @override
    def held(self) -> compute.Shelves:
        """All of it, for compiled code."""
        return self._held(self._record)

    def _record(self) -> compute.Shelves:
        settings = self._settings
        return compute.Shelves(
            self._ring,
            self._postings,
            self._count,
            settings.history,
            settings.decay,
            self._gap_ms,
            settings.neighbours,
            self._similarity,
            self._found,
        )

    @property
    def _started(self) -> int:
        return int(self._count[0])

    @override
    def grow(self, n_items: int) -> None:
        serials, likes = self._postings
        self._postings = compute.Postings(grown(serials, n_items), grown(likes, n_items))
        self._n_items = n_items

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        ring = self._ring
        size = len(ring.sizes)
        row = user.session % size
        # Later ones have taken the rows of all before these.
        current = max(self._started - size, 0) <= user.session
        if current and ring.items[row, ring.sizes[row] - 1] == item:
            return
        if not current or not self._goes_on(user, ts_ms) or ring.sizes[row] == _LENGTH:
            user.session = self._started
            row = user.session % size
            ring.sizes[row] = 0
            self._count[0] += 1
        ring.items[row, ring.sizes[row]] = item
        ring.sizes[row] += 1
        serials, likes = self._postings
        serials[item, likes[item] % self._settings.occurrences] = user.session
        likes[item] += 1

    @override
    def mix(self, user: User, item: int, ts_ms: int, strength: float, weight: float) -> None:
        """Nothing: which session a like belongs to is known where its person is."""

    def _goes_on(self, user: User, ts_ms: int) -> bool:
        return len(user.times_ms) > 0 and abs(ts_ms - int(user.times_ms[-1])) <= self._gap_ms

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        compute.propose(self.held, asker.question, pool.held, column)

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        """Nothing to add: the sum over the sessions found is the score."""

    @override
    def erase(self, user: User) -> None:
        """Drop the person's current session; nothing says whose those before it were."""
        ring, (serials, likes) = self._ring, self._postings
        row = user.session % len(ring.sizes)
        if user.session < max(self._started - len(ring.sizes), 0):
            return
        n = self._settings.occurrences
        for item in set(ring.items[row, : ring.sizes[row]].tolist()):
            # Oldest first; what is left moves to the newest places, which are looked at first.
            places = np.arange(likes[item] - min(likes[item], n), likes[item]) % n
            kept = serials[item, places][serials[item, places] != user.session]
            gone = len(places) - len(kept)
            serials[item, places] = np.concatenate([np.full(gone, _GONE, np.int32), kept])
        ring.items[row], ring.sizes[row] = 0, 0

    @override
    def snapshot(self) -> bytes:
        rows = min(self._started, len(self._ring.sizes))
        serials, likes = self._postings
        oldest = self._started - len(self._ring.sizes)
        lengths = compute.lengths_of(serials, likes[: self._n_items], oldest)
        latest = np.empty(int(lengths.sum()), np.int32)
        compute.unroll(serials, likes, lengths, latest)
        state = _State(
            pack_array(self._ring.items[:rows]),
            pack_array(self._ring.sizes[:rows]),
            self._started,
            pack_array(latest),
            pack_array(lengths),
        )
        return pack(state)

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        sizes = unpack_array(state.sizes, np.int32)
        lengths = unpack_array(state.lengths, np.int32)
        rows, size = len(sizes), len(self._ring.sizes)
        occurrences = self._settings.occurrences
        if rows > size or (rows < size and rows != state.started):
            message = f"a ring of {rows} sessions was stored, the settings say {size}"
            raise IncompatibleState(message)
        if lengths.max(initial=0) > occurrences:
            message = (
                f"up to {lengths.max()} sessions per item were stored, the settings say "
                f"{occurrences}"
            )
            raise IncompatibleState(message)
        self._ring.items[:rows] = unpack_array(state.items, np.int32)
        self._ring.sizes[:rows] = sizes
        serials = np.zeros((len(lengths), occurrences), np.int32)
        serials[np.arange(occurrences) < lengths[:, None]] = unpack_array(state.serials, np.int32)
        self._postings = compute.Postings(serials, lengths.astype(np.int64))
        self._n_items = len(lengths)
        self._count[0] = state.started
