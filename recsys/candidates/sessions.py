"""Sessions like this one: what else was liked in them.

Session-aware nearest neighbours (V-SkNN; Ludewig & Jannach, Evaluation of session-based
recommendation algorithms, 2018): the person's newest likes x = 0, 1, ... of the current session
point to the sessions of others with the same items::

    similarity(s) = sum over shared items of decay ** x / sqrt(|s| + 3)
    score(j)      = sum of similarity over the most similar sessions that contain j

Sessions lie in a ring, and every item knows the latest sessions that it was liked in: both are
bounded, whatever happens.
"""

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import Packed, grown, pack_array, unpack_array
from recsys.candidates.base import Asker, Source
from recsys.candidates.pool import Pool
from recsys.codec import pack, unpack
from recsys.compiled import compiled
from recsys.errors import IncompatibleState
from recsys.settings import SessionSettings
from recsys.users import User

__all__ = ["Sessions"]

_LENGTH = 20
"""Likes per session; a longer one goes on as the next."""
_VANISHED = 1e-6
"""A like that counts less than this ends the walk through the history."""


class _Ring(NamedTuple):
    """Sessions by serial number modulo the ring's size.

    Attributes
    ----------
    items
        The likes of a session, ``(n_sessions, length)``.
    sizes
        How many they are, ``(n_sessions,)``.
    """

    items: NDArray[np.int32]
    sizes: NDArray[np.int32]


class _Postings(NamedTuple):
    """The latest sessions of each item, a ring per item.

    Attributes
    ----------
    serials
        Serial numbers of sessions, ``(n_items or more, occurrences)``.
    likes
        How many were written ever, ``(n_items or more,)``.
    """

    serials: NDArray[np.int32]
    likes: NDArray[np.int64]


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
        self._ring = _Ring(np.zeros((size, _LENGTH), np.int32), np.zeros(size, np.int32))
        self._postings = _Postings(
            np.zeros((64, settings.occurrences), np.int32), np.zeros(64, np.int64)
        )
        self._n_items = 0
        self._started = 0
        self._similarity = np.zeros(size, np.float32)
        self._found = np.zeros(size, np.int64)

    @override
    def grow(self, n_items: int) -> None:
        serials, likes = self._postings
        self._postings = _Postings(grown(serials, n_items), grown(likes, n_items))
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
            self._started += 1
        ring.items[row, ring.sizes[row]] = item
        ring.sizes[row] += 1
        serials, likes = self._postings
        serials[item, likes[item] % self._settings.occurrences] = user.session
        likes[item] += 1

    def _goes_on(self, user: User, ts_ms: int) -> bool:
        return bool(user.times_ms) and abs(ts_ms - user.times_ms[-1]) <= self._gap_ms

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        if not len(asker.items):
            return
        settings = self._settings
        n = settings.history
        pool.count = _propose(
            self._ring,
            self._postings,
            self._started,
            asker.items[-n:],
            asker.times_ms[-n:],
            asker.user.session,
            (settings.decay, self._gap_ms, settings.neighbours),
            self._similarity,
            self._found,
            pool.scores[:, column],
            pool.proposed,
            pool.known,
            pool.count,
        )

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        """Nothing to add: the sum over the sessions found is the score."""

    @override
    def snapshot(self) -> bytes:
        rows = min(self._started, len(self._ring.sizes))
        serials, likes = self._postings
        oldest = self._started - len(self._ring.sizes)
        lengths = _lengths(serials, likes[: self._n_items], oldest)
        latest = np.empty(int(lengths.sum()), np.int32)
        _unroll(serials, likes, lengths, latest)
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
        self._postings = _Postings(serials, lengths.astype(np.int64))
        self._n_items = len(lengths)
        self._started = state.started


@compiled
def _lengths(
    serials: NDArray[np.int32], likes: NDArray[np.int64], oldest: int
) -> NDArray[np.int32]:
    """Return how many sessions of each item can be found: those after the last one given up."""
    lengths = np.zeros(likes.shape[0], np.int32)
    for item in range(likes.shape[0]):
        for back in range(1, min(likes[item], serials.shape[1]) + 1):
            if serials[item, (likes[item] - back) % serials.shape[1]] < oldest:
                break
            lengths[item] = back
    return lengths


@compiled
def _unroll(
    serials: NDArray[np.int32],
    likes: NDArray[np.int64],
    lengths: NDArray[np.int32],
    latest: NDArray[np.int32],
) -> None:
    """Write the sessions of all items one after the other, oldest first."""
    n = 0
    for item in range(lengths.shape[0]):
        for like in range(likes[item] - lengths[item], likes[item]):
            latest[n] = serials[item, like % serials.shape[1]]
            n += 1


@compiled
def _propose(
    ring: _Ring,
    postings: _Postings,
    started: int,
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    own: int,
    limits: tuple[float, float, int],
    similarity: NDArray[np.float32],
    found: NDArray[np.int64],
    scores: NDArray[np.float32],
    proposed: NDArray[np.int32],
    known: NDArray[np.bool_],
    count: int,
) -> int:
    """Add the items of similar sessions to a pool; returns the pool's new count.

    ``similarity`` and ``found`` are scratch of the ring's size; the former is 0 before and after.
    """
    decay, gap_ms, neighbours = limits
    size = ring.sizes.shape[0]
    occurrences = postings.serials.shape[1]
    newest_row = started % size
    n_found = 0
    n_past = items.shape[0]
    for lag in range(n_past):
        at = n_past - 1 - lag
        near = decay**lag
        # Below float32's range a session would look as if it had not been found yet.
        if times_ms[n_past - 1] - times_ms[at] > gap_ms or near < _VANISHED:
            break
        item = items[at]
        place = postings.likes[item] % occurrences
        for _ in range(min(postings.likes[item], occurrences)):
            place = place - 1 if place > 0 else occurrences - 1
            serial = postings.serials[item, place]
            age = started - serial
            if age > size:
                # Given up for a newer session, like all before it.
                break
            if serial == own:
                continue
            row = newest_row - age
            if row < 0:
                row += size
            if similarity[row] == 0.0:
                found[n_found] = row
                n_found += 1
            similarity[row] += near
    for i in range(n_found):
        similarity[found[i]] /= math.sqrt(ring.sizes[found[i]] + 3.0)
    threshold = np.float32(0.0)
    if n_found > neighbours:
        threshold = np.partition(similarity[found[:n_found]], n_found - neighbours)[
            n_found - neighbours
        ]
    for i in range(n_found):
        row = found[i]
        worth = similarity[row]
        similarity[row] = 0.0
        if worth < threshold:
            continue
        for place in range(ring.sizes[row]):
            item = ring.items[row, place]
            if not known[item]:
                known[item] = True
                proposed[count] = item
                count += 1
            scores[item] += worth
    return count
