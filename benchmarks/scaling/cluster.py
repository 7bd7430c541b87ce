"""A cluster for a while: people, gateways, some of its shards, and its mixer.

Shards hear of each other only through mixing, and people are spread over them evenly. So it is
enough to simulate some of them with as many gateways as fall to them; the other shards count as
numbers in the mix (``mix_flow``), and the mixer is as busy as with all. The calls of the first
shard, which may be the one that is in trouble, go through gateways that are not simulated as often
as those are many: what waits for it fills a few places of each, and not all of a few.
"""

from collections.abc import Callable
from typing import Self

import msgspec
import numpy as np

from benchmarks.figures import Quantiles, quantile
from benchmarks.scaling.constants import Costs
from benchmarks.scaling.demand import Demand
from benchmarks.scaling.front import Book, Gateway
from benchmarks.scaling.mix_flow import MixFlow
from benchmarks.scaling.mix_plan import MixLayout, MixPlan, mix_plan
from benchmarks.scaling.shard import Shard
from benchmarks.scaling.station import Station
from benchmarks.scaling.timeline import Timeline

__all__ = ["Cluster", "Outcome", "Plant", "gateways_for"]

_WARMING_S = 3.0
_BLOCK = 1024
"""Drawn at a time."""


class Plant(msgspec.Struct, frozen=True, kw_only=True):
    """What there is.

    Attributes
    ----------
    shards, gateways
        How many.
    sample
        Shards that are simulated, at most.
    mix
        How they mix.
    """

    shards: int
    gateways: int
    sample: int = 12
    mix: MixLayout = MixLayout()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen.

    Attributes
    ----------
    lists_per_s, events_per_s
        Of all people, asked.
    others_failed
        Share of lists that were refused or lost, of all shards but the first.
    list_ms, list_p999_ms, ack_ms
        Of what was answered; the 99.9 % quantile by itself.
    refused, lost
        Shares of the lists: 429 and 503.
    events_refused, events_lost
        Likewise of events.
    shard_use, gateway_use, mixer_use
        Share of a core, on average over shards and gateways.
    age_s
        Until a shard has learned what another one has.
    plan
        Of the mix.
    round_every_s
        From one round of the mix to the next; ``None`` when fewer than two were finished.
    counted_s
        Seconds that count.
    """

    lists_per_s: float
    events_per_s: float
    list_ms: Quantiles
    list_p999_ms: float | None
    ack_ms: Quantiles
    refused: float
    lost: float
    others_failed: float
    events_refused: float
    events_lost: float
    shard_use: float
    gateway_use: float
    mixer_use: float
    age_s: Quantiles
    plan: MixPlan
    round_every_s: float | None
    counted_s: float


class Cluster:
    """Simulates; whoever wants something to die schedules it on ``timeline`` before ``run``.

    Attributes
    ----------
    shards, gateways
        Those that are simulated.
    lists, events
        What became of them, by shard.
    """

    def __init__(self, costs: Costs, demand: Demand, plant: Plant, seed: int) -> None:
        chance = np.random.default_rng([seed, plant.shards])
        self.timeline = Timeline()
        self._demand, self._plant = demand, plant
        n = min(plant.shards, plant.sample)
        n_gateways = max(1, round(plant.gateways * n / plant.shards))
        self.gateways = [
            Gateway(self.timeline, Station(self.timeline), costs, chance) for _ in range(n_gateways)
        ]
        self._elsewhere = Gateway(
            self.timeline, Station(self.timeline), costs.having(gateway_in_flight=1e9), chance
        )
        self._here = n_gateways / plant.gateways if n < plant.shards else 1.0
        self.shards = [
            Shard(self.timeline, Station(self.timeline), costs, chance) for _ in range(n)
        ]
        self.plan = mix_plan(costs, demand, plant.shards, plant.mix)
        self.mix = MixFlow(
            self.timeline,
            Station(self.timeline),
            self.shards,
            plant.shards,
            (costs, self.plan, plant.mix),
            chance,
        )
        self.lists = [Book() for _ in range(n)]
        self.events = [Book() for _ in range(n)]
        self._chance = chance
        self._turn = 0
        self._open = True
        self._snapshots(costs)
        for place in range(n):
            self._arrivals(demand.lists_per_s / plant.shards, place, self._ask)
            self._arrivals(demand.events_per_s / plant.shards, place, self._tell)

    def run(self, seconds: float) -> Outcome:
        """Let people come for a while, and say what became of those who came after a start."""
        self.timeline.run(_WARMING_S)
        for book in (*self.lists, *self.events):
            book.clear()
        cores = [[one.core for one in self.shards], [one.core for one in self.gateways]]
        cores.append([self.mix.core])
        before = [sum(core.busy_s for core in some) for some in cores]
        rounds = self.mix.rounds
        del self.mix.ages_s[:]
        self.timeline.run(_WARMING_S + seconds)
        shard_use, gateway_use, mixer_use = (
            (sum(core.busy_s for core in some) - first) / len(some) / seconds
            for some, first in zip(cores, before, strict=True)
        )
        lists, events = _Sum.of(self.lists), _Sum.of(self.events)
        others = _Sum.of(self.lists[1:])
        scale = self._plant.shards / len(self.shards) / seconds
        rounds = self.mix.rounds - rounds
        return Outcome(
            lists_per_s=round(lists.asked * scale, 1),
            events_per_s=round(events.asked * scale, 1),
            list_ms=Quantiles.of([1000.0 * one for one in lists.seconds]),
            list_p999_ms=1000.0 * quantile(lists.seconds, 0.999) if lists.seconds else None,
            ack_ms=Quantiles.of([1000.0 * one for one in events.seconds]),
            refused=lists.refused,
            lost=lists.lost,
            others_failed=others.refused + others.lost,
            events_refused=events.refused,
            events_lost=events.lost,
            shard_use=shard_use,
            gateway_use=gateway_use,
            mixer_use=mixer_use,
            age_s=Quantiles.of(list(self.mix.ages_s)),
            plan=self.plan,
            round_every_s=seconds / rounds if rounds > 1 else None,
            counted_s=seconds,
        )

    def close(self, patience_s: float) -> None:
        """Let nobody come any more, and wait for those who did."""
        self._open = False
        self.timeline.run(self.timeline.now_s + patience_s)

    def _arrivals(self, per_s: float, place: int, come: Callable[[int], None]) -> None:
        if per_s <= 0.0:
            return
        pauses = list[float]()

        def arrive() -> None:
            if self._open:
                come(place)
                wait()

        def wait() -> None:
            if not pauses:
                pauses.extend(self._chance.exponential(1.0 / per_s, _BLOCK).tolist())
            self.timeline.after(pauses.pop(), arrive)

        wait()

    def _next(self, place: int) -> Gateway:
        if place == 0 and self._here < 1.0 and self._chance.random() >= self._here:
            return self._elsewhere
        self._turn = (self._turn + 1) % len(self.gateways)
        return self.gateways[self._turn]

    def _ask(self, place: int) -> None:
        self._next(place).ask(self.shards[place], self.lists[place])

    def _tell(self, place: int) -> None:
        self._next(place).tell(self.shards[place], self.events[place])

    def _snapshots(self, costs: Costs) -> None:
        every_s, work_s = costs.mean("snapshot_round_s"), costs.seconds("capture_us")

        def beginner(shard: Shard) -> Callable[[], None]:
            def begin() -> None:
                if shard.up:
                    shard.work(work_s)
                self.timeline.after(every_s, begin)

            return begin

        for shard in self.shards:
            self.timeline.after(self._chance.uniform(0.0, every_s), beginner(shard))


class _Sum(msgspec.Struct, frozen=True):
    """The books of all shards together."""

    asked: int
    refused: float
    lost: float
    seconds: list[float]

    @classmethod
    def of(cls, books: list[Book]) -> Self:
        over = max(sum(book.fates.total() for book in books), 1)
        return cls(
            sum(book.asked for book in books),
            sum(book.fates["refused"] for book in books) / over,
            sum(book.fates["lost"] for book in books) / over,
            [second for book in books for second in book.seconds],
        )


def gateways_for(costs: Costs, demand: Demand, use: float) -> int:
    """Return how many gateways are as busy as ``use`` at the peak; each call is one."""
    calls = demand.lists_per_s + demand.events_per_s
    return max(1, -int(-calls * costs.seconds("gateway_us") // use))
