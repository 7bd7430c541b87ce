"""The simulation of two shards on two cores, held against a server that was measured there.

There, everything shares the cores: two shards, a gateway, HAProxy, Ray, and the clients in a closed
loop. So one station of two cores takes the place of all of theirs, and nothing is urgent there: a
shard lets its lists pass, but the system lets each process have its turn. What a client, HAProxy
and a gateway take is what they took for an endpoint that does nothing. What costs nothing here:
caches that are cold, locks, and whatever the constants do not name.
"""

from typing import Final

import msgspec
import numpy as np

from benchmarks.figures import Quantiles
from benchmarks.scaling.constants import Costs
from benchmarks.scaling.front import Book, Gateway
from benchmarks.scaling.shard import Shard
from benchmarks.scaling.station import Station
from benchmarks.scaling.timeline import Timeline

__all__ = ["MEASURED", "Held", "Measured", "as_measured", "closed_loop", "held"]

_CORES: Final = 2
_SHARDS: Final = 2
_WARMING_S: Final = 2.0
_FITTED: Final = 1
"""The line that is met by the slowness."""


class Measured(msgspec.Struct, frozen=True):
    """Medians of rounds in ``benchmarks/RESULTS.md``, "Fast and shared" (commit 33c7c3c)."""

    clients: int
    clicks_per_s: float
    lists_per_s: float
    p50_ms: float
    p99_ms: float


MEASURED: Final = (
    Measured(1, 0.0, 773.0, 1.1, 4.5),
    Measured(64, 0.0, 2216.0, 27.5, 66.2),
)


class Held(msgspec.Struct, frozen=True):
    """What was measured beside what is simulated.

    Attributes
    ----------
    lists_per_s, list_ms
        With the costs as they are.
    slowed_per_s, slowed_ms
        With all work slower, so that the busiest line without clicks is met.
    """

    measured: Measured
    lists_per_s: float
    list_ms: Quantiles
    slowed_per_s: float
    slowed_ms: Quantiles

    @property
    def ratio(self) -> float:
        """Simulated lists per second over measured ones."""
        return self.lists_per_s / self.measured.lists_per_s


def as_measured(costs: Costs) -> Costs:
    """Return the costs of the server that was measured: all of an HTTP call is on its cores."""
    return costs.having(gateway_us=costs.mean("two_cores_noop_us"), hop_us=0.0)


def closed_loop(
    costs: Costs,
    load: Measured,
    seconds: float,
    seed: int,
    slowness: float = 1.0,
) -> tuple[float, Quantiles]:
    """Return lists per second and their latencies, of clients who ask when they are answered."""
    chance = np.random.default_rng([seed, load.clients])
    timeline = Timeline()
    machine = Station(timeline, _CORES, fair=True)
    machine.slowness = slowness
    gateway = Gateway(timeline, machine, costs, chance)
    shards = [Shard(timeline, machine, costs, chance) for _ in range(_SHARDS)]
    lists, clicks = Book(), Book()

    def ask() -> None:
        gateway.ask(shards[int(chance.integers(_SHARDS))], lists, lambda: timeline.after(0.0, ask))

    def click() -> None:
        gateway.tell(shards[int(chance.integers(_SHARDS))], clicks)
        timeline.after(1.0 / load.clicks_per_s, click)

    for _ in range(load.clients):
        timeline.after(0.0, ask)
    if load.clicks_per_s:
        timeline.after(0.0, click)
    timeline.run(_WARMING_S)
    lists.clear()
    timeline.run(_WARMING_S + seconds)
    return len(lists.seconds) / seconds, Quantiles.of([1000.0 * one for one in lists.seconds])


def held(costs: Costs, seconds: float, seed: int) -> list[Held]:
    """Simulate each line that was measured, twice."""
    then = as_measured(costs)
    plain = [closed_loop(then, one, seconds, seed) for one in MEASURED]
    slowness = plain[_FITTED][0] / MEASURED[_FITTED].lists_per_s
    slowed = [closed_loop(then, one, seconds, seed, slowness) for one in MEASURED]
    return [
        Held(one, *first, *second)
        for one, first, second in zip(MEASURED, plain, slowed, strict=True)
    ]
