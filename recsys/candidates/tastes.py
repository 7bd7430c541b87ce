"""Tastes: items whose attributes this person has liked, or has hardly been shown yet."""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker
from recsys.candidates.by_attributes import ByAttributes
from recsys.catalogue import Catalogue
from recsys.features.counts import ItemCounts
from recsys.learners.personal_bandit import PersonalBandit
from recsys.settings import TasteSettings

__all__ = ["Tastes"]


class Tastes(ByAttributes):
    """Scores ``max(mean + optimism * deviation, 0)`` of the personal bandit."""

    columns = ("tastes",)

    def __init__(
        self,
        settings: TasteSettings,
        bandit: PersonalBandit,
        catalogue: Catalogue,
        counts: ItemCounts,
    ) -> None:
        super().__init__(catalogue, counts, leaders=settings.leaders, boost=0.0)
        self.weights = (settings.weight,)
        self.seats = (settings.seats,)
        self._optimism = settings.optimism
        self._bandit = bandit

    @override
    def worth(self, asker: Asker) -> NDArray[np.float32] | None:
        if not asker.user.tastes.mean:
            return None
        return self._bandit.optimistic(asker.user, self._optimism)
