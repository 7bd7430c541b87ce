"""Natural logarithms of many numbers at a time, to 2e-7 of themselves or of 1.

Features are logarithms, some 1,500 of them for a list; called one by one they took longer than
all else that is done to describe its candidates.
"""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled

__all__ = ["take_logarithms"]

_HALF_ROOT = 0x3F3504F3
"""Bits of the square root of 1/2: fractions lie between it and its double."""
_LARGEST = 3.4028234663852886e38
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4


@compiled
def take_logarithms(values: NDArray[np.float32]) -> None:
    """Replace numbers over 0 by their logarithms, ``(n,)``; infinity and NaN stay what they are.

    Not for numbers below 1e-37, whose bits are other ones.

    References
    ----------
    Moshier, Cephes mathematical library: the polynomial of ``logf``.
    """
    n = values.shape[0]
    bits = values.view(np.int32)
    exponents = np.empty(n, np.float32)
    fractions = np.empty(n, np.float32)
    fraction_bits = fractions.view(np.int32)
    for i in range(n):
        exponent = (bits[i] - np.int32(_HALF_ROOT)) >> np.int32(23)
        exponents[i] = np.float32(exponent)
        fraction_bits[i] = bits[i] - (exponent << np.int32(23))
    for i in range(n):
        x = fractions[i] - np.float32(1.0)
        y = np.float32(7.0376836292e-2)
        y = y * x - np.float32(1.1514610310e-1)
        y = y * x + np.float32(1.1676998740e-1)
        y = y * x - np.float32(1.2420140846e-1)
        y = y * x + np.float32(1.4249322787e-1)
        y = y * x - np.float32(1.6668057665e-1)
        y = y * x + np.float32(2.0000714765e-1)
        y = y * x - np.float32(2.4999993993e-1)
        y = y * x + np.float32(3.3333331174e-1)
        y = y * x * x * x + np.float32(_LN2_LOW) * exponents[i] - np.float32(0.5) * x * x
        logarithm = x + y + np.float32(_LN2_HIGH) * exponents[i]
        values[i] = logarithm if values[i] <= np.float32(_LARGEST) else values[i]
