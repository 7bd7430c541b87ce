"""Simulates clusters of 10, 100 and 1,000 shards, and works out what so many people need.

Each shard has a million people unless ``--people-per-shard`` says otherwise, in the busiest hour of
the day. For each size: as planned; a mixer that is dead, a shard that dies, a shard that is slow;
ever more load until something is full; mixing in ways that are not built; and years of failures.
All of it is drawn from ``--seed`` and the constants (``benchmarks.scaling.constants``).
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console

from benchmarks.quality.seeds import parse_seeds
from benchmarks.report import JsonOption, SeedOption, check_writable, run, write
from benchmarks.scaling import tables
from benchmarks.scaling.capacity import Node, Plan, plan
from benchmarks.scaling.cluster import Cluster, Outcome, Plant, gateways_for
from benchmarks.scaling.constants import Costs
from benchmarks.scaling.demand import Demand
from benchmarks.scaling.held_against import Held, held
from benchmarks.scaling.mix_plan import MixLayout, largest
from benchmarks.scaling.ramp import Step, full_at, ramp
from benchmarks.scaling.years import Years, live

__all__ = ["LAYOUTS", "PEOPLE", "Size", "documents", "find", "main", "planned", "simulate"]

_TREE: Final = "a tree of mixers (not built)"
LAYOUTS: Final = {
    "one mixer, as built": MixLayout(),
    "a round every 4 s": MixLayout(every_s=4.0),
    "500 lessons/s": MixLayout(per_s=500.0),
    _TREE: MixLayout(groups=0),
}
PEOPLE: Final = (1e6, 1e8, 1e9)
_USE: Final = 0.6
_SLOW: Final = 20.0
_YEARS: Final = 10.0
_RAMP_SAMPLE: Final = 6


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one number of shards.

    Attributes
    ----------
    full_at
        At how many times the load each is full, see ``benchmarks.scaling.ramp.full_at``.
    mixes
        By the name of a layout.
    troubled
        With a dead mixer, a dead shard or a slow one; the shard is one of those simulated.
    """

    shards: int
    gateways: int
    planned: Outcome
    ramp: list[Step]
    full_at: dict[str, float | None]
    mixes: dict[str, Outcome]
    troubled: dict[str, Outcome]
    years: Years


