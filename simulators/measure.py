"""Counts and latencies over time, in bounded memory however long a run takes."""

import math
from typing import Final

import msgspec

__all__ = ["Latency", "Series", "Tally"]

_FIRST_MS: Final = 0.05
_GROWTH: Final = 1.05
_BINS: Final = 300
"""Up to 0.05 ms * 1.05**300, about two minutes; what takes longer counts as that."""


class Tally(msgspec.Struct):
    """What happened in some time.

    Attributes
    ----------
    decisions, shown, clicks
        Lists, their slots, and the slots clicked.
    best, uniform
        Clicks that the best and that random lists would have got from the same people at the same
        moments, in expectation.
    """

    decisions: int = 0
    shown: int = 0
    clicks: int = 0
    best: float = 0.0
    uniform: float = 0.0

    def add(self, other: "Tally") -> None:
        """Add the counts of ``other``."""
        self.decisions += other.decisions
        self.shown += other.shown
        self.clicks += other.clicks
        self.best += other.best
        self.uniform += other.uniform

    def per_slot(self, clicks: float) -> float:
        """Return clicks per shown slot, 0 when nothing was shown."""
        return clicks / self.shown if self.shown else 0.0

    @property
    def click_rate(self) -> float:
        """Clicks per shown slot."""
        return self.per_slot(self.clicks)


class Series:
    """Tallies by window of time.

    Parameters
    ----------
    width_s
        Of a window at first; when there would be more than ``limit``, neighbours are merged and
        the width doubles.

    Attributes
    ----------
    windows
        From the start of the run, without gaps.
    total
        Over all of them.
    """

    def __init__(self, width_s: float = 1.0, limit: int = 600) -> None:
        self.width_s = width_s
        self.limit = limit
        self.windows: list[Tally] = []
        self.total = Tally()

    def add(self, at_s: float, tally: Tally) -> None:
        """Count what happened ``at_s`` seconds after the start."""
        while at_s >= self.width_s * self.limit:
            self._halve()
        place = int(at_s / self.width_s)
        while len(self.windows) <= place:
            self.windows.append(Tally())
        self.windows[place].add(tally)
        self.total.add(tally)

    def since(self, at_s: float) -> Tally:
        """Return the sum over the windows that begin at ``at_s`` or later."""
        tally = Tally()
        for window in self.windows[math.ceil(at_s / self.width_s) :]:
            tally.add(window)
        return tally

    def _halve(self) -> None:
        for left in range(0, len(self.windows) - 1, 2):
            self.windows[left].add(self.windows[left + 1])
        self.windows = self.windows[::2]
        self.width_s *= 2.0


class Latency:
    """A histogram of durations whose bins grow by 5 %."""

    def __init__(self) -> None:
        self.count = 0
        self._bins = [0] * _BINS

    def add(self, ms: float) -> None:
        """Count one duration in milliseconds."""
        place = math.ceil(math.log(ms / _FIRST_MS, _GROWTH)) if ms > _FIRST_MS else 0
        self._bins[min(place, _BINS - 1)] += 1
        self.count += 1

    def quantile(self, share: float) -> float | None:
        """Return milliseconds that ``share`` of all stay below, 5 % too high at most.

        ``None`` when nothing was counted.
        """
        seen = 0
        for place, count in enumerate(self._bins):
            seen += count
            if count and seen >= share * self.count:
                return _FIRST_MS * _GROWTH**place
        return None
