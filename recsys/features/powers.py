"""What is left of counts after some half-lives, for many at a time: powers of two, to 1e-15."""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import in_order

__all__ = ["halve_ages"]

_MOST = 1022.0
"""Half-lives after which nothing is left that could be told from less."""
_ROUND = 6755399441055744.0
"""1.5 * 2**52: the last bits of what is added to this are those of the nearest whole number."""
_LN2 = 0.6931471805599453


@in_order
def halve_ages(ages: NDArray[np.float64], half_life: float, left: NDArray[np.float64]) -> None:
    """Write ``2 ** -(age / half_life)``.

    Parameters
    ----------
    ages, left
        Not below 0, shapes ``(n,)``.
    """
    n = ages.shape[0]
    fractions = np.empty(n, np.float64)
    bits = left.view(np.int64)
    for i in range(n):
        power = -min(ages[i] / half_life, _MOST)
        # In this order: otherwise nothing is rounded.
        rounded = power + _ROUND
        left[i] = rounded
        fractions[i] = (power - (rounded - _ROUND)) * _LN2
    for i in range(n):
        bits[i] = ((bits[i] & 0xFFF) + 1023) << 52
    for i in range(n):
        # The series of the exponential.
        x = fractions[i]
        y = 1.0 / 479001600.0
        y = y * x + 1.0 / 39916800.0
        y = y * x + 1.0 / 3628800.0
        y = y * x + 1.0 / 362880.0
        y = y * x + 1.0 / 40320.0
        y = y * x + 1.0 / 5040.0
        y = y * x + 1.0 / 720.0
        y = y * x + 1.0 / 120.0
        y = y * x + 1.0 / 24.0
        y = y * x + 1.0 / 6.0
        y = y * x + 0.5
        y = y * x + 1.0
        y = y * x + 1.0
        left[i] *= y
