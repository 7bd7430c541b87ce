"""Popularity of attributes: items of the kind that is liked lately, by anybody.

::

    w(t)     = likes, faded with event time, of items that have attribute t
    score(j) = sum over attributes t of j of w(t) / sqrt(number of them) * (1 + log(1 + likes of j))

once per window: ``recent_tastes`` with everybody for the person. It knows what an item that hardly
anybody has met may be worth when a kind of items comes into fashion.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker, Question, Sizes
from recsys.candidates.by_attributes import best_items, weigh_sets, worth_of
from recsys.candidates.decayed import fade
from recsys.candidates.leading import Leading
from recsys.candidates.pool import Pool
from recsys.candidates.pool_kernels import Scratch
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.features.counts import ItemCounts
from recsys.held import Held, holder
from recsys.settings import PopularAttributeSettings

__all__ = ["CountedKinds", "PopularAttributes", "score"]


class CountedKinds(NamedTuple):
    """All that the source knows.

    Attributes
    ----------
    orders, n
        As of ``recsys.candidates.popular``.
    counts, origin_ms, half_lives_ms
        By attribute, see ``recsys.candidates.decayed``.
    attributes, log_liked
        What items have, and how often they are liked, ``(n_items or more, ...)``.
    """

    orders: NDArray[np.int32]
    n: int
    counts: NDArray[np.float32]
    origin_ms: NDArray[np.int64]
    half_lives_ms: NDArray[np.float64]
    attributes: NDArray[np.int32]
    log_liked: NDArray[np.float64]


hold_counted_kinds = holder(CountedKinds)


class PopularAttributes(Leading):
    """Scores by the formula above."""

    def __init__(
        self, settings: PopularAttributeSettings, catalogue: Catalogue, counts: ItemCounts
    ) -> None:
        super().__init__("popular_attributes", settings.windows, settings.leaders)
        self._catalogue = catalogue
        self._counts = counts
        self._held = Held(hold_counted_kinds)

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

    @property
    @override
    def held(self) -> CountedKinds:
        """All of it, for compiled code."""
        return self._held(self._record)

    def _record(self) -> CountedKinds:
        liked = self._liked
        return CountedKinds(
            self._leaders,
            self._leading,
            liked.counts,
            liked.origin_ms,
            liked.half_lives_ms,
            self._catalogue.attribute_table,
            self._counts.log_liked,
        )

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        score(self.held, asker.question, pool.held, column)


@compiled
def score(counted: CountedKinds, question: Question, pool: Scratch, column: int) -> None:
    """Fill a column of the pool for each window."""
    counts, attributes, log_liked = counted.counts, counted.attributes, counted.log_liked
    scores, proposed = pool.scores, pool.proposed
    count = pool.size[0]
    for window in range(counts.shape[1]):
        faded = fade(counted.origin_ms[window], counted.half_lives_ms[window], question.ts_ms)
        for i in range(count):
            item = proposed[i]
            worth = worth_of(counts, window, attributes, item) * faded
            scores[column + window, i] = np.float32(worth * (1.0 + log_liked[item]))
