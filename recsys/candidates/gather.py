"""One question to all sources: fills the pool."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.base import Asker, Source
from recsys.candidates.pool import Pool

__all__ = ["columns_of", "fill", "propose", "score", "seats_of", "weights_of"]


def columns_of(sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the columns of all sources, in their order."""
    return tuple(column for source in sources for column in source.columns)


def weights_of(sources: Sequence[Source]) -> NDArray[np.float32]:
    """Return what each column is worth in the mix, float32, shape ``(n_columns,)``."""
    return np.array([weight for source in sources for weight in source.weights], np.float32)


def seats_of(sources: Sequence[Source]) -> NDArray[np.int64]:
    """Return how many of each column's best are candidates by right, shape ``(n_columns,)``."""
    by_source = [source.seats or (0,) * len(source.columns) for source in sources]
    return np.array([seats for own in by_source for seats in own], np.int64)


def fill(
    pool: Pool,
    sources: Sequence[Source],
    asker: Asker,
    given: NDArray[np.int32] | None = None,
) -> None:
    """Let every source propose, then score what all of them proposed.

    Parameters
    ----------
    given
        Items that are in the pool whoever proposes them.
    """
    propose(pool, sources, asker, given)
    score(pool, sources, asker)


def propose(
    pool: Pool,
    sources: Sequence[Source],
    asker: Asker,
    given: NDArray[np.int32] | None = None,
) -> None:
    """Do the first half of ``fill``: let every source propose."""
    pool.clear()
    if given is not None:
        pool.add(given)
    column = 0
    for source in sources:
        source.propose(asker, pool, column)
        column += len(source.columns)


def score(pool: Pool, sources: Sequence[Source], asker: Asker) -> None:
    """Do the second half of ``fill``: score what all of them proposed."""
    column = 0
    for source in sources:
        source.score(asker, pool, column)
        column += len(source.columns)
