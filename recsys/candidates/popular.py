"""Popularity: how often an item was liked lately, under several notions of lately."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker, Question, Sizes
from recsys.candidates.decayed import fade
from recsys.candidates.leading import Leading
from recsys.candidates.pool import Pool
from recsys.candidates.pool_kernels import Scratch
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.held import Held, holder
from recsys.settings import PopularSettings

__all__ = ["Counted", "Popular", "score"]


class Counted(NamedTuple):
    """All that the source knows.

    Attributes
    ----------
    orders
        The leaders of each window, best first, then -1, ``(n_windows, n_places)``.
    n
        How many of each window are proposed.
    counts, origin_ms, half_lives_ms
        See ``recsys.candidates.decayed``.
    """

    orders: NDArray[np.int32]
    n: int
    counts: NDArray[np.float32]
    origin_ms: NDArray[np.int64]
    half_lives_ms: NDArray[np.float64]


hold_counted = holder(Counted)


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
        self._held = Held(hold_counted)

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

    @property
    @override
    def held(self) -> Counted:
        """All of it, for compiled code."""
        return self._held(self._record)

    def _record(self) -> Counted:
        liked = self._liked
        return Counted(
            self._leaders, self._leading, liked.counts, liked.origin_ms, liked.half_lives_ms
        )

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        score(self.held, asker.question, pool.held, column)


@compiled
def score(counted: Counted, question: Question, pool: Scratch, column: int) -> None:
    """Fill a column of the pool for each window."""
    counts, scores, proposed = counted.counts, pool.scores, pool.proposed
    count = pool.size[0]
    for window in range(counts.shape[1]):
        faded = fade(counted.origin_ms[window], counted.half_lives_ms[window], question.ts_ms)
        for i in range(count):
            item = proposed[i]
            scores[column + window, i] = np.float32(counts[item, window] * faded)
