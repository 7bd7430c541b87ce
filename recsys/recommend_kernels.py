"""The inner loops of ``recsys.recommend``: what numpy would do in several steps each."""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled

__all__ = ["allow", "trust"]


@compiled
def allow(alive: NDArray[np.bool_], consumed: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which items are alive and not consumed, shape ``(n_items,)``.

    Parameters
    ----------
    consumed
        Dense indices, ``(n_consumed,)``.
    """
    allowed = alive.copy()
    for i in range(consumed.shape[0]):
        allowed[consumed[i]] = False
    return allowed


@compiled
def trust(
    scores: NDArray[np.float64],
    share: float,
    numeric: NDArray[np.float32],
    deviation: int,
    width: float,
) -> None:
    """Multiply scores by the share that is believed, and add the optimism about each candidate.

    Parameters
    ----------
    numeric
        Features, ``(n_candidates, n_columns)``; ``deviation`` is the column of the personal
        bandit's, negative where there is none.
    width
        How many deviations are added.
    """
    for i in range(scores.shape[0]):
        scores[i] *= share
        if deviation >= 0:
            scores[i] += width * numeric[i, deviation]
