"""From what sets of attributes are worth to the best items, for sources that judge by attributes.

The score of an item is the worth of its set, times ``1 + boost log(1 + likes)``.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import grown
from recsys.candidates.base import Asker, Question, Untaught
from recsys.candidates.best_kernels import BLOCK, take_best
from recsys.candidates.pool import Pool
from recsys.candidates.pool_kernels import Scratch, add_items
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.features.counts import ItemCounts
from recsys.held import Held, holder

__all__ = [
    "ByAttributes",
    "Kinds",
    "best_items",
    "propose_best",
    "score",
    "weigh_sets",
    "worth_of",
]


class Kinds(NamedTuple):
    """What sources that judge by attributes know of items, and what they say of sets of attributes.

    Attributes
    ----------
    attributes, set_of, log_liked
        An item's attributes, its set of them, ``log(1 + likes)``; ``(n_items or more, ...)``.
    sets
        See ``recsys.attribute_sets``.
    leaders
        How many items are proposed.
    boost
        Of what others like, 0 for none.
    worth
        Of each set for who asked last, ``(n_sets or more,)``: ``score`` follows at once.
    asked
        Whether they have any tastes, ``(1,)``.
    """

    attributes: NDArray[np.int32]
    set_of: NDArray[np.int32]
    log_liked: NDArray[np.float64]
    sets: NDArray[np.int32]
    leaders: int
    boost: float
    worth: NDArray[np.float32]
    asked: NDArray[np.bool_]


hold_kinds = holder(Kinds)


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
        self._worth = np.zeros(64, np.float32)
        self._asked = np.zeros(1, np.bool_)
        self._kinds = Held(hold_kinds)

    @property
    def kinds(self) -> Kinds:
        """For compiled code."""
        return self._kinds(self._record_of_kinds)

    def _record_of_kinds(self) -> Kinds:
        sets = self._catalogue.sets
        self._worth = grown(self._worth, len(sets.tokens))
        return Kinds(
            self._catalogue.attribute_table,
            sets.of_item,
            self._counts.log_liked,
            sets.tokens,
            self._leaders,
            self._boost,
            self._worth,
            self._asked,
        )

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        score(self.kinds, pool.held, column)


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
        end = start + size
        sets, logs, shown = set_of[start:end], log_liked[start:end], allowed[start:end]
        # Loops of one kind each, and no index that may count from the end: many at a time.
        for i in range(size):
            scores[i] = worth[np.uintp(sets[i])]
        if boost != 0.0:
            for i in range(size):
                scores[i] = np.float32(scores[i] * (1.0 + boost * logs[i]))
        for i in range(size):
            scores[i] = scores[i] if shown[i] & (scores[i] > 0.0) else np.float32(-np.inf)
        n = take_best(scores[:size], start, items, best, n)
    return items[:n]


@compiled
def propose_best(kinds: Kinds, question: Question, pool: Scratch) -> None:
    """Add the best items to a pool, once it is known what sets are worth."""
    add_items(
        pool,
        best_items(
            kinds.worth,
            kinds.set_of,
            question.allowed,
            kinds.log_liked,
            kinds.boost,
            kinds.leaders,
        ),
    )


@compiled
def score(kinds: Kinds, pool: Scratch, column: int) -> None:
    """Fill a column of the pool."""
    if not kinds.asked[0]:
        return
    worth, set_of, log_liked, boost = kinds.worth, kinds.set_of, kinds.log_liked, kinds.boost
    scores, proposed = pool.scores, pool.proposed
    for i in range(pool.size[0]):
        item = proposed[i]
        scores[column, i] = worth[set_of[item]] * (1.0 + boost * log_liked[item])
