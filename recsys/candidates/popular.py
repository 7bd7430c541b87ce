"""Popularity: how often an item was liked lately, under several notions of lately."""

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
from recsys.settings import PopularSettings
from recsys.users import User

__all__ = ["Popular"]

_RESCALE_AT = 40.0
"""Half-lives after which the counts are brought back to the present: far below 2**127, the end of
float32."""
_FADED = 100.0
"""Half-lives after which a count has faded about as far as float32 goes."""
_REFRESH_EVERY = 32
"""Likes after which the leaders are found anew: a scan of all items."""


class _State(msgspec.Struct):
    columns: list[str]
    counts: Packed
    origin_ms: list[int]
    leaders: Packed
    learned: int


class Popular(Source):
    """Counts with exponential forgetting in event time, one per window.

    Forward decay (Cormode et al. 2009): an event at t adds ``2 ** ((t - origin) / half_life)``, so
    that the order of items never has to be brought up to date. Proposes the leaders of every
    window.

    Attributes
    ----------
    longest
        The column of the window that forgets most slowly.
    """

    def __init__(self, settings: PopularSettings) -> None:
        windows = settings.windows
        self.columns = tuple(f"popular_{name}" for name in windows)
        self.weights = tuple(window.weight for window in windows.values())
        self._half_life_ms = np.array([w.half_life_s * 1000.0 for w in windows.values()])
        self.longest = f"popular_{max(windows, key=lambda name: windows[name].half_life_s)}"
        self._leading = settings.leaders
        self._counts = np.zeros((64, len(windows)), np.float32)
        self._n_items = 0
        self._origin_ms = np.full(len(windows), -1, np.int64)
        self._leaders = np.zeros(0, np.int32)
        self._learned = 0

    @override
    def grow(self, n_items: int) -> None:
        self._counts = grown(self._counts, n_items)
        self._n_items = n_items

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        _add(self._counts, self._origin_ms, self._half_life_ms, item, ts_ms, strength)
        self._learned += 1
        if self._learned % _REFRESH_EVERY == 0 or self._learned < _REFRESH_EVERY:
            self._leaders = self._find_leaders()

    def _find_leaders(self) -> NDArray[np.int32]:
        counts = self._counts[: self._n_items]
        found = [np.flatnonzero(column > 0.0) for column in counts.T]
        for window, items in enumerate(found):
            if len(items) > self._leading:
                of_items = counts[items, window]
                best = np.argpartition(-of_items, self._leading - 1)[: self._leading]
                found[window] = items[best]
        return np.unique(np.concatenate(found)).astype(np.int32)

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        pool.add(self._leaders)

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        _fill(
            self._counts,
            self._origin_ms,
            self._half_life_ms,
            asker.ts_ms,
            pool.scores,
            column,
            pool.items,
        )

    @override
    def snapshot(self) -> bytes:
        state = _State(
            list(self.columns),
            pack_array(self._counts[: self._n_items]),
            self._origin_ms.tolist(),
            pack_array(self._leaders),
            self._learned,
        )
        return pack(state)

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        if state.columns != list(self.columns):
            message = (
                f"popularity was counted in the windows {state.columns}, the settings say "
                f"{list(self.columns)}"
            )
            raise IncompatibleState(message)
        self._counts = unpack_array(state.counts, np.float32)
        self._n_items = len(self._counts)
        self._origin_ms = np.array(state.origin_ms, np.int64)
        self._leaders = unpack_array(state.leaders, np.int32)
        self._learned = state.learned


@compiled
def _add(
    counts: NDArray[np.float32],
    origin_ms: NDArray[np.int64],
    half_life_ms: NDArray[np.float64],
    item: int,
    ts_ms: int,
    strength: float,
) -> None:
    for window in range(counts.shape[1]):
        if origin_ms[window] < 0:
            origin_ms[window] = ts_ms
        age = (ts_ms - origin_ms[window]) / half_life_ms[window]
        if age > _RESCALE_AT:
            # After a pause of any length the old counts may vanish: that is forgetting.
            counts[:, window] *= np.float32(2.0 ** -min(age, 200.0))
            origin_ms[window] = ts_ms
            age = 0.0
        counts[item, window] += np.float32(strength * 2.0 ** max(age, -_RESCALE_AT))


@compiled
def _fill(
    counts: NDArray[np.float32],
    origin_ms: NDArray[np.int64],
    half_life_ms: NDArray[np.float64],
    ts_ms: int,
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
) -> None:
    fade = np.ones(counts.shape[1])
    for window in range(counts.shape[1]):
        if origin_ms[window] >= 0:
            age = (ts_ms - origin_ms[window]) / half_life_ms[window]
            fade[window] = 2.0 ** min(max(-age, -_FADED), _RESCALE_AT)
    for i in range(items.shape[0]):
        for window in range(counts.shape[1]):
            scores[items[i], column + window] = np.float32(counts[items[i], window] * fade[window])
