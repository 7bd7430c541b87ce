"""Ever more load on the same shards, until they are full; gateways are added as it grows."""

import math
from collections.abc import Sequence

import msgspec

from benchmarks.scaling.capacity import shard_use
from benchmarks.scaling.cluster import Cluster, Outcome, Plant
from benchmarks.scaling.constants import Costs
from benchmarks.scaling.demand import Demand
from benchmarks.scaling.mix_plan import mix_plan

__all__ = ["FACTORS", "FULL", "Step", "full_at", "ramp"]

FACTORS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
FULL = 0.95
"""Share of a core."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen at ``factor`` times the load that was planned for."""

    factor: float
    outcome: Outcome


def ramp(
    costs: Costs,
    demand: Demand,
    plant: Plant,
    *,
    seed: int,
    seconds: float,
    factors: Sequence[float] = FACTORS,
) -> list[Step]:
    """Simulate one load after the other, up to the first at which the shards are full."""
    steps = list[Step]()
    for factor in factors:
        gateways = math.ceil(plant.gateways * max(factor, 1.0))
        grown = msgspec.structs.replace(plant, gateways=gateways)
        outcome = Cluster(costs, demand.times(factor), grown, seed).run(seconds)
        steps.append(Step(factor=factor, outcome=outcome))
        if outcome.shard_use >= FULL:
            break
    return steps


def full_at(costs: Costs, demand: Demand, plant: Plant) -> dict[str, float]:
    """Return at how many times the load each is full, by arithmetic, the first one first.

    The gateways are those that were planned. Of a mixer the load is bounded: it is full from the
    start (0), or never (infinite).
    """
    calls = demand.lists_per_s + demand.events_per_s
    gateways = plant.gateways / (calls * costs.seconds("gateway_us"))
    low, high = 0.0, 1000.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        use = shard_use(costs, demand.times(middle), plant.shards, plant.mix)
        low, high = (middle, high) if use < 1.0 else (low, middle)
    mixer = mix_plan(costs, demand, plant.shards, plant.mix).mixer_share(plant.mix)
    found = {
        "gateways": gateways,
        "shards": low,
        "mixer": 0.0 if mixer >= 1.0 else math.inf,
    }
    return dict(sorted(found.items(), key=lambda one: one[1]))
