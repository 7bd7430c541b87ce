"""Inverse gap weighting: the worse a candidate scores, the rarer it is tried."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.policies.base import Policy
from recsys.policies.slate_kernels import squarecb_slots

__all__ = ["SquareCB"]


@dataclass(frozen=True, slots=True)
class SquareCB(Policy):
    """``1 / (n + gamma * gap to the best)`` for all but the best, which gets the rest.

    The best is the first of them on a tie; its share is never below ``1 / n``. The others' shares
    fall with the gap as ``1 / gap``, not exponentially as with a softmax: even a candidate far
    behind is tried now and then.

    Parameters
    ----------
    gamma
        Above 0, in candidates per unit of score: the larger, the greedier.

    References
    ----------
    Foster & Rakhlin 2020, Beyond UCB: optimal and efficient contextual bandits with regression
    oracles, arXiv:2002.04926.
    """

    gamma: float

    @override
    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        best = scores.argmax()
        # A gap may overflow to inf, whose inverse is the 0 that is meant.
        with np.errstate(over="ignore", under="ignore"):
            gaps = scores[best] - scores
            chances: NDArray[np.float64] = 1.0 / (scores.size + self.gamma * gaps)
        chances[best] = 0.0
        chances[best] = 1.0 - chances.sum()
        return chances

    @override
    def slots(
        self, scores: NDArray[np.float64], lots: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        chosen, propensities = np.empty(lots.size, np.intp), np.empty(lots.size)
        squarecb_slots(scores, self.gamma, lots, chosen, propensities)
        return chosen, propensities
