"""Mixing as it happens between the shards that are simulated and all those that are not.

A round asks each shard that is up for its lessons and hands them on, one shard after the other,
in the mixer's own time; who is down gets what it missed when it is back. Of the shards that are not
simulated only the numbers count: pieces, lessons and the mixer's work (``mix_plan``).
"""

from array import array
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.scaling.constants import Costs
from benchmarks.scaling.mix_plan import MixLayout, MixPlan
from benchmarks.scaling.shard import Fate, Shard
from benchmarks.scaling.station import Station
from benchmarks.scaling.timeline import Timeline

__all__ = ["MixFlow"]

_DRAWN = 3
"""Lessons per delivery whose age is looked at."""


class MixFlow:
    """Lets rounds begin.

    Parameters
    ----------
    core
        The mixer's.
    shards
        Those that are simulated.
    n_shards
        All of them.

    Attributes
    ----------
    ages_s
        From the moment at which a shard has learned a lesson until another one has.
    rounds
        That were finished.
    """

    def __init__(
        self,
        timeline: Timeline,
        core: Station,
        shards: Sequence[Shard],
        n_shards: int,
        parts: tuple[Costs, MixPlan, MixLayout],
        chance: np.random.Generator,
    ) -> None:
        self.ages_s = array("d")
        self.rounds = 0
        self.core = core
        self._timeline = timeline
        self._shards = shards
        self._chance = chance
        self._costs, self._plan, self._layout = parts
        self._at_once = round(self._costs.mean("pieces_at_once"))
        self._hop_s = self._costs.seconds("hop_us")
        self._heard_s = [0.0] * len(shards)
        self._busy = [False] * len(shards)
        self._life = 0
        groups = self._layout.groups_of(n_shards)
        members = -(-n_shards // groups)
        self._served = members
        # What a shard does in a round beside opening what it is told.
        opened_s = self._plan.pieces_per_round * self._plan.piece_s
        self._telling_s = self._plan.shard_share * self._layout.every_s - opened_s
        self._far = (n_shards - members) / max(n_shards - 1, 1)
        if n_shards > 1:
            timeline.after(chance.uniform(0.0, self._layout.every_s), lambda: self._begin(0))

    def die(self) -> None:
        """Know nothing any more; the shards keep their lessons."""
        self._life += 1
        self.core.clear()

    def rise(self) -> None:
        """Ask all shards again for what the others lack."""
        life = self._life
        self._timeline.after(0.0, lambda: self._begin(life))

    def _begin(self, life: int) -> None:
        if life == self._life:
            self._round()

    def _round(self) -> None:
        begun_s = self._timeline.now_s
        each_s = self._plan.round_s / self._served
        life = self._life
        # The shards that are simulated stand among the others of their mixer at equal distances.
        step = self._served / len(self._shards)
        for place in range(len(self._shards)):
            self.core.put(step * each_s, self._server(place, begun_s))

        def over() -> None:
            if life != self._life:
                return
            self.rounds += 1
            rest_s = begun_s + self._layout.every_s - self._timeline.now_s
            self._timeline.after(max(rest_s, 0.0), lambda: self._begin(life))

        self.core.put(0.0, over)

    def _server(self, place: int, cut_s: float) -> Callable[[], None]:
        def serve() -> None:
            shard = self._shards[place]
            if self._busy[place] or not shard.up:
                return
            since_s = self._heard_s[place]
            self._busy[place] = True
            self._timeline.after(self._hop_s, lambda: self._deliver(place, since_s, cut_s))

        return serve

    def _deliver(self, place: int, since_s: float, cut_s: float) -> None:
        rounds = (cut_s - since_s) / self._layout.every_s
        lessons = self._plan.lessons_per_s * (cut_s - since_s)
        full = lessons / self._costs.mean("piece_lessons")
        pieces = max(1, round(max(min(rounds, 1.0) * self._plan.pieces_per_round, full)))
        work_s = pieces * self._costs.seconds("piece_us")
        work_s += lessons * self._costs.seconds("lesson_us")
        works_s = [work_s / pieces] * pieces
        shard = self._shards[place]
        shard.work(self._telling_s)

        def tell(fate: Fate) -> None:
            if fate == "answered" and works_s:
                now, works_s[:] = works_s[: self._at_once], works_s[self._at_once :]
                shard.learn(now, tell)
                return
            self._busy[place] = False
            if fate == "answered":
                self._learned(place, since_s, cut_s)

        tell("answered")

    def _learned(self, place: int, since_s: float, cut_s: float) -> None:
        self._heard_s[place] = cut_s
        now_s = self._timeline.now_s
        for made_s in self._chance.uniform(since_s, cut_s, _DRAWN).tolist():
            self.ages_s.append(now_s - made_s + self._detour_s())

    def _detour_s(self) -> float:
        """Return how much longer a lesson of another group is on its way."""
        if self._plan.root_s == 0.0 or self._chance.random() >= self._far:
            return 0.0
        waits_s = self._chance.uniform(0.0, self._layout.every_s, 2).sum()
        return float(waits_s) + self._plan.root_s
