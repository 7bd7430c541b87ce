"""Always the best by score."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.policies.base import Policy

__all__ = ["Greedy"]


@dataclass(frozen=True, slots=True)
class Greedy(Policy):
    """Deterministic: probability 1 for the best, the first of them on a tie, 0 for the rest.

    Nothing can be learned about another policy from what it logs.
    """

    explores: ClassVar[bool] = False
    greedy: ClassVar[bool] = True

    @override
    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        chances = np.zeros(scores.size)
        chances[scores.argmax()] = 1.0
        return chances
