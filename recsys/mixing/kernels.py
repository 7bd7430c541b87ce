"""The inner loop of mixing: counts that come late into windows that fade."""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled

__all__ = ["count"]


@compiled
def count(
    counts: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    half_lives_ms: NDArray[np.float64],
    keys: NDArray[np.int64],
    kinds: NDArray[np.int64],
    times_ms: NDArray[np.int64],
    amounts: NDArray[np.float64],
) -> None:
    """Count in the windows of ``recsys.features.windows``; what comes late has faded on the way.

    Parameters
    ----------
    counts
        Shape ``(n_keys or more, n_windows, 3)``.
    last_ms
        Shape ``(n_keys or more,)``.
    keys, kinds, times_ms, amounts
        What is counted, shapes ``(n_counted,)``.
    """
    for i in range(keys.shape[0]):
        key, age_ms = keys[i], times_ms[i] - last_ms[keys[i]]
        for window in range(counts.shape[1]):
            amount = amounts[i]
            if age_ms > 0:
                fade = np.float32(2.0 ** (-age_ms / half_lives_ms[window]))
                for other in range(counts.shape[2]):
                    counts[key, window, other] *= fade
            else:
                amount *= 2.0 ** (age_ms / half_lives_ms[window])
            counts[key, window, kinds[i]] += np.float32(amount)
        last_ms[key] = max(last_ms[key], times_ms[i])
