"""Recent tastes: items with the attributes of what a person liked last.

::

    w(t)     = sum over likes x = 0, 1, ... that have attribute t of decay ** x
    score(j) = sum over attributes t of j of w(t) / sqrt(number of them) * (1 + log(1 + likes of j))

Unlike the personal bandit, which weighs all evidence since ever, it turns within a like or two; and
of many items with the same attributes it prefers those that others like.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import grown
from recsys.candidates.base import Asker, Question
from recsys.candidates.by_attributes import ByAttributes, Kinds, propose_best, weigh_sets
from recsys.candidates.pool import Pool
from recsys.candidates.pool_kernels import Scratch
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.features.counts import ItemCounts
from recsys.held import Held, holder
from recsys.settings import RecentTasteSettings

__all__ = ["RecentTastes", "propose"]


class Recent(NamedTuple):
    """All that the source knows.

    Attributes
    ----------
    by_token
        Scratch, 0 before and after, ``(n_tokens or more, 1)``.
    """

    kinds: Kinds
    history: int
    decay: float
    by_token: NDArray[np.float32]


hold_recent = holder(Recent)


class RecentTastes(ByAttributes):
    """Scores by the formula above."""

    columns = ("recent_tastes",)

    def __init__(
        self, settings: RecentTasteSettings, catalogue: Catalogue, counts: ItemCounts
    ) -> None:
        super().__init__(catalogue, counts, leaders=settings.leaders, boost=1.0)
        self.weights = (settings.weight,)
        self.seats = (settings.seats,)
        self._history = settings.history
        self._decay = settings.decay
        self._by_token = np.zeros((64, 1), np.float32)
        self._held = Held(hold_recent)

    @override
    def grow(self, n_items: int) -> None:
        self._by_token = grown(self._by_token, self._catalogue.n_tokens)

    @property
    @override
    def held(self) -> Recent:
        """All of it, for compiled code."""
        return self._held(self._record)

    def _record(self) -> Recent:
        return Recent(self.kinds, self._history, self._decay, self._by_token)

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        propose(self.held, asker.question, pool.held)


@compiled
def propose(recent: Recent, question: Question, pool: Scratch) -> None:
    """Add the best items by the likes before to a pool."""
    kinds = recent.kinds
    kinds.asked[0] = question.items.shape[0] > 0
    if not kinds.asked[0]:
        return
    attributes, by_token, decay = kinds.attributes, recent.by_token, recent.decay
    past = question.items[-recent.history :]
    for lag in range(past.shape[0]):
        item = past[past.shape[0] - 1 - lag]
        for column in range(attributes.shape[1]):
            token = attributes[item, column]
            if token < 0:
                break
            by_token[token, 0] += np.float32(decay**lag)
    weigh_sets(by_token, 0, kinds.sets, kinds.worth)
    for lag in range(past.shape[0]):
        for column in range(attributes.shape[1]):
            token = attributes[past[lag], column]
            if token < 0:
                break
            by_token[token, 0] = 0.0
    propose_best(kinds, question, pool)
