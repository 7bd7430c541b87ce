"""A shard: a core, a disk, and a queue of events with one writer (``actors.batcher``).

Lists go first. Events and decisions wait for their commit, which takes up to ``commit_events`` of
them and as long for one as for many; while it is on its way to the disk, the batch before it is
learned, in slices between which lists pass. Lessons of other shards are events as well.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from benchmarks.scaling.constants import Costs
from benchmarks.scaling.station import Station
from benchmarks.scaling.timeline import Timeline

__all__ = ["Fate", "Shard"]

Fate = Literal["answered", "refused", "lost"]
"""What becomes of a call: ``refused`` is a 429, ``lost`` a 503."""
Heard = Callable[[Fate], None]


class _Letter(NamedTuple):
    """What is written, then learned; somebody may wait for that."""

    work_s: float
    caller: int | None


class Shard:
    """Answers lists and learns events.

    Parameters
    ----------
    core
        Its own, or one that it shares.

    Attributes
    ----------
    up
        Whether it answers.
    """

    def __init__(
        self, timeline: Timeline, core: Station, costs: Costs, chance: np.random.Generator
    ) -> None:
        self.core = core
        self.up = True
        self._timeline = timeline
        self._recommend = costs["recommend_us"].drawer(chance, 1e-6)
        self._decision = costs["decision_us"].drawer(chance, 1e-6)
        self._event = costs["event_us"].drawer(chance, 1e-6)
        self._flush = costs["flush_us"].drawer(chance, 1e-6)
        self._commit = costs["commit_us"].drawer(chance, 1e-6)
        self._commit_events = round(costs.mean("commit_events"))
        self._queue_events = round(costs.mean("queue_events"))
        self._slice_s = costs.seconds("slice_us")
        self._life = 0
        self._numbers = 0
        self._callers: dict[int, Heard] = {}
        self._queue = deque[_Letter]()
        self._written: list[_Letter] | None = None
        self._flushing = False
        self._learning = False

    @property
    def queue(self) -> int:
        """Events that wait for their commit."""
        return len(self._queue)

    def ask(self, heard: Heard) -> None:
        """Ask for a list, whose decision is logged and learned afterwards."""
        if self._turned_away(heard, self._queue_events):
            return
        caller = self._call(heard)

        def made() -> None:
            self._put(_Letter(self._decision(), None))
            self._settle(caller)

        self.core.put(self._recommend(), made)

    def tell(self, heard: Heard) -> None:
        """Send an event, answered when it is on the disk and learned."""
        # One in ten places is kept for decisions.
        if not self._turned_away(heard, self._queue_events * 9 // 10):
            self._put(_Letter(self._event(), self._call(heard)))

    def learn(self, works_s: Sequence[float], heard: Heard) -> None:
        """Learn pieces of others, each of so much work; answered when all are learned."""
        if self._turned_away(heard, self._queue_events):
            return
        caller = self._call(heard)
        last = len(works_s) - 1
        for place, work_s in enumerate(works_s):
            self._put(_Letter(work_s, caller if place == last else None))

    def work(self, work_s: float) -> None:
        """Do something in slices between lists."""
        while work_s > 0.0:
            self.core.put(min(work_s, self._slice_s), _nothing, urgent=False)
            work_s -= self._slice_s

    def die(self) -> None:
        """Lose all that is under way; whoever waits hears of it."""
        self.up = False
        self._life += 1
        self.core.clear()
        self._queue.clear()
        self._written, self._flushing, self._learning = None, False, False
        callers, self._callers = self._callers, {}
        for heard in callers.values():
            heard("lost")

    def rise(self) -> None:
        """Answer again."""
        self.up = True

    def _turned_away(self, heard: Heard, room: int) -> bool:
        if not self.up:
            heard("lost")
        elif len(self._queue) >= room:
            heard("refused")
        else:
            return False
        return True

    def _call(self, heard: Heard) -> int:
        self._numbers += 1
        self._callers[self._numbers] = heard
        return self._numbers

    def _settle(self, caller: int) -> None:
        heard = self._callers.pop(caller, None)
        if heard is not None:
            heard("answered")

    def _put(self, letter: _Letter) -> None:
        self._queue.append(letter)
        self._flush_next()

    def _flush_next(self) -> None:
        if self._flushing or self._written is not None or not self._queue:
            return
        self._flushing = True
        n = min(len(self._queue), self._commit_events)
        letters = [self._queue.popleft() for _ in range(n)]
        self.core.put(self._commit(), _nothing, urgent=False)
        life = self._life

        def flushed() -> None:
            if life != self._life:
                return
            self._flushing = False
            self._written = letters
            self._learn_next()

        self._timeline.after(self._flush(), flushed)

    def _learn_next(self) -> None:
        if self._learning or self._written is None:
            return
        letters, self._written = self._written, None
        self._learning = True
        slices = list(self._sliced(letters))
        for place, part in enumerate(slices):
            self._learn(part, last=place == len(slices) - 1)
        self._flush_next()

    def _sliced(self, letters: Sequence[_Letter]) -> list[list[_Letter]]:
        parts, room_s = list[list[_Letter]](), 0.0
        for letter in letters:
            if room_s <= 0.0:
                parts.append([])
                room_s = self._slice_s
            parts[-1].append(letter)
            room_s -= letter.work_s
        return parts

    def _learn(self, letters: Sequence[_Letter], *, last: bool) -> None:
        def learned() -> None:
            for letter in letters:
                if letter.caller is not None:
                    self._settle(letter.caller)
            if last:
                self._learning = False
                self._learn_next()

        self.core.put(sum(letter.work_s for letter in letters), learned, urgent=False)


def _nothing() -> None:
    pass
