"""Popularity of attributes: items of the kind that is liked lately, by anybody.

::

    w(t)     = likes, faded with event time, of items that have attribute t
    score(j) = sum over attributes t of j of w(t) / sqrt(number of them) * (1 + log(1 + likes of j))

once per window: ``recent_tastes`` with everybody for the person. It knows what an item that hardly
anybody has met may be worth when a kind of items comes into fashion.
"""

import math

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker
from recsys.candidates.by_attributes import best_items
from recsys.candidates.leading import Leading
from recsys.candidates.pool import Pool
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.features.counts import ItemCounts
from recsys.settings import PopularAttributeSettings

__all__ = ["PopularAttributes"]


class PopularAttributes(Leading):
    """Scores by the formula above."""

    def __init__(
        self, settings: PopularAttributeSettings, catalogue: Catalogue, counts: ItemCounts
    ) -> None:
        super().__init__("popular_attributes", settings.windows, settings.leaders)
        self._catalogue = catalogue
        self._counts = counts

    @override
    def grow(self, n_items: int) -> None:
        self._liked.grow(self._catalogue.n_tokens)

    @override
    def _count(self, item: int, ts_ms: int, strength: float) -> None:
        for token in self._catalogue[item].tokens:
            self._liked.add(token, ts_ms, strength)

    @override
    def _lead(self, window: int, n: int) -> NDArray[np.int32]:
        sets, alive = self._catalogue.sets, self._catalogue.alive
        worth = np.empty(len(sets.tokens), np.float32)
        _weigh(self._liked.counts, sets.tokens, window, worth)
        return best_items(worth, sets.of_item, alive, self._counts.log_liked, 1.0, n)

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
