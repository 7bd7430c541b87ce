"""Tastes: items whose attributes this person has liked, or has hardly been shown yet."""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker, Source
from recsys.candidates.pool import Pool, add_items, insert
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.compiled import compiled
from recsys.learners.personal_bandit import PersonalBandit
from recsys.settings import TasteSettings
from recsys.users import User

__all__ = ["Tastes"]


class Tastes(Source):
    """Scores ``max(mean + optimism * deviation, 0)`` of the personal bandit; proposes the best.

    It learns nothing by itself. Who has no tastes yet gets no proposals.
    """

    columns = ("tastes",)

    def __init__(
        self, settings: TasteSettings, bandit: PersonalBandit, catalogue: Catalogue
    ) -> None:
        self.weights = (settings.weight,)
        self.seats = (settings.seats,)
        self._settings = settings
        self._bandit = bandit
        self._catalogue = catalogue
        self._scores = np.zeros(0, np.float32)

    @override
    def grow(self, n_items: int) -> None:
        """Nothing to make room for."""

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        """Nothing to learn."""

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        if not asker.user.tastes.mean:
            return
        n_items = len(self._catalogue)
        # Kept until ``score``, which follows at once: the pool takes what it needs from there.
        self._scores = np.empty(n_items, np.float32)
        self._bandit.optimistic(asker.user, self._settings.optimism, self._scores)
        pool.count = _propose(
            self._scores,
            self._catalogue.alive,
            self._settings.leaders,
            pool.proposed,
            pool.known,
            pool.count,
        )

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        if asker.user.tastes.mean:
            _score(self._scores, pool.scores, column, pool.items)

    @override
    def snapshot(self) -> bytes:
        return pack(None)

    @override
    def restore(self, record: bytes) -> None:
        unpack(record, type(None))


@compiled
def _propose(
    scores: NDArray[np.float32],
    alive: NDArray[np.bool_],
    leaders: int,
    proposed: NDArray[np.int32],
    known: NDArray[np.bool_],
    count: int,
) -> int:
    """Add the best to a pool; returns the pool's new count."""
    items = np.empty(leaders, np.int32)
    best = np.empty(leaders, np.float32)
    n = 0
    for item in range(scores.shape[0]):
        if alive[item] and scores[item] > 0.0:
            n = insert(items, best, n, item, scores[item])
    return add_items(items[:n], proposed, known, count)


@compiled
def _score(
    worth: NDArray[np.float32],
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
) -> None:
    for i in range(items.shape[0]):
        scores[items[i], column] = worth[items[i]]
