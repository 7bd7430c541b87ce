"""A Gaussian posterior over item attributes per user: what this person likes more than others do.

The reward of an item with k attribute tokens is ``base + sum over tokens of d_t x`` with
``x = 1 / sqrt(k)``: base is the mean reward of all shown slots, d is the user's own, learned as a
diagonal Kalman filter, one reward at a time::

    S   = noise + sum x**2 v_t          v: variance of a token
    d_t += v_t x / S * (reward - prediction)
    v_t -= (v_t x)**2 / S

A variance is kept as the share of its prior that is left; priors, noise and base are learned from
everybody (``taste_priors``).

People turn: d is taken to wander (Ornstein-Uhlenbeck), so that with every lesson of the person, on
whatever token, a token's mean goes back towards 0 and its variance towards the prior by the same
part, ``drift``::

    d_t(n) = d_t a,   v_t(n) = prior - (prior - v_t) a**2,   a = (1 - drift) ** (n lessons since)

A dislike that nothing has confirmed for long is forgotten, and tried again. The deviation of an
item, ``sqrt(sum x**2 v_t)``, is what is still unknown about the person, and drives exploration.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import grown
from recsys.catalogue import Catalogue
from recsys.held import Held
from recsys.learners.base import PersonalModel
from recsys.learners.taste_filter import Lessons, hold_lessons, learn
from recsys.learners.taste_kernels import (
    Known,
    Posterior,
    describe,
    hold_posterior,
)
from recsys.learners.taste_priors import TastePriors
from recsys.settings import PersonalBanditSettings
from recsys.tastes import LEFT, MEAN
from recsys.users import User

__all__ = ["PersonalBandit"]


class PersonalBandit(PersonalModel):
    """The filter; users' deviations live in ``User.tastes``.

    Attributes
    ----------
    keep
        Share of a deviation that a lesson later is left of it.
    """

    columns: ClassVar[tuple[str, ...]] = ("taste", "taste_deviation", "taste_lift")

    def __init__(self, settings: PersonalBanditSettings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self.priors = TastePriors(settings, catalogue)
        self._by_token = np.zeros((64, 2))
        self._held = Held(hold_posterior)
        self._held_lessons = Held(hold_lessons)
        self.keep = 1.0 - settings.drift

    @property
    def base(self) -> float:
        """Mean reward of a shown slot: what the mean of an item adds to."""
        return self.priors.base

    def deviation(self, token: int, left: float) -> float:
        """Return how far a taste may lie from its mean, by the share of its prior that is left."""
        return math.sqrt(left * self.priors.of(token))

    def posterior(self, user: User, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return mean and deviation of the person's own part, and its lift.

        Parameters
        ----------
        items
            May be -1 (not in the catalogue): then all three are 0.

        Returns
        -------
        Shape ``(n_candidates, 3)``; lift is ``log((base + mean) / base)`` with at least a tenth of
        the base left.
        """
        out = np.empty((len(items), 3), np.float32)
        describe(self.held, self.known(user), items, self.base, out, 0)
        return out

    @property
    def held(self) -> Posterior:
        """What all people's tastes have in common, for compiled code.

        Whoever holds it for longer asks again each time, for there may be more items and tokens.
        """
        self.priors.refresh()
        return self._held(self._record)

    @property
    def _lessons(self) -> Lessons:
        self.priors.refresh()
        return self._held_lessons(self._lessons_record)

    def _lessons_record(self) -> Lessons:
        bound = self._settings.attributes
        return Lessons(self._catalogue.attribute_table, self.priors.held, self.keep, bound)

    def _record(self) -> Posterior:
        self._by_token = grown(self._by_token, self._catalogue.n_tokens)
        return Posterior(self._catalogue.attribute_table, *self.priors.by_place(), self._by_token)

    def known(self, user: User) -> Known:
        """Return a person's tastes, for compiled code."""
        tastes = user.tastes
        return Known(tastes.table, tastes.lessons, self.keep)

    @override
    def features(self, user: User, items: NDArray[np.int32]) -> NDArray[np.float32]:
        return self.posterior(user, items)

    @override
    def learn(self, user: User, item: int, reward: float, *, shown: bool) -> None:
        self.learn_list(user, (item,), (reward,), shown=shown)

    @override
    def learn_list(
        self, user: User, items: Sequence[int], rewards: Sequence[float], *, shown: bool
    ) -> None:
        tastes = user.tastes
        tastes.table, tastes.lessons = learn(
            self._lessons,
            tastes.table,
            tastes.lessons,
            np.array(items, np.int32),
            np.array(rewards, np.float64),
            shown,
        )

    def widen(self, user: User, share: float) -> None:
        """Bring what is known of a person back to the prior by a share of the way."""
        table = user.tastes.table.copy()
        table[MEAN] *= 1.0 - share
        table[LEFT] += share * (1.0 - table[LEFT])
        user.tastes.table = table

    @override
    def store(self, user: User) -> None:
        """Nothing to write: the deviations are in the user already."""

    @override
    def forget(self, user: User) -> None:
        """Nothing cached."""

    @override
    def snapshot(self) -> bytes:
        return self.priors.snapshot()

    @override
    def restore(self, record: bytes) -> None:
        self.priors.restore(record)
