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
from recsys.learners.taste_kernels import (
    Known,
    Posterior,
    describe,
    hold_posterior,
)
from recsys.learners.taste_priors import TastePriors
from recsys.settings import PersonalBanditSettings
from recsys.tastes import LEFT, MEAN, Tastes
from recsys.users import User

__all__ = ["PersonalBandit"]


class PersonalBandit(PersonalModel):
    """The filter; users' deviations live in ``User.tastes``."""

    columns: ClassVar[tuple[str, ...]] = ("taste", "taste_deviation", "taste_lift")

    def __init__(self, settings: PersonalBanditSettings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self.priors = TastePriors(settings, catalogue)
        self._by_token = np.zeros((64, 2))
        self._held = Held(hold_posterior)
        self._keep = 1.0 - settings.drift

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

        As of the last time that it was asked for: whoever holds it for longer asks again each time.
        """
        self.priors.refresh()
        return self._held(self._record)

    def _record(self) -> Posterior:
        self._by_token = grown(self._by_token, self._catalogue.n_tokens)
        return Posterior(self._catalogue.attribute_table, *self.priors.by_place(), self._by_token)

    def known(self, user: User) -> Known:
        """Return a person's tastes, for compiled code."""
        tastes = user.tastes
        return Known(tastes.table, tastes.lessons, self._keep)

    @override
    def features(self, user: User, items: NDArray[np.int32]) -> NDArray[np.float32]:
        return self.posterior(user, items)

    @override
    def learn(self, user: User, item: int, reward: float, *, shown: bool) -> None:
        tokens = self._catalogue[item].tokens
        if not tokens:
            return
        target = min(max(reward, -1.0), 1.0)
        unexplained = self._learn_own(user, tokens, target - self.base)
        if shown:
            self.priors.learn(user.tastes, tokens, target, unexplained)

    def _learn_own(self, user: User, tokens: Sequence[int], residual: float) -> float:
        """Take a step of the filter; returns the square that nothing but noise explains."""
        tastes = user.tastes
        mean, left, touched = tastes.mean, tastes.left, tastes.touched
        tastes.lessons += 1
        now, keep = tastes.lessons, self._keep
        x = 1.0 / math.sqrt(len(tokens))
        prior_of = self.priors.of
        priors = [prior_of(token) for token in tokens]
        prediction = spread = 0.0
        for token, prior in zip(tokens, priors, strict=True):
            kept = keep ** (now - touched.get(token, now))
            mean[token] = expected = mean.get(token, 0.0) * kept
            left[token] = unknown = 1.0 - (1.0 - left.get(token, 1.0)) * kept**2
            touched[token] = now
            prediction += expected * x
            spread += x * x * prior * unknown
        error = residual - prediction
        total = self.priors.noise + spread
        for token, prior in zip(tokens, priors, strict=True):
            unknown = left[token]
            gain = prior * unknown * x / total
            mean[token] += gain * error
            left[token] = unknown - gain * unknown * x
        surplus = len(mean) - self._settings.attributes
        if surplus > 0:
            # What was touched just now is vague because it is new: it must be able to stay.
            order = sorted(left, key=lambda t: (t in tokens, -left[t], t))
            for token in order[:surplus]:
                del mean[token], left[token], touched[token]
        columns = zip(mean, mean.values(), left.values(), touched.values(), strict=True)
        tastes.table = Tastes.of(columns, now).table
        return error * error - spread

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
