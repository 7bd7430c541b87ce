"""One or more cores with a queue of two classes: what is urgent goes first.

A job that was begun is finished (non-preemptive), so that an urgent one waits for at most one job
of the others; whoever has long work cuts it into slices.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.scaling.timeline import Timeline

__all__ = ["Station"]


class _Job(NamedTuple):
    work_s: float
    done: Callable[[], None]


class Station:
    """Does jobs.

    Parameters
    ----------
    cores
        Jobs at a time.
    fair
        Whether nothing is urgent: cores of several processes, of which each waits its turn.

    Attributes
    ----------
    slowness
        By which all work is multiplied: 1 for a healthy one.
    """

    def __init__(self, timeline: Timeline, cores: int = 1, *, fair: bool = False) -> None:
        self._fair = fair
        self.slowness = 1.0
        self._timeline = timeline
        self._cores = cores
        self._working = 0
        self._life = 0
        self._busy_s = 0.0
        self._tallied_s = timeline.now_s
        self._urgent = deque[_Job]()
        self._others = deque[_Job]()

    @property
    def waiting(self) -> int:
        """Jobs that are queued or under way."""
        return len(self._urgent) + len(self._others) + self._working

    @property
    def busy_s(self) -> float:
        """Processor time that was spent until now, of all cores together."""
        self._tally()
        return self._busy_s

    def put(self, work_s: float, done: Callable[[], None], *, urgent: bool = True) -> None:
        """Queue a job; ``done`` is called at its end."""
        (self._urgent if urgent or self._fair else self._others).append(_Job(work_s, done))
        if self._working < self._cores:
            self._begin()

    def clear(self) -> None:
        """Forget all jobs, those under way too: nobody hears of them any more."""
        self._tally()
        self._life += 1
        self._working = 0
        self._urgent.clear()
        self._others.clear()

    def _begin(self) -> None:
        queue = self._urgent or self._others
        if not queue:
            return
        work_s, done = queue.popleft()
        self._tally()
        self._working += 1
        life = self._life

        def end() -> None:
            if life != self._life:
                return
            self._tally()
            self._working -= 1
            done()
            if self._working < self._cores:
                self._begin()

        self._timeline.after(work_s * self.slowness, end)

    def _tally(self) -> None:
        now_s = self._timeline.now_s
        self._busy_s += self._working * (now_s - self._tallied_s)
        self._tallied_s = now_s
