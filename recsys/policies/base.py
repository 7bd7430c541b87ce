"""The contract of a policy: from scores to a probability for each candidate."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Policy"]


class Policy(ABC):
    """Turns scores into the probability of being chosen first.

    A policy is frozen and stateless; chance enters in ``recsys.policies.slate`` alone.
    """

    plackett_luce: ClassVar[bool] = False
    """Whether renormalising ``probabilities`` after removing an item equals asking again without
    it; then a list can be drawn by one exponential race, which yields the threshold tau."""

    explores: ClassVar[bool] = True
    """Whether every candidate has a chance while the scores lie close together."""

    greedy: ClassVar[bool] = False
    """Whether the best has probability 1, the first of them on a tie; then a list is an order."""

    @abstractmethod
    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of each candidate to be chosen.

        Parameters
        ----------
        scores
            Finite, higher is better, shape ``(n_candidates,)`` with at least one candidate.

        Returns
        -------
        Shape ``(n_candidates,)``, non-negative, summing to 1; the order of candidates is
        irrelevant but for ties, which the greedy policies break by position.
        """

    def slots(
        self, scores: NDArray[np.float64], lots: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Make a choice per lot, each among what the ones before left.

        A policy may be quicker at it than by being asked again; the probabilities must be the same.

        Parameters
        ----------
        scores
            As above, at least as many as lots. Left unchanged.
        lots
            In [0, 1), shape ``(n_slots,)``.

        Returns
        -------
        Places in ``scores``, and the probability of each given those before, ``(n_slots,)``.
        """
        left = scores.copy()
        places = np.arange(scores.size)
        chosen = np.empty(lots.size, np.intp)
        propensities = np.empty(lots.size)
        for slot, lot in enumerate(lots):
            chances = self.probabilities(left)
            ladder = chances.cumsum()
            # A lot lies below 1, so the product lies below the top; a step of height 0 is skipped.
            pick = ladder.searchsorted(lot * ladder[-1], side="right")
            chosen[slot] = places[pick]
            propensities[slot] = chances[pick]
            left[pick:-1] = left[pick + 1 :]
            places[pick:-1] = places[pick + 1 :]
            left, places = left[:-1], places[:-1]
        return chosen, propensities
