"""Tastes: items whose attributes this person has liked, or has hardly been shown yet."""

import numpy as np
from typing_extensions import override

from recsys.candidates.base import Asker, Source
from recsys.candidates.by_attributes import propose_best, score_items
from recsys.candidates.pool import Pool
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.features.counts import ItemCounts
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
        self,
        settings: TasteSettings,
        bandit: PersonalBandit,
        catalogue: Catalogue,
        counts: ItemCounts,
    ) -> None:
        self.weights = (settings.weight,)
        self.seats = (settings.seats,)
        self._settings = settings
        self._bandit = bandit
        self._catalogue = catalogue
        self._counts = counts
        self._worth = np.zeros(0, np.float32)

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
        sets = self._catalogue.sets
        # Kept until ``score``, which follows at once: the pool takes what it needs from there.
        self._worth = self._bandit.optimistic(asker.user, self._settings.optimism)
        pool.count = propose_best(
            self._worth,
            sets.of_item,
            self._catalogue.alive,
            self._counts.log_liked,
            0.0,
            self._settings.leaders,
            pool.proposed,
            pool.known,
            pool.count,
        )

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        if asker.user.tastes.mean:
            score_items(
                self._worth,
                self._catalogue.sets.of_item,
                self._counts.log_liked,
                0.0,
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
