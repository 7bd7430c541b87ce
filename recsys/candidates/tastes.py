"""Tastes: items whose attributes this person has liked, or has hardly been shown yet."""

from typing import NamedTuple

from typing_extensions import override

from recsys.candidates.base import Asker, Question
from recsys.candidates.by_attributes import ByAttributes, Kinds, propose_best
from recsys.candidates.pool import Pool
from recsys.candidates.pool_kernels import Scratch
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.features.counts import ItemCounts
from recsys.held import Held, holder
from recsys.learners.personal_bandit import PersonalBandit
from recsys.learners.taste_kernels import Known, Posterior, optimistic
from recsys.settings import TasteSettings

__all__ = ["Tastes", "propose"]


class Liked(NamedTuple):
    """All that the source knows."""

    kinds: Kinds
    posterior: Posterior
    optimism: float


hold_liked = holder(Liked)


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
        self._held = Held(hold_liked)

    @property
    @override
    def held(self) -> Liked:
        """All of it, for compiled code."""
        return self._held(self._record)

    def _record(self) -> Liked:
        return Liked(self.kinds, self._bandit.held, self._optimism)

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        propose(self.held, asker.question, self._bandit.known(asker.user), pool.held)


@compiled
def propose(liked: Liked, question: Question, known: Known, pool: Scratch) -> None:
    """Add the best items by a person's tastes to a pool."""
    kinds = liked.kinds
    kinds.asked[0] = known.table.shape[1] > 0
    if not kinds.asked[0]:
        return
    optimistic(liked.posterior, known, kinds.sets, liked.optimism, kinds.worth)
    propose_best(kinds, question, pool)
