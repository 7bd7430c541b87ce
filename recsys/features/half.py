"""Numbers as float16, the form in which features are logged, and back.

To the nearest, ties to even (IEEE 754), as numpy does it; but many at a time, where numpy takes as
long for the features of a request as the ranker does.
"""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled

__all__ = ["round_to_half", "widen_halves"]


@compiled
def round_to_half(
    values: NDArray[np.float32], halves: NDArray[np.uint16], rounded: NDArray[np.float32]
) -> None:
    """Write the float16 next to each value, as its bits and as a number; all shapes ``(n,)``."""
    n = values.shape[0]
    # Where a value below float16's smallest normal one is added to this, what is left of its bits
    # is the multiple of 2**-24 that it is rounded to.
    shifted = np.empty(n, np.float32)
    for i in range(n):
        shifted[i] = abs(values[i]) + np.float32(0.5)
    bits, multiples = values.view(np.uint32), shifted.view(np.uint32)
    rounded_bits = rounded.view(np.uint32)
    for i in range(n):
        sign = bits[i] & np.uint32(0x80000000)
        size = bits[i] & np.uint32(0x7FFFFFFF)
        odd = (size >> np.uint32(13)) & np.uint32(1)
        near = (size + np.uint32(0xFFF) + odd) & np.uint32(0xFFFFE000)
        half = (near - np.uint32(0x38000000)) >> np.uint32(13)
        if size < np.uint32(0x38800000):
            half = multiples[i] - np.uint32(0x3F000000)
            # Through the memory of the sum, which is no longer needed, from a number to its bits.
            shifted[i] = np.float32(half) * np.float32(2.0**-24)
            near = multiples[i]
        elif near >= np.uint32(0x47800000):
            half, near = np.uint32(0x7C00), np.uint32(0x7F800000)
            if size > np.uint32(0x7F800000):
                half, near = np.uint32(0x7E00), np.uint32(0x7FC00000)
        halves[i] = half | (sign >> np.uint32(16))
        rounded_bits[i] = near | sign


@compiled
def widen_halves(halves: NDArray[np.uint16], out: NDArray[np.float32]) -> None:
    """Write the numbers that bits of float16 stand for; both shapes ``(n,)``."""
    bits = out.view(np.uint32)
    for i in range(halves.shape[0]):
        size = np.uint32(halves[i]) & np.uint32(0x7FFF)
        out[i] = np.float32(size) * np.float32(2.0**-24)
        small = bits[i]
        whole = (size << np.uint32(13)) + np.uint32(0x38000000)
        if size >= np.uint32(0x7C00):
            whole += np.uint32(0x38000000)
        near = small if size < np.uint32(0x400) else whole
        bits[i] = near | ((np.uint32(halves[i]) & np.uint32(0x8000)) << np.uint32(16))
