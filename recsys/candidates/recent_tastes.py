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
from recsys.candidates.by_attributes import propose_best, score_items
from recsys.candidates.pool import Pool
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
        self._worth = np.zeros(0, np.float32)

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
        self._worth = np.empty(len(self._catalogue.sets.tokens), np.float32)
        _weigh(
            self._catalogue.attributes,
            self._catalogue.sets.tokens,
            asker.items[-self._settings.history :],
            self._settings.decay,
            self._by_token,
            self._worth,
        )
        pool.count = propose_best(
            self._worth,
            self._catalogue.sets.of_item,
            self._catalogue.alive,
            self._counts.log_liked,
            1.0,
            self._settings.leaders,
            pool.proposed,
            pool.known,
            pool.count,
        )

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        if len(asker.items):
            score_items(
                self._worth,
                self._catalogue.sets.of_item,
                self._counts.log_liked,
                1.0,
                pool.scores,
                column,
                pool.items,
            )

    @override
    def snapshot(self) -> bytes:
        return pack(None)

    @override
    def restore(self, record: bytes) -> None:
        unpack(record, type(None))


@compiled
def _weigh(
    attributes: NDArray[np.int32],
    sets: NDArray[np.int32],
    past: NDArray[np.int32],
    decay: float,
    by_token: NDArray[np.float32],
    worth: NDArray[np.float32],
) -> None:
    """Write what each set of attributes is worth; ``by_token`` is 0 before and after."""
    for lag in range(past.shape[0]):
        item = past[past.shape[0] - 1 - lag]
        for column in range(attributes.shape[1]):
            token = attributes[item, column]
            if token < 0:
                break
            by_token[token] += np.float32(decay**lag)
    for number in range(sets.shape[0]):
        total = np.float32(0.0)
        n_tokens = 0
        for column in range(sets.shape[1]):
            token = sets[number, column]
            if token < 0:
                break
            total += by_token[token]
            n_tokens += 1
        worth[number] = total / math.sqrt(max(n_tokens, 1))
    for lag in range(past.shape[0]):
        item = past[past.shape[0] - 1 - lag]
        for column in range(attributes.shape[1]):
            token = attributes[item, column]
            if token < 0:
                break
            by_token[token] = 0.0
