"""Probability proportional to the exponential of the score."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.policies.base import Policy

__all__ = ["Softmax"]


@dataclass(frozen=True, slots=True)
class Softmax(Policy):
    """``exp(score / temperature)``, normalised, for scores of any finite size.

    The probability of a candidate more than some 700 temperatures below the best underflows to 0:
    it is not drawn as long as that best is there (``recsys.policies.slate``).

    Parameters
    ----------
    temperature
        Above 0, in the unit of the scores: how far below the best a candidate is ``e`` times
        rarer.
    """

    temperature: float

    plackett_luce: ClassVar[bool] = True

    @override
    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        # A gap may overflow to -inf, whose exponential is the 0 that is meant.
        with np.errstate(over="ignore", under="ignore"):
            weights = np.exp((scores - scores.max()) / self.temperature)
            shares: NDArray[np.float64] = weights / weights.sum()
        return shares
