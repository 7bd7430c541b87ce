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
