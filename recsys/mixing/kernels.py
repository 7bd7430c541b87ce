"""The inner loops of mixing: counts that come late into windows that fade."""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled, in_order
from recsys.features.facts import Facts
from recsys.features.shown import show_one
from recsys.features.windows import count_one

__all__ = ["count", "count_shows"]


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
        key, kind, ts_ms = keys[i], kinds[i], times_ms[i]
        count_one(counts, last_ms, half_lives_ms, key, kind, ts_ms, amounts[i], True)


# Order matters: weights need not be whole numbers.
@in_order
def count_shows(
    facts: Facts,
    total: float,
    items: NDArray[np.int32],
    sizes: NDArray[np.int64],
    times_ms: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> float:
    """Count what lists have shown, by item and by attribute; returns the total of slots then.

    Parameters
    ----------
    total
        Of the slots before.
    items
        Of one list after the other, -1 for those that are not known here; ``(n_shown,)``.
    sizes, times_ms, weights
        Of the lists, ``(n_lists,)``.
    """
    end = 0
    for number in range(sizes.shape[0]):
        begin, end = end, end + sizes[number]
        for item in items[begin:end]:
            if item >= 0:
                total += weights[number]
                show_one(facts, item, times_ms[number], weights[number], True)
    return total
