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
    """

    def __init__(self, name: str, description: str) -> None:
        self._buckets = Gauge(f"{name}_bucket", description, tag_keys=("shard", "le"))
        self._sums = Gauge(f"{name}_sum", description, tag_keys=("shard",))
        self._totals = Gauge(f"{name}_count", description, tag_keys=("shard",))
        self._counts = [0] * (len(_BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count a value."""
        self._counts[bisect_left(_BOUNDS, seconds)] += 1
        self._sum += seconds

    def tell(self, tags: dict[str, str]) -> None:
        """Tell Ray what was counted since the beginning."""
        upto = [*accumulate(self._counts)]
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), upto, strict=True):
            self._buckets.set(count, {**tags, "le": bound})
        self._sums.set(self._sum, tags)
        self._totals.set(upto[-1], tags)
