"""A histogram that is counted here, and told to Ray every few seconds.

Ray's own is told of every value, which takes some 17 us, and its agent records each value once more
in Python, at the middle of its bucket (``record_histogram_aggregated_batch``, Ray 2.60): by its
processor time as much again as all else that a server's metrics take, and a sum that is none.
"""

from bisect import bisect_left
from itertools import accumulate

from ray.util.metrics import Gauge

__all__ = ["Histogram"]

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Histogram:
    """Counts seconds; Prometheus sees ``name_bucket``, ``name_sum`` and ``name_count``.

    Ray's exporter knows the three as gauges, for which ``rate`` and ``histogram_quantile`` do not
    ask.

    Parameters
    ----------
    key
        Its one label.
    """

    def __init__(self, name: str, description: str, key: str) -> None:
        self._key = key
        self._buckets = Gauge(f"{name}_bucket", description, tag_keys=(key, "le"))
        self._sums = Gauge(f"{name}_sum", description, tag_keys=(key,))
        self._totals = Gauge(f"{name}_count", description, tag_keys=(key,))
        self._counts = dict[str, list[int]]()
        self._sum = dict[str, float]()

    def observe(self, seconds: float, of: str) -> None:
        """Count a value.

        Parameters
        ----------
        of
            Value of the label.
        """
        counts = self._counts.get(of)
        if counts is None:
            counts = self._counts[of] = [0] * (len(_BOUNDS) + 1)
        counts[bisect_left(_BOUNDS, seconds)] += 1
        self._sum[of] = self._sum.get(of, 0.0) + seconds

    def tell(self) -> None:
        """Tell Ray what was counted since the beginning."""
        for of, counts in self._counts.items():
            tags = {self._key: of}
            upto = [*accumulate(counts)]
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), upto, strict=True):
                self._buckets.set(count, {**tags, "le": bound})
            self._sums.set(self._sum[of], tags)
            self._totals.set(upto[-1], tags)
