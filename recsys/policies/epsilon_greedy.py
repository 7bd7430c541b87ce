"""The best, but now and then any candidate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.policies.base import Policy

__all__ = ["EpsilonGreedy"]


@dataclass(frozen=True, slots=True)
class EpsilonGreedy(Policy):
    """Probability ``epsilon / n`` each, and ``1 - epsilon`` on top for the best.

    The best is the first of them on a tie.

    Parameters
    ----------
    epsilon
        In (0, 1].
    """

    epsilon: float

    @override
    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        n = scores.size
        chances = np.full(n, self.epsilon / n)
        # The remainder, not 1 - epsilon + epsilon / n: a lone candidate gets exactly 1.
        chances[scores.argmax()] = 1.0 - self.epsilon * (n - 1) / n
        return chances
