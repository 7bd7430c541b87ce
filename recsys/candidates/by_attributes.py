"""From what sets of attributes are worth to the best items, for sources that judge by attributes.

The score of an item is the worth of its set, times ``1 + boost log(1 + likes)``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.pool_kernels import add_items, insert
from recsys.compiled import compiled

__all__ = ["propose_best", "score_items"]


@compiled
def propose_best(
    worth: NDArray[np.float32],
    set_of: NDArray[np.int32],
    alive: NDArray[np.bool_],
    liked: NDArray[np.float64],
    boost: float,
    leaders: int,
    proposed: NDArray[np.int32],
    known: NDArray[np.bool_],
    count: int,
) -> int:
    """Add the best of the catalogue to a pool; returns the pool's new count.

    Parameters
    ----------
    worth
        Of each set, ``(n_sets,)``.
    set_of, alive, liked
        Which set an item has, whether it may be recommended, and how often it was liked,
        ``(n_items or more,)``; as many as ``alive`` has are looked at.
    """
    items = np.empty(leaders, np.int32)
    best = np.empty(leaders, np.float32)
    most = 0.0
    for item in range(alive.shape[0]):
        most = max(most, liked[item])
    largest = np.float32(1.0 + boost * math.log1p(most))
    n = 0
    for item in range(alive.shape[0]):
        of_set = worth[set_of[item]]
        # Most items would not get in however often they were liked: no logarithm for them.
        if of_set <= 0.0 or not alive[item] or (n == leaders and of_set * largest < best[n - 1]):
            continue
        n = insert(items, best, n, item, _score(of_set, liked[item], boost))
    return add_items(items[:n], proposed, known, count)


@compiled
def score_items(
    worth: NDArray[np.float32],
    set_of: NDArray[np.int32],
    liked: NDArray[np.float64],
    boost: float,
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
) -> None:
    """Fill a column of the pool."""
    for i in range(items.shape[0]):
        item = items[i]
        of_set = worth[set_of[item]]
        if of_set > 0.0:
            scores[item, column] = _score(of_set, liked[item], boost)


@compiled
def _score(of_set: np.float32, liked: float, boost: float) -> np.float32:
    if boost == 0.0:
        return of_set
    return np.float32(of_set * (1.0 + boost * math.log1p(liked)))
