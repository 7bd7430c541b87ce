"""What so many people need, as formulas: shards, nodes, memory, disk and mix traffic.

``docs/capacity.md`` says them in words. A shard has a core of its own; the busiest second is an
average one of the busiest hour.
"""

import math

import msgspec

from benchmarks.scaling.cluster import gateways_for
from benchmarks.scaling.constants import Costs
from benchmarks.scaling.demand import Demand
from benchmarks.scaling.mix_plan import MixLayout, MixPlan, mix_plan

__all__ = ["Node", "Plan", "list_work_s", "plan", "shard_use"]

_DAY_S = 86_400.0


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A machine.

    Attributes
    ----------
    kept_cores
        For HAProxy, Ray and the system.
    usable
        Share of the memory that is planned with; the disk's cache lives in the rest.
    """

    cores: int = 16
    kept_cores: int = 2
    memory_bytes: float = 64 * 2.0**30
    usable: float = 0.8


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed.

    Attributes
    ----------
    by_core, by_people
        Shards that the work asks for, ``None`` where no number is enough, and that the number of
        people does.
    shard_use, gateway_use
        Share of a core at the peak.
    shard_bytes
        Resident memory of a shard.
    log_bytes_per_day, state_bytes, log_bytes
        Disk of all shards: what comes each day, what people take, and the log at its bound.
    log_days
        Until the log of a shard has reached its bound.
    mix, mixer_use
        Of the busiest mixer.
    """

    demand: Demand
    items: float
    by_core: int | None
    by_people: int
    shards: int
    gateways: int
    nodes: int
    shard_use: float
    gateway_use: float
    shard_bytes: float
    state_bytes: float
    log_bytes: float
    log_bytes_per_day: float
    log_days: float
    mix: MixPlan
    mixer_use: float


def list_work_s(costs: Costs) -> float:
    """Return what a list costs its shard's core, its decision learned."""
    return costs.seconds("recommend_us") + costs.seconds("decision_us")


def shard_use(costs: Costs, demand: Demand, shards: int, layout: MixLayout) -> float:
    """Return the share of a shard's core that is taken at the peak."""
    lists, events = demand.lists_per_s / shards, demand.events_per_s / shards
    commits = min(lists + events, 1.0 / costs.seconds("flush_us"))
    snapshots = costs.seconds("capture_us") / costs.mean("snapshot_round_s")
    return (
        lists * list_work_s(costs)
        + events * costs.seconds("event_us")
        + commits * costs.seconds("commit_us")
        + snapshots
        + mix_plan(costs, demand, shards, layout).shard_share
    )


def plan(
    costs: Costs,
    demand: Demand,
    *,
    items: float = 1e5,
    use: float = 0.6,
    people_per_shard: float = 1e6,
    node: Node | None = None,
    layout: MixLayout | None = None,
) -> Plan:
    """Work out what some people need.

    Parameters
    ----------
    use
        Share of a core that a shard and a gateway should take at the peak, at most.
    people_per_shard
        More were never put on one.
    """
    node, layout = node or Node(), layout or MixLayout()
    by_core = _fewest(costs, demand, layout, use)
    by_people = max(1, math.ceil(demand.users / people_per_shard))
    shards = max(by_core or 1, by_people)
    gateways = gateways_for(costs, demand, use)
    in_memory = min(costs.mean("users_in_memory"), demand.users / shards)
    shard_bytes = costs.mean("process_bytes") + in_memory * costs.mean("user_memory_bytes")
    shard_bytes += items * costs.mean("item_bytes")
    by_cores = (shards + gateways) / (node.cores - node.kept_cores)
    needed = shards * shard_bytes + gateways * costs.mean("gateway_bytes")
    by_memory = needed / (node.usable * node.memory_bytes)
    mix = mix_plan(costs, demand, shards, layout)
    lists_a_day = demand.users * demand.active * demand.lists
    events_a_day = demand.users * demand.active * demand.events
    growth = lists_a_day * costs.mean("decision_bytes") + events_a_day * costs.mean("event_bytes")
    letters_a_day = (lists_a_day + events_a_day) / shards
    days = costs.mean("log_events") / letters_a_day
    calls = demand.lists_per_s + demand.events_per_s
    return Plan(
        demand=demand,
        items=items,
        by_core=by_core,
        by_people=by_people,
        shards=shards,
        gateways=gateways,
        nodes=math.ceil(max(by_cores, by_memory)),
        shard_use=shard_use(costs, demand, shards, layout),
        gateway_use=calls * costs.seconds("gateway_us") / gateways,
        shard_bytes=shard_bytes,
        state_bytes=demand.users * costs.mean("user_state_bytes"),
        log_bytes=growth * days + shards * mix.in_bytes_per_s * costs.mean("keep_s"),
        log_bytes_per_day=growth,
        log_days=days,
        mix=mix,
        mixer_use=mix.mixer_share(layout),
    )


def _fewest(costs: Costs, demand: Demand, layout: MixLayout, use: float) -> int | None:
    """Return with how few shards none is busier than ``use``, ``None`` if each is with any."""
    # Mixing asks more of each shard the more there are, so the use need not fall for ever.
    work = demand.lists_per_s * list_work_s(costs) + demand.events_per_s * costs.seconds("event_us")
    least = max(1, math.ceil(work / use))
    for shards in range(least, 4 * least + 16):
        if shard_use(costs, demand, shards, layout) <= use:
            return shards
    return None
