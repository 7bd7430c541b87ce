"""Small meters: two over a sliding window, for a shard's own report, and how fast it can go."""

import math
from collections import deque
from collections.abc import Callable
from time import monotonic

__all__ = ["Pace", "Quantiles", "Rate"]


class Quantiles:
    """Quantiles over the last values.

    Parameters
    ----------
    size
        How many values are kept.
    """

    def __init__(self, size: int = 1000) -> None:
        self._values: deque[float] = deque(maxlen=size)

    def add(self, value: float, times: int = 1) -> None:
        """Take in ``value``, as if it had come ``times`` times."""
        bound = self._values.maxlen or times
        self._values.extend([value] * min(times, bound))

    def quantile(self, q: float) -> float | None:
        """Return the smallest value that at least the share ``q`` of all is not above.

        ``None`` before the first value.
        """
        if not self._values:
            return None
        ranked = sorted(self._values)
        return ranked[max(0, math.ceil(q * len(ranked)) - 1)]


class Rate:
    """Things per second over the last seconds.

    Parameters
    ----------
    window_s
        Length of the window.
    clock
        Seconds that never go back.
    """

    def __init__(self, window_s: int = 10, clock: Callable[[], float] = monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._first = int(clock())
        self._buckets: deque[tuple[int, int]] = deque(maxlen=window_s + 1)
        """Whole second and its count, oldest first."""

    def add(self, count: int) -> None:
        """Count things that happen now."""
        second = int(self._clock())
        if self._buckets and self._buckets[-1][0] == second:
            count += self._buckets.pop()[1]
        self._buckets.append((second, count))

    def per_second(self) -> float:
        """Return the mean over the last whole seconds, fewer at first; the running one is left out.

        0 in the first second.
        """
        now = int(self._clock())
        seconds = min(self._window_s, now - self._first)
        if seconds <= 0:
            return 0.0
        counted = sum(
            count for second, count in self._buckets if now - self._window_s <= second < now
        )
        return counted / seconds


class Pace:
    """How long something takes per piece while there is always more to do.

    Parameters
    ----------
    newest
        Weight of the newest measurement; those before it fade.
    """

    def __init__(self, newest: float = 0.2) -> None:
        self._newest = newest
        self._seconds: float | None = None

    def add(self, pieces: int, seconds: float) -> None:
        """Take in that so many pieces took so long, together."""
        each = seconds / pieces
        before = each if self._seconds is None else self._seconds
        self._seconds = before + self._newest * (each - before)

    def seconds_for(self, pieces: int) -> float | None:
        """Return how long so many will take, ``None`` before anything is known."""
        return None if self._seconds is None else pieces * self._seconds
