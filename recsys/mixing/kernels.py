"""The inner loops of mixing: counts that come late into windows that fade."""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled, in_order
from recsys.features.facts import Facts
from recsys.features.windows import SHOWN

__all__ = ["count", "count_shows"]


@compiled
def _count_one(
    counts: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    half_lives_ms: NDArray[np.float64],
    key: int,
    kind: int,
    ts_ms: int,
    weight: float,
) -> None:
    age_ms = ts_ms - last_ms[key]
    for window in range(counts.shape[1]):
        amount = weight
        if age_ms > 0:
            fade = np.float32(2.0 ** (-age_ms / half_lives_ms[window]))
            for other in range(counts.shape[2]):
                counts[key, window, other] *= fade
        elif age_ms < 0:
            amount *= 2.0 ** (age_ms / half_lives_ms[window])
        counts[key, window, kind] += np.float32(amount)
    last_ms[key] = max(last_ms[key], ts_ms)


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
        _count_one(counts, last_ms, half_lives_ms, keys[i], kinds[i], times_ms[i], amounts[i])


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
    half_lives_ms, attributes = facts.half_lives_ms, facts.attributes
    end = 0
    for number in range(sizes.shape[0]):
        ts_ms, weight = times_ms[number], weights[number]
        begin, end = end, end + sizes[number]
        for item in items[begin:end]:
            if item < 0:
                continue
            facts.shown[item] += weight
            total += weight
            _count_one(
                facts.item_counts, facts.item_last_ms, half_lives_ms, item, SHOWN, ts_ms, weight
            )
            for place in range(attributes.shape[1]):
                token = attributes[item, place]
                if token < 0:
                    break
                _count_one(
                    facts.attribute_counts,
                    facts.attribute_last_ms,
                    half_lives_ms,
                    token,
                    SHOWN,
                    ts_ms,
                    weight,
                )
    return total
