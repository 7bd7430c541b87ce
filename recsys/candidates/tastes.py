"""Tastes: items whose attributes this person has liked, or has hardly been shown yet."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Source
from recsys.codec import pack, unpack
from recsys.learners.personal_bandit import PersonalBandit
from recsys.settings import TasteSettings
from recsys.users import User

__all__ = ["Tastes"]


class Tastes(Source):
    """Scores ``max(mean + optimism * deviation, 0)`` of the personal bandit, for every item.

    It learns nothing by itself. Who has no tastes yet gets no proposals.
    """

    name: ClassVar[str] = "tastes"

    def __init__(self, settings: TasteSettings, bandit: PersonalBandit) -> None:
        self._optimism = np.float32(settings.optimism)
        self._bandit = bandit
        self._n_items = 0

    @override
    def grow(self, n_items: int) -> None:
        self._n_items = n_items

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        """Nothing to learn."""

    @override
    def scores(self, user: User, ts_ms: int) -> NDArray[np.float32]:
        if not user.tastes.mean:
            return np.zeros(self._n_items, np.float32)
        mean, deviation = self._bandit.posterior(user, np.arange(self._n_items))
        return np.maximum(mean + self._optimism * deviation, np.float32(0.0))

    @override
    def snapshot(self) -> bytes:
        return pack(self._n_items)

    @override
    def restore(self, record: bytes) -> None:
        self._n_items = unpack(record, int)
