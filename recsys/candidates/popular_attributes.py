"""Popularity of attributes: items of the kind that is liked lately, by anybody.

::

    w(t)     = likes, faded with event time, of items that have attribute t
    score(j) = sum over attributes t of j of w(t) / sqrt(number of them) * (1 + log(1 + likes of j))

once per window: ``recent_tastes`` with everybody for the person. It knows what an item that hardly
anybody has met may be worth when a kind of items comes into fashion.
"""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker, Sizes
from recsys.candidates.by_attributes import best_items, weigh_sets, worth_of
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
    def renumber(self, items: NDArray[np.int64], tokens: NDArray[np.int64], n: Sizes) -> None:
        self._liked.renumber(tokens, n.tokens)
        self._find_leaders()

    @override
    def _count(self, item: int, ts_ms: int, strength: float) -> None:
        for token in self._catalogue[item].tokens:
            self._liked.add(token, ts_ms, strength)

    @override
    def _lead(self, window: int, n: int) -> NDArray[np.int32]:
        sets, alive = self._catalogue.sets, self._catalogue.alive
        worth = np.empty(len(sets.tokens), np.float32)
        weigh_sets(self._liked.counts, window, sets.tokens, worth)
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
            worth = worth_of(counts, window, attributes, item) * fades[window]
            scores[item, column + window] = np.float32(worth * (1.0 + log_liked[item]))
