"""Any candidate with equal probability."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.policies.base import Policy

__all__ = ["Uniform"]


@dataclass(frozen=True, slots=True)
class Uniform(Policy):
    """Probability ``1 / n_candidates`` each, whatever the scores."""

    plackett_luce: ClassVar[bool] = True

    @override
    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(scores.size, 1.0 / scores.size)
