"""Fresh items: new in the catalogue and hardly shown yet."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker, Question, Untaught
from recsys.candidates.best_kernels import take_best
from recsys.candidates.pool import Pool
from recsys.candidates.pool_kernels import Scratch, add_items
from recsys.catalogue import Catalogue
from recsys.compiled import compiled
from recsys.features.counts import ItemCounts
from recsys.held import Held, holder
from recsys.settings import FreshSettings

__all__ = ["Fresh", "propose", "score"]

_CONSIDERED = 200
"""Only so many of the newest items are looked at."""


class Arrivals(NamedTuple):
    """All that the source knows.

    Attributes
    ----------
    created_ms, shown
        When items came and how often they were shown, ``(n_items or more,)``.
    """

    created_ms: NDArray[np.int64]
    shown: NDArray[np.float64]
    half_life_ms: float
    leaders: int


hold_arrivals = holder(Arrivals)


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
        self._held = Held(hold_arrivals)

    @property
    @override
    def held(self) -> Arrivals:
        """All of it, for compiled code."""
        return self._held(self._record)

    def _record(self) -> Arrivals:
        return Arrivals(
            self._catalogue.created_table,
            self._counts.shown,
            self._half_life_ms,
            self._leaders,
        )

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        propose(self.held, asker.question, pool.held)

    @override
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        score(self.held, asker.question, pool.held, column)


@compiled
def _worth(created_ms: int, shown: float, ts_ms: int, half_life_ms: float) -> float:
    worth: float = 2.0 ** (-max(ts_ms - created_ms, 0) / half_life_ms) / (1.0 + shown)
    return worth


@compiled
def propose(arrivals: Arrivals, question: Question, pool: Scratch) -> None:
    """Add the freshest to a pool."""
    created_ms, shown, half_life_ms = arrivals.created_ms, arrivals.shown, arrivals.half_life_ms
    allowed, ts_ms = question.allowed, question.ts_ms
    items = np.empty(arrivals.leaders, np.int32)
    scores = np.empty(arrivals.leaders, np.float32)
    first = max(allowed.shape[0] - _CONSIDERED, 0)
    worth = np.empty(allowed.shape[0] - first, np.float32)
    for i in range(worth.shape[0]):
        item = first + i
        worth[i] = _worth(created_ms[item], shown[item], ts_ms, half_life_ms)
    for i in range(worth.shape[0]):
        worth[i] = worth[i] if allowed[first + i] else np.float32(-np.inf)
    n = take_best(worth, first, items, scores, 0)
    add_items(pool, items[:n])


@compiled
def score(arrivals: Arrivals, question: Question, pool: Scratch, column: int) -> None:
    """Fill a column of the pool."""
    n, proposed = pool.size[0], pool.proposed
    ts_ms, half_life_ms = question.ts_ms, arrivals.half_life_ms
    created_ms, shown, scores = np.empty(n, np.int64), np.empty(n), pool.scores[column, :n]
    # By a loop of its own: the processor then waits for many items at once.
    for i in range(n):
        item = np.uint32(proposed[i])
        created_ms[i], shown[i] = arrivals.created_ms[item], arrivals.shown[item]
    for i in range(n):
        scores[i] = _worth(created_ms[i], shown[i], ts_ms, half_life_ms)
