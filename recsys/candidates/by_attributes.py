"""From what sets of attributes are worth to the best items, for sources that judge by attributes.

The score of an item is the worth of its set, times ``1 + boost log(1 + likes)``.
"""

import math
from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker, Untaught
from recsys.candidates.pool import Pool
from recsys.candidates.pool_kernels import BLOCK, take_best
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.features.counts import ItemCounts

__all__ = ["ByAttributes", "best_items", "weigh_sets", "worth_of"]


class ByAttributes(Untaught):
    """Scores an item by what its set of attributes is worth to a person, and proposes the best.

    It learns nothing by itself: what people like is theirs, what items are is in the catalogue.

    Parameters
    ----------
    leaders
        How many are proposed.
    boost
        Of what others like, 0 for none.
    """

    def __init__(
        self, catalogue: Catalogue, counts: ItemCounts, *, leaders: int, boost: float
    ) -> None:
        self._catalogue = catalogue
        self._counts = counts
        self._leaders = leaders
        self._boost = boost
        self._worth: NDArray[np.float32] | None = None

    @abstractmethod
    def worth(self, asker: Asker) -> NDArray[np.float32] | None:
        """Return what each set is worth, ``(n_sets,)``; ``None`` for who has no tastes yet."""

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        # Kept until ``score``, which follows at once: the pool takes what it needs from there.
        self._worth = self.worth(asker)
        if self._worth is None:
            return
        of_item, liked = self._catalogue.sets.of_item, self._counts.log_liked
        allowed = asker.allowed
        pool.add(best_items(self._worth, of_item, allowed, liked, self._boost, self._leaders))

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        if self._worth is None:
            return
        _score_items(
            self._worth,
            self._catalogue.sets.of_item,
            self._counts.log_liked,
            self._boost,
            pool.scores,
            column,
            pool.items,
        )


@compiled
def worth_of(
    by_token: NDArray[np.float32], column: int, tokens: NDArray[np.int32], row: int
) -> np.float32:
    """Return the sum of a column of ``by_token`` over a row of tokens, over its root length."""
    total = np.float32(0.0)
    n_tokens = 0
    for place in range(tokens.shape[1]):
        token = tokens[row, place]
        if token < 0:
            break
        total += by_token[token, column]
        n_tokens += 1
    return np.float32(total / math.sqrt(max(n_tokens, 1)))


@compiled
def weigh_sets(
    by_token: NDArray[np.float32],
    column: int,
    sets: NDArray[np.int32],
    worth: NDArray[np.float32],
) -> None:
    """Write what each set of attributes is worth: ``worth_of``, without a call per set."""
    for number in range(sets.shape[0]):
        total = np.float32(0.0)
        n_tokens = 0
        while n_tokens < sets.shape[1] and sets[number, n_tokens] >= 0:
            total += by_token[sets[number, n_tokens], column]
            n_tokens += 1
        worth[number] = np.float32(total / math.sqrt(max(n_tokens, 1)))


@compiled
def best_items(
    worth: NDArray[np.float32],
    set_of: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    log_liked: NDArray[np.float64],
    boost: float,
    leaders: int,
) -> NDArray[np.int32]:
    """Return the best of the catalogue whose score is over 0, best first, ``leaders`` at most.

    Parameters
    ----------
    worth
        Of each set, ``(n_sets,)``.
    set_of, allowed, log_liked
        Which set an item has, whether it may be shown, and ``log(1 + likes)``,
        ``(n_items or more,)``; as many as ``allowed`` has are looked at.
    """
    items = np.empty(leaders, np.int32)
    best = np.empty(leaders, np.float32)
    scores = np.empty(min(BLOCK, allowed.shape[0]), np.float32)
    n = 0
    for start in range(0, allowed.shape[0], BLOCK):
        size = min(BLOCK, allowed.shape[0] - start)
        for i in range(size):
            item = start + i
            scores[i] = np.float32(worth[set_of[item]] * (1.0 + boost * log_liked[item]))
        for i in range(size):
            if not allowed[start + i] or scores[i] <= 0.0:
                scores[i] = -np.inf
        n = take_best(scores[:size], start, items, best, n)
    return items[:n]


@compiled
def _score_items(
    worth: NDArray[np.float32],
    set_of: NDArray[np.int32],
    log_liked: NDArray[np.float64],
    boost: float,
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
) -> None:
    """Fill a column of the pool."""
    for i in range(items.shape[0]):
        item = items[i]
        scores[item, column] = worth[set_of[item]] * (1.0 + boost * log_liked[item])
