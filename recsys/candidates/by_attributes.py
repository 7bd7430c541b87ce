"""From what sets of attributes are worth to the best items, for sources that judge by attributes.

The score of an item is the worth of its set, times ``1 + boost log(1 + likes)``.
"""

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
    log_liked: NDArray[np.float64],
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
    set_of, alive, log_liked
        Which set an item has, whether it may be recommended, and ``log(1 + likes)``,
        ``(n_items or more,)``; as many as ``alive`` has are looked at.
    """
    items = np.empty(leaders, np.int32)
    best = np.empty(leaders, np.float32)
    n = 0
    for item in range(alive.shape[0]):
        score = np.float32(worth[set_of[item]] * (1.0 + boost * log_liked[item]))
        # Most items end here, without a call.
        if score <= 0.0 or (n == leaders and score < best[n - 1]) or not alive[item]:
            continue
        n = insert(items, best, n, item, score)
    return add_items(items[:n], proposed, known, count)


@compiled
def score_items(
    worth: NDArray[np.float32],
    set_of: NDArray[np.int32],
    log_liked: NDArray[np.float64],
    boost: float,
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
) -> None:
    """Fill a column of the pool."""
    for i in range(items.shape[0]):
        item = items[i]
        scores[item, column] = worth[set_of[item]] * (1.0 + boost * log_liked[item])
