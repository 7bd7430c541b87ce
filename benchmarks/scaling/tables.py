"""The tables of ``docs/capacity.md``, which stand there between marks."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.scaling.capacity import Plan
from benchmarks.scaling.cluster import Outcome
from benchmarks.scaling.constants import Costs
from benchmarks.scaling.held_against import Held
from benchmarks.scaling.years import Years

__all__ = ["against", "constants", "number", "outcomes", "plans", "put", "table", "years_of"]

_GIB = 2.0**30


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number of few digits."""
    if value is None:
        return "-"
    if value == 0.0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{round(value, digits - 1 - len(str(int(abs(value)))) + 1):,.0f}"
    return f"{value:.{digits}g}"


def size(value: float) -> str:
    """Return bytes for people."""
    for unit, factor in (("TiB", 2.0**40), ("GiB", _GIB), ("MiB", 2.0**20), ("KiB", 2.0**10)):
        if value >= factor:
            return f"{number(value / factor)} {unit}"
    return f"{number(value)} B"


def constants(costs: Costs) -> str:
    """Return all constants with where they come from."""
    rows = [
        [f"`{name}`", number(one.mean), one.unit, one.kind, one.source]
        for name, one in sorted(costs.constants.items())
    ]
    return table(["constant", "mean", "unit", "", "from"], rows)


def plans(named: Sequence[tuple[str, Plan]]) -> str:
    """Return what so many people need, a column for each, under the name of its mix."""
    found = [one for _, one in named]
    lines: dict[str, list[str]] = {
        "lists and events a second, at the peak": [
            f"{number(one.demand.lists_per_s)} + {number(one.demand.events_per_s)}" for one in found
        ],
        "shards that the work asks for": [
            f"{one.by_core:,}" if one.by_core else "no number is enough" for one in found
        ],
        "shards that a million people each ask for": [f"{one.by_people:,}" for one in found],
        "**shards**": [f"**{one.shards:,}**" for one in found],
        "of a shard's core, at the peak": [f"{one.shard_use:.0%}" for one in found],
        "of that for mixing": [f"{one.mix.shard_share:.0%}" for one in found],
        "**gateways**": [f"**{one.gateways:,}**" for one in found],
        "**nodes** (16 cores, 64 GiB)": [f"**{one.nodes:,}**" for one in found],
        "memory of a shard": [size(one.shard_bytes) for one in found],
        "memory of all shards": [size(one.shard_bytes * one.shards) for one in found],
        "disk: people": [size(one.state_bytes) for one in found],
        "disk: log a day": [size(one.log_bytes_per_day) for one in found],
        "disk: log at its bound": [size(one.log_bytes) for one in found],
        "the bound is reached after": [f"{number(one.log_days)} days" for one in found],
        "share of lessons that others hear of": [f"{one.mix.share:.2%}" for one in found],
        "mix, into a shard": [f"{size(one.mix.in_bytes_per_s)}/s" for one in found],
        "pieces a shard opens a round": [number(one.mix.pieces_per_round) for one in found],
        "mix, through the busiest mixer": [f"{size(one.mix.mixer_bytes_per_s)}/s" for one in found],
        "of the busiest mixer's core": [f"{one.mixer_use:,.0%}" for one in found],
    }
    header = ["", *(f"{one.demand.users:,.0f} people, {name}" for name, one in named)]
    return table(header, [[name, *cells] for name, cells in lines.items()])


def outcomes(found: Mapping[str, Outcome]) -> str:
    """Return what was simulated, a row for each."""
    rows = [
        [
            name,
            number(one.lists_per_s),
            f"{number(one.list_ms.p50)} / {number(one.list_ms.p99)} / {number(one.list_p999_ms)}",
            f"{number(one.ack_ms.p50)} / {number(one.ack_ms.p99)}",
            f"{one.refused:.2%} / {one.lost:.2%} / {one.others_failed:.2%}",
            f"{one.shard_use:.0%} / {one.gateway_use:.0%} / {one.mixer_use:.0%}",
            f"{number(one.age_s.p50)} / {number(one.age_s.p99)}",
            f"{one.plan.share:.2%}",
            f"{size(one.plan.in_bytes_per_s)} / {size(one.plan.mixer_bytes_per_s)}",
        ]
        for name, one in found.items()
    ]
    header = ["", "lists/s", "a list, ms: p50 / p99 / p99.9", "an event acked, ms: p50 / p99"]
    header += ["lists refused / lost / failed, but for one shard", "busy: shard / gateway / mixer"]
    header += ["others' lessons, s: p50 / p99", "of them heard", "bytes/s: shard / mixer"]
    return table(header, rows)


def against(found: Sequence[Held]) -> str:
    """Return what was measured beside what is simulated."""
    rows = [
        [
            f"{one.measured.clients}",
            number(one.measured.clicks_per_s),
            number(one.measured.lists_per_s),
            number(one.lists_per_s),
            f"{one.ratio:.2f}",
            f"{number(one.measured.p50_ms)} / {number(one.measured.p99_ms)}",
            f"{number(one.list_ms.p50)} / {number(one.list_ms.p99)}",
            number(one.slowed_per_s),
            f"{number(one.slowed_ms.p50)} / {number(one.slowed_ms.p99)}",
        ]
        for one in found
    ]
    header = ["clients", "clicks/s", "lists/s measured", "simulated", "ratio"]
    header += ["ms measured: p50 / p99", "simulated", "lists/s, slowed", "ms, slowed"]
    return table(header, rows)


def years_of(found: Sequence[Years]) -> str:
    """Return what failed, a row for each number of shards."""
    rows = [
        [
            f"{one.shards:,}",
            f"{one.nodes:,}",
            number(one.kills / one.years),
            number(one.node_failures / one.years),
            f"{one.lost:.2e}",
            f"{one.lost_to_nodes:.1%}",
            f"{one.somebody_down:.2%}",
            f"{one.most_down:,}",
        ]
        for one in found
    ]
    header = ["shards", "nodes", "deaths of shards a year", "of nodes", "lists lost"]
    header += ["of these to nodes", "time with a shard down", "down at a time, at most"]
    return table(header, rows)


def put(path: Path, name: str, text: str) -> None:
    """Replace a table of a document.

    Raises
    ------
    ValueError
        When the document has no marks for it.
    """
    document = path.read_text()
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    renewed, count = marks.subn(lambda found: f"{found[1]}{text}\n{found[2]}", document)
    if count != 1:
        message = f"{path} has {count} places for {name}"
        raise ValueError(message)
    path.write_text(renewed)
