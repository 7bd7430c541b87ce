"""A Gaussian posterior over item attributes per user: what this person likes more than others do.

The reward of an item with k attribute tokens is ``base + sum over tokens of d_t x`` with
``x = 1 / sqrt(k)``: base is the mean reward of all shown slots, d is the user's own, learned as a
diagonal Kalman filter, one reward at a time::

    S   = noise + sum x**2 v_t          v: variance of a token
    d_t += v_t x / S * (reward - prediction)
    v_t -= (v_t x)**2 / S

A touched token's variance grows by ``drift_variance`` first, so that the filter never becomes too
sure to follow a person whose taste turns. The deviation of an item, ``sqrt(sum x**2 v_t)``, is what
is still unknown about the person, and drives exploration.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.learners.base import PersonalModel
from recsys.settings import PersonalBanditSettings
from recsys.users import User

__all__ = ["PersonalBandit"]


class _State(msgspec.Struct):
    rewards: float = 0.0
    count: int = 0

    @property
    def base(self) -> float:
        """Mean reward of a shown slot, drawn towards 5 % by a hundred slots."""
        return (self.rewards + 5.0) / (self.count + 100.0)


class PersonalBandit(PersonalModel):
    """The filter; users' deviations live in ``User.tastes``."""

    columns: ClassVar[tuple[str, ...]] = ("taste", "taste_deviation")

    def __init__(self, settings: PersonalBanditSettings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._shared = _State()

    def posterior(
        self, user: User, items: NDArray[np.integer]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and deviation of the person's own part, each of shape ``(n_candidates,)``."""
        # One place more than there are tokens: index -1 of padded attributes falls on its 0.
        n_tokens = self._catalogue.n_tokens
        deviation = np.zeros(n_tokens + 1)
        variance = np.full(n_tokens + 1, self._settings.prior_variance)
        variance[-1] = 0.0
        known = user.tastes.mean
        if known:
            places = np.fromiter(known.keys(), np.int64, len(known))
            deviation[places] = np.fromiter(known.values(), np.float64, len(known))
            variance[places] = np.fromiter(user.tastes.variance.values(), np.float64, len(known))
        attributes = self._catalogue.attributes[items]
        attributes[items < 0] = -1
        total, spread, count = (np.zeros(len(items)) for _ in range(3))
        # Column by column: summing along the few columns of each item takes three times as long.
        for tokens in attributes.T:
            total += deviation[tokens]
            spread += variance[tokens]
            count += tokens >= 0
        count = np.maximum(count, 1.0)
        mean = total / np.sqrt(count)
        return mean.astype(np.float32), np.sqrt(spread / count).astype(np.float32)

    @override
    def features(self, user: User, items: NDArray[np.int32]) -> NDArray[np.float32]:
        return np.column_stack(self.posterior(user, items))

    @override
    def learn(self, user: User, item: int, reward: float, *, shown: bool) -> None:
        tokens = self._catalogue[item].tokens
        if not tokens:
            return
        target = min(max(reward, -1.0), 1.0)
        self._learn_own(user, tokens, target - self._shared.base)
        if shown:
            self._shared.rewards += target
            self._shared.count += 1

    def _learn_own(self, user: User, tokens: Sequence[int], residual: float) -> None:
        settings = self._settings
        mean, variance = user.tastes.mean, user.tastes.variance
        x = 1.0 / math.sqrt(len(tokens))
        spread = settings.noise_variance
        prediction = 0.0
        for token in tokens:
            grown_variance = variance.get(token, settings.prior_variance) + settings.drift_variance
            variance[token] = min(grown_variance, settings.prior_variance)
            prediction += mean.setdefault(token, 0.0) * x
            spread += x * x * variance[token]
        error = residual - prediction
        for token in tokens:
            gain = variance[token] * x / spread
            mean[token] += gain * error
            variance[token] -= gain * variance[token] * x
        surplus = len(mean) - settings.attributes
        if surplus > 0:
            # What was touched just now is vague because it is new: it must be able to stay.
            order = sorted(variance, key=lambda t: (t in tokens, -variance[t], t))
            for token in order[:surplus]:
                del mean[token], variance[token]

    @override
    def store(self, user: User) -> None:
        """Nothing to write: the deviations are in the user already."""

    @override
    def forget(self, user: User) -> None:
        """Nothing cached."""

    @override
    def snapshot(self) -> bytes:
        return pack(self._shared)

    @override
    def restore(self, record: bytes) -> None:
        self._shared = unpack(record, _State)
