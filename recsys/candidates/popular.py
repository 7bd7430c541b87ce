"""Popularity: how often an item was liked lately, under several notions of lately."""

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import Packed, pack_array, unpack_array
from recsys.candidates.base import Asker, Source
from recsys.candidates.decayed import DecayedCounts
from recsys.candidates.pool import Pool
from recsys.codec import pack, unpack
from recsys.compiled import compiled
from recsys.errors import IncompatibleState
from recsys.settings import PopularSettings
from recsys.users import User

__all__ = ["Popular"]

_REFRESH_EVERY = 32
"""Likes after which the leaders are found anew: a scan of all items."""
_WIDE = 4
"""So many times what is proposed is known, for people who had the first ones already."""


class _State(msgspec.Struct):
    columns: list[str]
    counts: Packed
    origin_ms: list[int]
    leaders: Packed
    learned: int


class Popular(Source):
    """Likes that fade with event time, one count per window. Proposes the leaders of every window.

    Attributes
    ----------
    longest
        The column of the window that forgets most slowly.
    """

    def __init__(self, settings: PopularSettings) -> None:
        windows = settings.windows
        self.columns = tuple(f"popular_{name}" for name in windows)
        self.weights = tuple(window.weight for window in windows.values())
        self.longest = f"popular_{max(windows, key=lambda name: windows[name].half_life_s)}"
        self._leading = settings.leaders
        self._liked = DecayedCounts([window.half_life_s for window in windows.values()])
        self._leaders = np.full((len(windows), _WIDE * settings.leaders), -1, np.int32)
        self._learned = 0

    @override
    def grow(self, n_items: int) -> None:
        self._liked.grow(n_items)

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        self._liked.add(item, ts_ms, strength)
        self._learned += 1
        if self._learned % _REFRESH_EVERY == 0 or self._learned < _REFRESH_EVERY:
            self._leaders = self._find_leaders()

    def _find_leaders(self) -> NDArray[np.int32]:
        """Return the leaders of each window, best first, then -1, ``(n_windows, n_places)``."""
        leaders = np.full_like(self._leaders, -1)
        places = leaders.shape[1]
        for window, counts in enumerate(self._liked.counts[: self._liked.n_keys].T):
            items = np.flatnonzero(counts > 0.0)
            if len(items) > places:
                items = items[np.argpartition(-counts[items], places - 1)[:places]]
            leaders[window, : len(items)] = items[np.lexsort((items, -counts[items]))]
        return leaders

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        pool.add_first(self._leaders, self._leading, asker.allowed)

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        fades = self._liked.fades(asker.ts_ms)
        _fill(self._liked.counts, fades, pool.scores, column, pool.items)

    @override
    def snapshot(self) -> bytes:
        leaders = pack_array(self._leaders)
        return pack(_State(list(self.columns), *self._liked.packed(), leaders, self._learned))

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        if state.columns != list(self.columns):
            message = (
                f"popularity was counted in the windows {state.columns}, the settings say "
                f"{list(self.columns)}"
            )
            raise IncompatibleState(message)
        self._liked.unpack(state.counts, state.origin_ms)
        leaders = unpack_array(state.leaders, np.int32)
        # Of another size when the settings say another number since.
        self._leaders = leaders if leaders.shape == self._leaders.shape else self._find_leaders()
        self._learned = state.learned


@compiled
def _fill(
    counts: NDArray[np.float32],
    fades: NDArray[np.float64],
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
) -> None:
    for i in range(items.shape[0]):
        for window in range(counts.shape[1]):
            scores[items[i], column + window] = np.float32(counts[items[i], window] * fades[window])
