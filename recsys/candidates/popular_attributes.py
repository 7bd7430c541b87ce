"""Popularity of attributes: items of the kind that is liked lately, by anybody.

::

    w(t)     = likes, faded with event time, of items that have attribute t
    score(j) = sum over attributes t of j of w(t) / sqrt(number of them) * (1 + log(1 + likes of j))

once per window: ``recent_tastes`` with everybody for the person. It knows what an item that hardly
anybody has met may be worth when a kind of items comes into fashion.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import Packed, pack_array, unpack_array
from recsys.candidates.base import Asker, Source
from recsys.candidates.by_attributes import best_items
from recsys.candidates.decayed import DecayedCounts
from recsys.candidates.pool import Pool
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.compiled import compiled
from recsys.errors import IncompatibleState
from recsys.features.counts import ItemCounts
from recsys.settings import PopularAttributeSettings
from recsys.users import User

__all__ = ["PopularAttributes"]

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


class PopularAttributes(Source):
    """Scores by the formula above; proposes the leaders of every window."""

    def __init__(
        self, settings: PopularAttributeSettings, catalogue: Catalogue, counts: ItemCounts
    ) -> None:
        windows = settings.windows
        self.columns = tuple(f"popular_attributes_{name}" for name in windows)
        self.weights = tuple(window.weight for window in windows.values())
        self._leading = settings.leaders
        self._catalogue = catalogue
        self._counts = counts
        self._liked = DecayedCounts([window.half_life_s for window in windows.values()])
        self._leaders = np.full((len(windows), _WIDE * settings.leaders), -1, np.int32)
        self._learned = 0

    @override
    def grow(self, n_items: int) -> None:
        self._liked.grow(self._catalogue.n_tokens)

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        for token in self._catalogue[item].tokens:
            self._liked.add(token, ts_ms, strength)
        self._learned += 1
        if self._learned % _REFRESH_EVERY == 0 or self._learned < _REFRESH_EVERY:
            self._leaders = self._find_leaders()

    def _find_leaders(self) -> NDArray[np.int32]:
        """Return the leaders of each window, best first, then -1, ``(n_windows, n_places)``."""
        sets, alive = self._catalogue.sets, self._catalogue.alive
        worth = np.empty(len(sets.tokens), np.float32)
        leaders = np.full_like(self._leaders, -1)
        places = leaders.shape[1]
        for window in range(len(leaders)):
            _weigh(self._liked.counts, sets.tokens, window, worth)
            found = best_items(worth, sets.of_item, alive, self._counts.log_liked, 1.0, places)
            leaders[window, : len(found)] = found
        return leaders

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        pool.add_first(self._leaders, self._leading, asker.allowed)

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        _fill(
            self._liked.counts,
            self._liked.fades(asker.ts_ms),
            self._catalogue.attributes,
            self._counts.log_liked,
            pool.scores,
            column,
            pool.items,
        )

    @override
    def snapshot(self) -> bytes:
        leaders = pack_array(self._leaders)
        return pack(_State(list(self.columns), *self._liked.packed(), leaders, self._learned))

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        if state.columns != list(self.columns):
            message = (
                f"attributes were counted in the windows {state.columns}, the settings say "
                f"{list(self.columns)}"
            )
            raise IncompatibleState(message)
        self._liked.unpack(state.counts, state.origin_ms)
        leaders = unpack_array(state.leaders, np.int32)
        # Of another size when the settings say another number since.
        self._leaders = leaders if leaders.shape == self._leaders.shape else self._find_leaders()
        self._learned = state.learned


@compiled
def _worth(
    counts: NDArray[np.float32], tokens: NDArray[np.int32], row: int, window: int
) -> np.float32:
    """Return what a row of tokens, then -1, is worth in a window."""
    total = np.float32(0.0)
    n_tokens = 0
    for column in range(tokens.shape[1]):
        token = tokens[row, column]
        if token < 0:
            break
        total += counts[token, window]
        n_tokens += 1
    return np.float32(total / math.sqrt(max(n_tokens, 1)))


@compiled
def _weigh(
    counts: NDArray[np.float32], sets: NDArray[np.int32], window: int, worth: NDArray[np.float32]
) -> None:
    """Write what each set of attributes is worth in a window."""
    for number in range(sets.shape[0]):
        worth[number] = _worth(counts, sets, number, window)


@compiled
def _fill(
    counts: NDArray[np.float32],
    fades: NDArray[np.float64],
    attributes: NDArray[np.int32],
    log_liked: NDArray[np.float64],
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
) -> None:
    for i in range(items.shape[0]):
        item = items[i]
        for window in range(counts.shape[1]):
            worth = _worth(counts, attributes, item, window) * fades[window]
            scores[item, column + window] = np.float32(worth * (1.0 + log_liked[item]))