def simulate(costs: Costs, shards: int, people: float, seconds: float, seed: int) -> Size:
    """Simulate one size."""
    demand = Demand(users=people * shards)
    plant = Plant(shards=shards, gateways=gateways_for(costs, demand, _USE))
    planned = Cluster(costs, demand, plant, seed).run(seconds)
    troubles: dict[str, Callable[[Cluster], None]] = {
        "the mixer dead for 10 s": _mixer_dies,
        "a shard dies": lambda one: _shard_dies(one, costs.mean("recovery_s")),
        f"a shard {_SLOW:g} times as slow": _shard_slow,
    }
    troubled = dict[str, Outcome]()
    for name, trouble in troubles.items():
        cluster = Cluster(costs, demand, plant, seed)
        trouble(cluster)
        troubled[name] = cluster.run(seconds)
    mixes = dict[str, Outcome]()
    for name, layout in LAYOUTS.items():
        mixed = msgspec.structs.replace(plant, mix=layout)
        mixes[name] = Cluster(costs, demand, mixed, seed).run(seconds)
    small = msgspec.structs.replace(plant, sample=min(_RAMP_SAMPLE, plant.sample))
    steps = ramp(costs, demand, small, seed=seed, seconds=seconds / 2)
    node = Node()
    nodes = -(-(shards + plant.gateways) // (node.cores - node.kept_cores))
    return Size(
        shards=shards,
        gateways=plant.gateways,
        planned=planned,
        ramp=steps,
        full_at={
            name: factor if math.isfinite(factor) else None
            for name, factor in full_at(costs, demand, plant).items()
        },
        mixes=mixes,
        troubled=troubled,
        years=live(costs, shards, nodes, _YEARS, seed),
    )


def _mixer_dies(cluster: Cluster) -> None:
    cluster.timeline.after(5.0, cluster.mix.die)
    cluster.timeline.after(15.0, cluster.mix.rise)


def _shard_dies(cluster: Cluster, recovery_s: float) -> None:
    cluster.timeline.after(5.0, cluster.shards[0].die)
    cluster.timeline.after(5.0 + recovery_s, cluster.shards[0].rise)


def _shard_slow(cluster: Cluster) -> None:
    cluster.shards[0].core.slowness = _SLOW


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Everything.

    Attributes
    ----------
    mixer_full_at
        By layout: with so many shards the busiest mixer is just not full.
    """

    sizes: list[Size]
    plans: list[tuple[str, Plan]]
    held: list[Held]
    mixer_full_at: dict[str, int]


def find(costs: Costs, sizes: Sequence[int], people: float, seconds: float, seed: int) -> Result:
    """Simulate and work out everything."""
    return Result(
        sizes=[simulate(costs, shards, people, seconds, seed) for shards in sizes],
        plans=planned(costs),
        held=held(costs, seconds, seed),
        mixer_full_at={
            name: largest(costs, Demand(users=people), layout) for name, layout in LAYOUTS.items()
        },
    )


def planned(costs: Costs) -> list[tuple[str, Plan]]:
    """Return what is needed, with the mixer that there is, and with one that is not built."""
    built, tree = "one mixer", _TREE
    found = [(built, plan(costs, Demand(users=users))) for users in PEOPLE]
    most = Demand(users=PEOPLE[-1])
    return [*found, (tree, plan(costs, most, layout=LAYOUTS[_TREE]))]


def documents(costs: Costs, result: Result) -> dict[str, str]:
    """Return the tables, by their names in ``docs/capacity.md``."""
    usual, mixed, troubled, grown = (dict[str, Outcome]() for _ in range(4))
    for size in result.sizes:
        begin = f"{size.shards:,} shards"
        usual[begin] = size.planned
        mixed |= {f"{begin}: {name}": one for name, one in size.mixes.items()}
        troubled |= {f"{begin}: {name}": one for name, one in size.troubled.items()}
        grown |= {f"{begin}: {step.factor:g} x": step.outcome for step in size.ramp}
    full = [[name, f"{shards:,}"] for name, shards in result.mixer_full_at.items()]
    first = [
        [
            f"{size.shards:,}",
            ", then ".join(
                f"{name} ({'whatever the load' if factor == 0.0 else f'at {factor:.2g} times'})"
                for name, factor in size.full_at.items()
                if factor is not None
            ),
        ]
        for size in result.sizes
    ]
    return {
        "constants": tables.constants(costs),
        "plans": tables.plans(result.plans),
        "planned": tables.outcomes(usual),
        "mixed": tables.outcomes(mixed),
        "troubled": tables.outcomes(troubled),
        "grown": tables.outcomes(grown),
        "first": tables.table(["shards", "full first"], first),
        "full": tables.table(["mix", "shards of which the busiest mixer is just not full"], full),
        "years": tables.years_of([size.years for size in result.sizes]),
        "held": tables.against(result.held),
    }


def main(
    *,
    shards: Annotated[str, typer.Option(help="Sizes, comma between them.")] = "10,100,1000",
    people_per_shard: Annotated[float, typer.Option(min=1.0, help="In the busiest hour.")] = 1e6,
    seconds: Annotated[float, typer.Option(min=2.0, help="That count, of each.")] = 20.0,
    docs: Annotated[Path | None, typer.Option(help="Put the tables into this document.")] = None,
    seed: SeedOption = 1,
    json_file: JsonOption = None,
) -> None:
    """Simulate clusters of shards."""
    check_writable(json_file)
    costs = Costs.read()
    sizes = parse_seeds(shards, "--shards")
    result = find(costs, sizes, people_per_shard, seconds, seed)
    for name, text in documents(costs, result).items():
        if docs is None:
            Console().print(f"\n{name}\n{text}", soft_wrap=True, markup=False, highlight=False)
        else:
            tables.put(docs, name, text)
    parameters = {
        "shards": shards,
        "people_per_shard": people_per_shard,
        "seconds": seconds,
        "seed": seed,
    }
    write(json_file, "scale_sim", parameters, result)


if __name__ == "__main__":
    run(main)
