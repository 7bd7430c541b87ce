"""How many events a second a server acknowledges, each on the disk and learned before its ack.

One server, two shards, all default settings; requests of 1, 100 and 1,000 events from several
connections, a fresh part of one stream for each size, a second time so that nothing is warmed up
by what is measured. Whatever is acknowledged has been flushed to the disk.
"""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Annotated, Final

import msgspec
import typer

from benchmarks.crowd import fill
from benchmarks.figures import Quantiles
from benchmarks.quality.seeds import parse_seeds
from benchmarks.report import JsonOption, SeedOption, UrlOption, check_writable, run, show, write
from benchmarks.sender import Sender
from benchmarks.server import server_at
from benchmarks.streams import synthetic
from recsys.client import AsyncClient, Client, NewFeedback

__all__ = ["Acked", "main", "measure"]

_WARM_UP: Final = 500


class Acked(msgspec.Struct, frozen=True):
    """One size of requests.

    Attributes
    ----------
    batch
        Events per request.
    per_second
        Events acknowledged.
    ack_ms
        Per request.
    """

    batch: int
    events: int
    per_second: float
    ack_ms: Quantiles


async def measure(url: str, events: Sequence[NewFeedback], batch: int, connections: int) -> Acked:
    """Send events and wait for all acknowledgements.

    Raises
    ------
    RuntimeError
        When not all were acknowledged, or one of them twice.
    """
    async with AsyncClient(url, connections=connections) as client:
        sender = Sender(client, events, batch)
        started_s = perf_counter()
        await sender.send(connections)
        elapsed_s = perf_counter() - started_s
    if len(sender.acknowledged) != len(events) or sender.repeated:
        message = f"{len(sender.acknowledged)} of {len(events)}, {sender.repeated} repeated"
        raise RuntimeError(message)
    return Acked(batch, len(events), round(len(events) / elapsed_s, 1), Quantiles.of(sender.ack_ms))


def main(
    *,
    batches: Annotated[str, typer.Option(help="Events per request, comma between them.")] = (
        "1,100,1000"
    ),
    events: Annotated[int, typer.Option(min=1000, help="Per size; 1: a tenth.")] = 20_000,
    connections: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 8,
    seed: SeedOption = 1,
    url: UrlOption = None,
    json_file: JsonOption = None,
) -> None:
    """Measure acknowledged events per second by the size of requests."""
    check_writable(json_file)
    sizes = parse_seeds(batches, "--batches")
    parts = [events // 10 if size == 1 else events for size in sizes]
    items, stream = synthetic(_WARM_UP + sum(parts), seed)
    found = list[Acked]()
    with server_at(url, {}) as address:
        with Client(address) as client:
            fill(client, items)
        asyncio.run(measure(address, stream[:_WARM_UP], 100, connections))
        begin = _WARM_UP
        for size, part in zip(sizes, parts, strict=True):
            some = stream[begin : begin + part]
            found.append(asyncio.run(measure(address, some, size, connections)))
            begin += part
    show(
        "Acknowledged, on the disk and learned",
        {
            f"{one.batch:,} per request": f"{one.per_second:,.0f} events/s; "
            f"an acknowledgement: {one.ack_ms.text('ms')}"
            for one in found
        },
    )
    parameters = {"connections": connections, "seed": seed, "url": url}
    write(json_file, "acks", parameters, found)


if __name__ == "__main__":
    run(main)
