"""Fresh items: new in the catalogue and hardly shown yet."""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker, Untaught
from recsys.candidates.pool import Pool
from recsys.candidates.pool_kernels import add_items, insert
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.features.counts import ItemCounts
from recsys.settings import FreshSettings

__all__ = ["Fresh"]

_CONSIDERED = 200
"""Only so many of the newest items are looked at."""


class Fresh(Untaught):
    """Scores ``2 ** (-age / half_life) / (1 + shown)`` and proposes the best.

    It learns nothing by itself: when an item came is in the catalogue, how often it was shown is in
    the counts.
    """

    columns = ("fresh",)

    def __init__(self, settings: FreshSettings, catalogue: Catalogue, counts: ItemCounts) -> None:
        self.weights = (settings.weight,)
        self.seats = (settings.seats,)
        self._half_life_ms = settings.half_life_s * 1000.0
        self._leaders = settings.leaders
        self._catalogue = catalogue
        self._counts = counts

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        pool.count = _propose(
            self._catalogue.created_ms,
            asker.allowed,
            self._counts.shown,
            (asker.ts_ms, self._half_life_ms, self._leaders),
            pool.proposed,
            pool.known,
            pool.count,
        )

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        _score(
            self._catalogue.created_ms,
            self._counts.shown,
            (asker.ts_ms, self._half_life_ms),
            pool.scores,
            column,
            pool.items,
        )


@compiled
def _worth(created_ms: int, shown: float, ts_ms: int, half_life_ms: float) -> float:
    worth: float = 2.0 ** (-max(ts_ms - created_ms, 0) / half_life_ms) / (1.0 + shown)
    return worth


@compiled
def _propose(
    created_ms: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    shown: NDArray[np.float64],
    limits: tuple[int, float, int],
    proposed: NDArray[np.int32],
    known: NDArray[np.bool_],
    count: int,
) -> int:
    """Add the freshest to a pool; returns the pool's new count."""
    ts_ms, half_life_ms, leaders = limits
    items = np.empty(leaders, np.int32)
    scores = np.empty(leaders, np.float32)
    n = 0
    n_items = created_ms.shape[0]
    # The newest first, so that most of the others end at the first comparison.
    for item in range(n_items - 1, max(0, n_items - _CONSIDERED) - 1, -1):
        if allowed[item]:
            worth = _worth(created_ms[item], shown[item], ts_ms, half_life_ms)
            n = insert(items, scores, n, item, np.float32(worth))
    return add_items(items[:n], proposed, known, count)


@compiled
def _score(
    created_ms: NDArray[np.int64],
    shown: NDArray[np.float64],
    moment: tuple[int, float],
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
) -> None:
    for i in range(items.shape[0]):
        item = items[i]
        scores[item, column] = _worth(created_ms[item], shown[item], moment[0], moment[1])
