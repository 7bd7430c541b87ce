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

from recsys.arrays import grown
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.compiled import compiled
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

    columns: ClassVar[tuple[str, ...]] = ("taste", "taste_deviation", "taste_lift")

    def __init__(self, settings: PersonalBanditSettings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._shared = _State()
        self._places = np.zeros(64, np.int32)

    @property
    def base(self) -> float:
        """Mean reward of a shown slot: what the mean of an item adds to."""
        return self._shared.base

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
        tokens, means, variances = self._known(user)
        _posterior(
            self._catalogue.attributes,
            items,
            tokens,
            means,
            variances,
            (self._settings.prior_variance, self._shared.base),
            self._scratch(),
            out,
        )
        return out

    def _known(
        self, user: User
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Return the tokens a person has an opinion on, and its mean and variance."""
        known, n = user.tastes.mean, len(user.tastes.mean)
        return (
            np.fromiter(known.keys(), np.int32, n),
            np.fromiter(known.values(), np.float64, n),
            np.fromiter(user.tastes.variance.values(), np.float64, n),
        )

    def _scratch(self) -> NDArray[np.int32]:
        """Return zeros by token, ``(n_tokens,)`` or more; whoever writes to it wipes it."""
        self._places = grown(self._places, self._catalogue.n_tokens)
        return self._places

    @override
    def features(self, user: User, items: NDArray[np.int32]) -> NDArray[np.float32]:
        return self.posterior(user, items)

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


@compiled
def _posterior(
    attributes: NDArray[np.int32],
    items: NDArray[np.int32],
    tokens: NDArray[np.int32],
    means: NDArray[np.float64],
    variances: NDArray[np.float64],
    prior_and_base: tuple[float, float],
    places: NDArray[np.int32],
    out: NDArray[np.float32],
) -> None:
    """Sum up the person's part of each item; ``places`` is 0 before and after."""
    prior, base = prior_and_base
    for known in range(tokens.shape[0]):
        places[tokens[known]] = known + 1
    for i in range(items.shape[0]):
        total = 0.0
        spread = 0.0
        count = 0
        if items[i] >= 0:
            for column in range(attributes.shape[1]):
                token = attributes[items[i], column]
                if token < 0:
                    break
                count += 1
                place = places[token]
                if place > 0:
                    total += means[place - 1]
                    spread += variances[place - 1]
                else:
                    spread += prior
        mean = total / math.sqrt(max(count, 1))
        out[i, 0] = mean
        out[i, 1] = math.sqrt(spread / max(count, 1))
        out[i, 2] = math.log(max(base + mean, 0.1 * base) / base)
    for known in range(tokens.shape[0]):
        places[tokens[known]] = 0
