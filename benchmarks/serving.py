"""Latency and throughput of lists, with and without clicks that are learned meanwhile.

A closed loop (``benchmarks.load``) of 1, 16 and 64 clients asks for lists of ten items for many
people, on the default settings with all of their exploring and learning; then the same beside 200
clicks a second, each a request of its own. The clients share the machine with the server: how much
of a processor they took is printed, for what they take the server has not.
"""

import asyncio
from collections.abc import Sequence
from time import perf_counter, process_time
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.crowd import fill, items_of, warm_up
from benchmarks.figures import Quantiles
from benchmarks.load import Load
from benchmarks.report import JsonOption, SeedOption, UrlOption, check_writable, run, write
from benchmarks.server import server_at
from benchmarks.wire import Wire
from recsys.client import Client, ServerStats
from recsys.client.calls import STATS
from simulators.worlds import World, WorldSettings

__all__ = ["Phase", "main"]

_CLIENTS: Final = (1, 16, 64)
_PEOPLE: Final = 2000
_CLICKS: Final = 500
_WARMING_S: Final = 2.0
_SETTLE_S: Final = 30.0


class Phase(msgspec.Struct, frozen=True):
    """One load.

    Attributes
    ----------
    clients
        In the closed loop.
    events_per_s
        Clicks that were due.
    answers_per_s, acks_per_s
        What came back.
    fresh_p50_ms, fresh_p99_ms
        From the receipt of a click until it is learned: the slowest shard's own figures over its
        last thousand events, ``None`` without clicks.
    client_share
        Of one processor, taken by the clients.
    """

    clients: int
    events_per_s: float
    answers_per_s: float
    answer_ms: Quantiles
    acks_per_s: float
    ack_ms: Quantiles
    fresh_p50_ms: float | None
    fresh_p99_ms: float | None
    client_share: float
    errors: dict[str, int]


async def _phase(
    wire: Wire, load: Load, clients: int, events_per_s: float, counted_s: float
) -> Phase:
    started_s, used_s = perf_counter(), process_time()
    measured = await load.run(
        clients=clients, events_per_s=events_per_s, warming_s=_WARMING_S, counted_s=counted_s
    )
    share = (process_time() - used_s) / (perf_counter() - started_s)
    stats = await _settled(wire)
    shards = stats.shards if events_per_s else ()
    return Phase(
        clients=clients,
        events_per_s=events_per_s,
        answers_per_s=round(len(measured.answers_ms) / counted_s, 1),
        answer_ms=Quantiles.of(measured.answers_ms),
        acks_per_s=round(len(measured.acks_ms) / counted_s, 1),
        ack_ms=Quantiles.of(measured.acks_ms),
        fresh_p50_ms=max((shard.freshness_p50_ms or 0.0 for shard in shards), default=None),
        fresh_p99_ms=max((shard.freshness_p99_ms or 0.0 for shard in shards), default=None),
        client_share=round(share, 3),
        errors=dict(measured.errors),
    )


async def _settled(wire: Wire) -> ServerStats:
    """Return the statistics once nothing waits to be written any more."""
    last_s = perf_counter() + _SETTLE_S
    while True:
        stats = await wire.do(STATS)
        if not any(shard.queue for shard in stats.shards) or perf_counter() > last_s:
            return stats
        await asyncio.sleep(0.1)


async def _all(url: str, world: World, rates: Sequence[float], counted_s: float) -> list[Phase]:
    people = [f"viewer-{number}" for number in range(_PEOPLE)]
    load = Load(url, people, world.catalogue.ids, world.settings.seed)
    async with Wire(url) as wire:
        return [
            await _phase(wire, load, clients, rate, counted_s)
            for rate in rates
            for clients in _CLIENTS
        ]


def _table(phases: Sequence[Phase], counted_s: float) -> Table:
    table = Table(title=f"Lists in a closed loop, {counted_s:g} s each", title_justify="left")
    for name in ("clients", "lists/s", "list", "clicks/s", "acked", "learned", "CPU", "errors"):
        table.add_column(name, justify="right", no_wrap=name != "errors")
    for phase in phases:
        table.add_row(
            str(phase.clients),
            f"{phase.answers_per_s:.0f}",
            _pair(phase.answer_ms.p50, phase.answer_ms.p99),
            f"{phase.acks_per_s:.0f}",
            _pair(phase.ack_ms.p50, phase.ack_ms.p99),
            _pair(phase.fresh_p50_ms, phase.fresh_p99_ms),
            f"{phase.client_share:.0%}",
            ", ".join(f"{count} {name}" for name, count in phase.errors.items()) or "0",
        )
    return table


def _pair(p50: float | None, p99: float | None) -> str:
    return "" if p50 is None or p99 is None else f"{_short(p50)}/{_short(p99)}"


def _short(value_ms: float) -> str:
    return f"{value_ms:.1f}" if value_ms < 10.0 else f"{value_ms:.0f}"


def main(
    *,
    url: UrlOption = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="That count, per load.")] = 10.0,
    rate: Annotated[
        float, typer.Option(min=0.0, help="Clicks per second in the background.")
    ] = 200.0,
    items: Annotated[int, typer.Option(min=30, help="Items of the catalogue.")] = 1000,
    seed: SeedOption = 1,
    json_file: JsonOption = None,
) -> None:
    """Measure latency and throughput of recommendations."""
    check_writable(json_file)
    world = World(WorldSettings(seed=seed, n_items=items))
    with server_at(url, {}) as address:
        with Client(address) as client:
            fill(client, items_of(world.catalogue))
            warm_up(client, world, _CLICKS)
        rates = (0.0, rate) if rate else (0.0,)
        phases = asyncio.run(_all(address, world, rates, seconds))
    console = Console()
    console.print(_table(phases, seconds))
    console.print(
        "times are p50/p99 in ms; CPU is the share of one processor that the clients took"
    )
    parameters = {"seconds": seconds, "rate": rate, "items": items, "seed": seed}
    write(json_file, "serving", parameters, phases)
    if any(phase.errors for phase in phases):
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
