"""How long to wait before the next attempt, and how to be woken up from it."""

import asyncio
import random

__all__ = ["Backoff", "pause"]


class Backoff:
    """Pauses that double up to a longest one, each cut by chance so that not all come at once.

    Parameters
    ----------
    first_s, longest_s
        The first pause and the longest, before they are cut to between half and all of it.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._failed = 0

    def reset(self) -> None:
        """Begin anew: it works again."""
        self._failed = 0

    def next_s(self) -> float:
        """Return how long to wait now, in seconds."""
        whole_s = min(self._longest_s, self._first_s * 2.0 ** min(self._failed, 30))
        self._failed += 1
        return whole_s * random.uniform(0.5, 1.0)


async def pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait, but not after ``stopping`` is set; return whether it is."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True
