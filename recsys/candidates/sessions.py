"""Sessions like this one: what else was liked in them.

Session-aware nearest neighbours (V-SkNN; Ludewig & Jannach, Evaluation of session-based
recommendation algorithms, 2018): the person's newest likes x = 0, 1, ... of the current session
point to the sessions of others with the same items::

    similarity(s) = sum over shared items of decay ** x / sqrt(|s| + 3)
    score(j)      = sum of similarity over the most similar sessions that contain j

Sessions lie in a ring; each place in one remembers where the same item was liked before, so that
memory is bounded by the ring, whatever the catalogue holds.
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
    items, previous
        The likes of a session and, for each, ``serial * length + place`` of the same item's like
        before (-1: none); shapes ``(n_sessions, length)``.
    sizes, serials
        Likes in a session, and which session it is; shapes ``(n_sessions,)``.
    newest
        The same address of the newest like of each item, ``(n_items,)``.
    """

    items: NDArray[np.int32]
    previous: NDArray[np.int64]
    sizes: NDArray[np.int32]
    serials: NDArray[np.int64]
    newest: NDArray[np.int64]


class _State(msgspec.Struct):
    items: Packed
    previous: Packed
    sizes: Packed
    serials: Packed
    newest: Packed
    started: int


class Sessions(Source):
    """The ring of sessions. A person's current one is named by ``User.session``."""

    columns = ("sessions",)

    def __init__(self, settings: SessionSettings) -> None:
        self.weights = (settings.weight,)
        self._settings = settings
        self._gap_ms = settings.gap_s * 1000.0
        size = settings.sessions
        self._ring = _Ring(
            np.zeros((size, _LENGTH), np.int32),
            np.full((size, _LENGTH), -1, np.int64),
            np.zeros(size, np.int32),
            np.full(size, -1, np.int64),
            np.full(64, -1, np.int64),
        )
        self._n_items = 0
        self._started = 0
        self._similarity = np.zeros(size, np.float32)
        self._found = np.zeros(size, np.int64)

    @override
    def grow(self, n_items: int) -> None:
        newest = grown(self._ring.newest, n_items, fill=-1)
        self._ring = self._ring._replace(newest=newest)
        self._n_items = n_items

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        ring = self._ring
        size = len(ring.serials)
        row = user.session % size
        current = user.session >= 0 and ring.serials[row] == user.session
        if current and ring.items[row, ring.sizes[row] - 1] == item:
            return
        if not current or not self._goes_on(user, ts_ms) or ring.sizes[row] == _LENGTH:
            user.session = self._started
            row = user.session % size
            ring.serials[row] = user.session
            ring.sizes[row] = 0
            self._started += 1
        place = int(ring.sizes[row])
        ring.items[row, place] = item
        ring.previous[row, place] = ring.newest[item]
        ring.newest[item] = user.session * _LENGTH + place
        ring.sizes[row] = place + 1

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
            asker.items[-n:],
            asker.times_ms[-n:],
            asker.user.session,
            (settings.decay, self._gap_ms, settings.occurrences, settings.neighbours),
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
        rows = min(self._started, len(self._ring.serials))
        ring = self._ring
        state = _State(
            pack_array(ring.items[:rows]),
            pack_array(ring.previous[:rows]),
            pack_array(ring.sizes[:rows]),
            pack_array(ring.serials[:rows]),
            pack_array(ring.newest[: self._n_items]),
            self._started,
        )
        return pack(state)

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        rows = state.sizes.shape[0]
        size = len(self._ring.serials)
        if rows > size or (rows < size and rows != state.started):
            message = f"a ring of {rows} sessions was stored, the settings say {size}"
            raise IncompatibleState(message)
        ring = self._ring
        ring.items[:rows] = unpack_array(state.items, np.int32)
        ring.previous[:rows] = unpack_array(state.previous, np.int64)
        ring.sizes[:rows] = unpack_array(state.sizes, np.int32)
        ring.serials[:rows] = unpack_array(state.serials, np.int64)
        self._ring = ring._replace(newest=unpack_array(state.newest, np.int64))
        self._n_items = len(self._ring.newest)
        self._started = state.started


@compiled
def _propose(
    ring: _Ring,
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    own: int,
    limits: tuple[float, float, int, int],
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
    decay, gap_ms, occurrences, neighbours = limits
    size = ring.serials.shape[0]
    n_found = 0
    n_past = items.shape[0]
    for lag in range(n_past):
        at = n_past - 1 - lag
        near = decay**lag
        # Below float32's range a session would look as if it had not been found yet.
        if times_ms[n_past - 1] - times_ms[at] > gap_ms or near < _VANISHED:
            break
        address = ring.newest[items[at]]
        for _ in range(occurrences):
            if address < 0:
                break
            serial = address // _LENGTH
            row = serial % size
            if ring.serials[row] != serial:
                # Given up for a newer session, like all before it.
                break
            if serial != own:
                if similarity[row] == 0.0:
                    found[n_found] = row
                    n_found += 1
                similarity[row] += near / math.sqrt(ring.sizes[row] + 3.0)
            address = ring.previous[row, address % _LENGTH]
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
