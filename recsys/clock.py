"""The only place of ``recsys`` that reads a clock.

The engine's own clock is the event's timestamp; this one is for whoever stamps events: the
embedded caller, the gateway, the shard's freshness metric.
"""

import time

__all__ = ["now_ms"]


def now_ms() -> int:
    """Return milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000
