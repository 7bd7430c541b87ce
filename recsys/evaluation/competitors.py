"""Simple rankers of what was shown, to hold the engine against.

They share nothing with it: each is a few counts per item and a formula.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

__all__ = ["ClickRate", "Clicks", "Competitor", "NewestFirst", "Random", "competitors"]

_RATE = 0.04
"""Click rate of an item that was hardly ever shown: MIND's is 4 %."""


class Competitor(ABC):
    """A ranker; ``scores`` is asked before ``learn`` is told what was clicked, in time order."""

    name: str

    @abstractmethod
    def scores(self, items: Sequence[str], ts_ms: int) -> NDArray[np.float64]:
        """Return a score per item, shape ``(n_items,)``."""

    @abstractmethod
    def learn(self, items: Sequence[str], clicked: Sequence[bool], ts_ms: int) -> None:
        """Take in which of the shown items were clicked."""


class Random(Competitor):
    """Any order, drawn anew for each list."""

    name = "random"

    def __init__(self, seed: int) -> None:
        self._lots = np.random.default_rng(seed)

    @override
    def scores(self, items: Sequence[str], ts_ms: int) -> NDArray[np.float64]:
        return self._lots.random(len(items))

    @override
    def learn(self, items: Sequence[str], clicked: Sequence[bool], ts_ms: int) -> None:
        """Learn nothing."""


class NewestFirst(Competitor):
    """The item first shown last."""

    name = "newest_first"

    def __init__(self) -> None:
        self._first_ms = dict[str, int]()

    @override
    def scores(self, items: Sequence[str], ts_ms: int) -> NDArray[np.float64]:
        return np.array([self._first_ms.get(item, ts_ms) for item in items], np.float64)

    @override
    def learn(self, items: Sequence[str], clicked: Sequence[bool], ts_ms: int) -> None:
        for item in items:
            self._first_ms.setdefault(item, ts_ms)


class Clicks(Competitor):
    """The item clicked most often so far."""

    name = "clicks_so_far"

    def __init__(self) -> None:
        self._clicks = dict[str, int]()

    @override
    def scores(self, items: Sequence[str], ts_ms: int) -> NDArray[np.float64]:
        return np.array([self._clicks.get(item, 0) for item in items], np.float64)

    @override
    def learn(self, items: Sequence[str], clicked: Sequence[bool], ts_ms: int) -> None:
        for item, click in zip(items, clicked, strict=True):
            self._clicks[item] = self._clicks.get(item, 0) + click


class ClickRate(Competitor):
    """``(clicks + prior * rate) / (shows + prior)``, both forgotten with a half-life.

    Parameters
    ----------
    prior
        Shows at the overall click rate that each item begins with; they are not forgotten.
    half_life_s
        ``None`` forgets nothing.
    """

    def __init__(self, name: str, prior: float, half_life_s: float | None = None) -> None:
        self.name = name
        self._prior = prior
        self._half_life_ms = None if half_life_s is None else half_life_s * 1000.0
        self._counts = dict[str, tuple[float, float, int]]()

    @override
    def scores(self, items: Sequence[str], ts_ms: int) -> NDArray[np.float64]:
        clicks, shows = np.array([self._now(item, ts_ms) for item in items]).T
        rates: NDArray[np.float64] = (clicks + self._prior * _RATE) / (shows + self._prior)
        return rates

    @override
    def learn(self, items: Sequence[str], clicked: Sequence[bool], ts_ms: int) -> None:
        for item, click in zip(items, clicked, strict=True):
            clicks, shows = self._now(item, ts_ms)
            self._counts[item] = clicks + click, shows + 1.0, ts_ms

    def _now(self, item: str, ts_ms: int) -> tuple[float, float]:
        clicks, shows, last_ms = self._counts.get(item, (0.0, 0.0, ts_ms))
        if self._half_life_ms is None:
            return clicks, shows
        kept = 0.5 ** ((ts_ms - last_ms) / self._half_life_ms)
        return clicks * kept, shows * kept


def competitors(seed: int) -> list[Competitor]:
    """Return one of each, having learned nothing."""
    return [
        Random(seed),
        NewestFirst(),
        Clicks(),
        ClickRate("click_rate", prior=20.0),
        ClickRate("click_rate_6h", prior=5.0, half_life_s=6 * 3600.0),
    ]
