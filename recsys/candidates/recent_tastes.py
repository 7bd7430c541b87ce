"""Recent tastes: items with the attributes of what a person liked last.

::

    w(t)     = sum over likes x = 0, 1, ... that have attribute t of decay ** x
    score(j) = sum over attributes t of j of w(t) / sqrt(number of them) * (1 + log(1 + likes of j))

Unlike the personal bandit, which weighs all evidence since ever, it turns within a like or two; and
of many items with the same attributes it prefers those that others like.
"""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import grown
from recsys.candidates.base import Asker
from recsys.candidates.by_attributes import ByAttributes, weigh_sets
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.features.counts import ItemCounts
from recsys.settings import RecentTasteSettings

__all__ = ["RecentTastes"]


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

    @override
    def grow(self, n_items: int) -> None:
        self._by_token = grown(self._by_token, self._catalogue.n_tokens)

    @override
    def worth(self, asker: Asker) -> NDArray[np.float32] | None:
        if not len(asker.items):
            return None
        sets = self._catalogue.sets.tokens
        out = np.empty(len(sets), np.float32)
        past = asker.items[-self._history :]
        _weigh(self._catalogue.attributes, sets, past, self._decay, self._by_token, out)
        return out


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
            by_token[token, 0] += np.float32(decay**lag)
    weigh_sets(by_token, 0, sets, worth)
    for lag in range(past.shape[0]):
        item = past[past.shape[0] - 1 - lag]
        for column in range(attributes.shape[1]):
            token = attributes[item, column]
            if token < 0:
                break
            by_token[token, 0] = 0.0
