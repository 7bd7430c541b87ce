"""What happens next: a heap of moments, and nothing else."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

__all__ = ["Timeline"]

Deed = Callable[[], None]


class Timeline:
    """Runs deeds in the order of their moments; of the same moment, in the order they were put.

    Attributes
    ----------
    now_s
        Simulated time.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self._heap: list[tuple[float, int, Deed]] = []
        self._numbers = count()

    def after(self, pause_s: float, deed: Deed) -> None:
        """Do something later, at once with a pause of 0."""
        heappush(self._heap, (self.now_s + pause_s, next(self._numbers), deed))

    def run(self, until_s: float) -> None:
        """Let time pass; what is due later stays."""
        heap = self._heap
        while heap and heap[0][0] <= until_s:
            self.now_s, _, deed = heappop(heap)
            deed()
        self.now_s = until_s
