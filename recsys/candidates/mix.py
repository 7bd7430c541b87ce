"""The fixed mix of the sources: the order everything else starts from."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.base import Source
from recsys.users import User

__all__ = ["Mixed", "mix", "strongest"]


class Mixed(NamedTuple):
    """Scores of all items.

    Attributes
    ----------
    total
        Weighted sum of the columns, float32, shape ``(n_items,)``; 0 where no source proposes.
    columns
        Each source's scores divided by their maximum, float32, shape ``(n_sources, n_items)``.
    """

    total: NDArray[np.float32]
    columns: NDArray[np.float32]


def mix(
    sources: Sequence[Source], weights: Mapping[str, float], user: User, ts_ms: int, n_items: int
) -> Mixed:
    """Ask every source, divide each answer by its own maximum, and add them up.

    Parameters
    ----------
    weights
        By source name, not negative.
    """
    columns = np.zeros((len(sources), n_items), np.float32)
    for row, source in enumerate(sources):
        scores = source.scores(user, ts_ms)[:n_items]
        best = scores.max(initial=0.0)
        if best > 0.0:
            np.divide(scores, best, out=columns[row])
    by_row = np.array([weights[source.name] for source in sources], np.float32)
    return Mixed(by_row @ columns, columns)


def strongest(scores: NDArray[np.float32], limit: int) -> NDArray[np.int32]:
    """Return the indices of the ``limit`` highest positive scores, best first, ties by index."""
    n_items = len(scores)
    if n_items > limit:
        threshold = np.partition(scores, n_items - limit)[n_items - limit]
        found = np.flatnonzero((scores >= threshold) & (scores > 0.0))
    else:
        found = np.flatnonzero(scores > 0.0)
    order = np.argsort(-scores[found], kind="stable")
    return found[order][:limit].astype(np.int32)
