"""Popularity: how often an item was liked lately, under several notions of lately."""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker, Sizes
from recsys.candidates.leading import Leading
from recsys.candidates.pool import Pool
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.settings import PopularSettings

__all__ = ["Popular"]


class Popular(Leading):
    """Scores by likes that fade with event time, one count per window.

    Attributes
    ----------
    longest
        The column of the window that forgets most slowly.
    """

    def __init__(self, settings: PopularSettings, catalogue: Catalogue) -> None:
        windows = settings.windows
        super().__init__("popular", windows, settings.leaders)
        self.longest = f"popular_{max(windows, key=lambda name: windows[name].half_life_s)}"
        self._catalogue = catalogue

    @override
    def grow(self, n_items: int) -> None:
        self._liked.grow(n_items)

    @override
    def renumber(self, items: NDArray[np.int64], tokens: NDArray[np.int64], n: Sizes) -> None:
        self._liked.renumber(items, n.items)
        self._find_leaders()

    @override
    def _count(self, item: int, ts_ms: int, strength: float) -> None:
        self._liked.add(item, ts_ms, strength)

    @override
    def _lead(self, window: int, n: int) -> NDArray[np.int32]:
        alive = self._catalogue.alive
        counts = self._liked.counts[: len(alive), window]
        items = np.flatnonzero((counts > 0.0) & alive)
        if len(items) > n:
            items = items[np.argpartition(-counts[items], n - 1)[:n]]
        return items[np.lexsort((items, -counts[items]))].astype(np.int32)

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        fades = self._liked.fades(asker.ts_ms)
        _fill(self._liked.counts, fades, pool.scores, column, pool.items)


@compiled
def _fill(
    counts: NDArray[np.float32],
    fades: NDArray[np.float64],
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
) -> None:
    for i in range(items.shape[0]):
        for window in range(counts.shape[1]):
            scores[items[i], column + window] = np.float32(counts[items[i], window] * fades[window])
