"""Recent tastes: items with the attributes of what a person liked last.

::

    w(t)     = sum over likes x = 0, 1, ... that have attribute t of decay ** x
    score(j) = sum over attributes t of j of w(t) / sqrt(number of them) * (1 + log(1 + likes of j))

Unlike the personal bandit, which weighs all evidence since ever, it turns within a like or two; and
of many items with the same attributes it prefers those that others like.
"""

import math

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import grown
from recsys.candidates.base import Asker, Source
from recsys.candidates.pool import Pool, add_items, insert
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.compiled import compiled
from recsys.features.counts import ItemCounts
from recsys.settings import RecentTasteSettings
from recsys.users import User

__all__ = ["RecentTastes"]


class RecentTastes(Source):
    """Learns nothing by itself: a person's likes are theirs, attributes are in the catalogue."""

    columns = ("recent_tastes",)

    def __init__(
        self, settings: RecentTasteSettings, catalogue: Catalogue, counts: ItemCounts
    ) -> None:
        self.weights = (settings.weight,)
        self.seats = (settings.seats,)
        self._settings = settings
        self._catalogue = catalogue
        self._counts = counts
        self._by_token = np.zeros(64, np.float32)
        self._scores = np.zeros(0, np.float32)

    @override
    def grow(self, n_items: int) -> None:
        self._by_token = grown(self._by_token, self._catalogue.n_tokens)

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        """Nothing to learn."""

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        if not len(asker.items):
            return
        # Kept until ``score``, which follows at once: the pool takes what it needs from there.
        self._scores = np.empty(len(self._catalogue), np.float32)
        pool.count = _propose(
            self._catalogue.attributes,
            self._catalogue.alive,
            self._counts.liked,
            asker.items[-self._settings.history :],
            self._settings.decay,
            self._settings.leaders,
            self._by_token,
            self._scores,
            pool.proposed,
            pool.known,
            pool.count,
        )

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        if len(asker.items):
            pool.scores[pool.items, column] = self._scores[pool.items]

    @override
    def snapshot(self) -> bytes:
        return pack(None)

    @override
    def restore(self, record: bytes) -> None:
        unpack(record, type(None))


@compiled
def _propose(
    attributes: NDArray[np.int32],
    alive: NDArray[np.bool_],
    liked: NDArray[np.float64],
    past: NDArray[np.int32],
    decay: float,
    leaders: int,
    by_token: NDArray[np.float32],
    scores: NDArray[np.float32],
    proposed: NDArray[np.int32],
    known: NDArray[np.bool_],
    count: int,
) -> int:
    """Fill ``scores`` and add the best to a pool; ``by_token`` is 0 before and after."""
    for lag in range(past.shape[0]):
        item = past[past.shape[0] - 1 - lag]
        for column in range(attributes.shape[1]):
            token = attributes[item, column]
            if token < 0:
                break
            by_token[token] += np.float32(decay**lag)
    items = np.empty(leaders, np.int32)
    best = np.empty(leaders, np.float32)
    n = 0
    for item in range(scores.shape[0]):
        total = np.float32(0.0)
        n_tokens = 0
        for column in range(attributes.shape[1]):
            token = attributes[item, column]
            if token < 0:
                break
            total += by_token[token]
            n_tokens += 1
        scores[item] = 0.0
        if total > 0.0:
            scores[item] = total / math.sqrt(n_tokens) * (1.0 + math.log1p(liked[item]))
            if alive[item]:
                n = insert(items, best, n, item, scores[item])
    for lag in range(past.shape[0]):
        item = past[past.shape[0] - 1 - lag]
        for column in range(attributes.shape[1]):
            token = attributes[item, column]
            if token < 0:
                break
            by_token[token] = 0.0
    return add_items(items[:n], proposed, known, count)
