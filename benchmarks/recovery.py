"""``kill -9`` of a shard in the middle of a stream of events, again and again; then the accounts.

Several connections send events, each with an id, those of one person always over the same one and
one batch after the other; what is not acknowledged is sent again with the same ids. Meanwhile a
shard's process is killed, now of one shard and now of another, evenly over the stream and not
before the last one is back. Measured is the time from the kill to the first list for one of that
shard's people, asked for every few hundredths of a second. All the time some other people ask for
lists and click on them, so that the models learn which everybody shares.

In the end ``benchmarks.books`` does the accounts. The kills need a server of the benchmark's own.
``benchmarks.crash`` kills longer, and in narrower places.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Final

import typer

from benchmarks.books import Heard, close_books, hear
from benchmarks.crowd import fill
from benchmarks.figures import Quantiles, quantile
from benchmarks.people import PATIENCE, first_list, shard_of, visit
from benchmarks.recovered import Kill, RecoveryResult, rows
from benchmarks.report import JsonOption, SeedOption, check_writable, run, show, write
from benchmarks.sender import Sender
from benchmarks.server import SHARDS, Server, own_server
from benchmarks.streams import recorded, synthetic
from recsys.client import AsyncClient, Client, NewFeedback
from recsys.errors import InvalidDataset
from recsys.settings import EngineSettings

__all__ = ["main"]

_BACK_S: Final = 60.0
"""A shard that is not back by then never will be."""


async def _kill(server: Server, sender: Sender, shard: int, user_id: str) -> Kill:
    """Kill a shard and wait until it answers."""
    victim = server.shard(shard)
    await first_list(server.url, user_id)
    acknowledged = len(sender.acknowledged)
    started_s = perf_counter()
    os.kill(victim.pid, signal.SIGKILL)
    async with asyncio.timeout(_BACK_S):
        await first_list(server.url, user_id)
    back_s = perf_counter() - started_s
    if server.shard(shard) == victim:
        message = f"shard {shard} answers from the process that was killed"
        raise RuntimeError(message)
    return Kill(shard, acknowledged, round(back_s, 3))


async def _kill_all(
    server: Server, sender: Sender, kills: int, events: Sequence[NewFeedback]
) -> list[Kill]:
    somebody = {shard_of(event.user_id): event.user_id for event in events}
    done = []
    for number in range(kills):
        await sender.reach((number + 1) * len(events) // (kills + 1))
        shard = number % SHARDS
        done.append(await _kill(server, sender, shard, somebody[shard]))
    return done


@dataclass
class _Seen:
    """What was seen from outside until the server ended."""

    elapsed_s: float
    kills: list[Kill]
    sender: Sender
    heard: Heard


async def _watch(
    server: Server, events: Sequence[NewFeedback], *, connections: int, batch: int, kills: int
) -> _Seen:
    async with AsyncClient(server.url, retry=PATIENCE, connections=connections) as client:
        sender, end = Sender(client, events, batch), asyncio.Event()
        started_s = perf_counter()
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(_kill_all(server, sender, kills, events))
            for guest in ("early", "late"):
                group.create_task(visit(server.url, sender, guest, end))
            await sender.send(connections)
            elapsed_s = perf_counter() - started_s
            await killing
            end.set()
        return _Seen(
            elapsed_s=elapsed_s,
            kills=killing.result(),
            sender=sender,
            heard=await hear(client, [event.user_id for event in sender.sent]),
        )


def _result(seen: _Seen, server: Server) -> RecoveryResult:
    """Do the accounts, once the server has ended."""
    sender = seen.sender
    back_s = [kill.back_s for kill in seen.kills]
    return RecoveryResult(
        events=len(sender.sent),
        elapsed_s=round(seen.elapsed_s, 3),
        kills=seen.kills,
        median_s=quantile(back_s, 0.5) if back_s else None,
        worst_s=max(back_s, default=None),
        repeated=sender.repeated,
        ack_ms=Quantiles.of(sender.ack_ms),
        notices=[line for line in server.output().splitlines() if " is back" in line],
        books=close_books(
            sender,
            seen.heard,
            [server.shard_folder(shard) for shard in range(SHARDS)],
            EngineSettings(),
        ),
    )


def main(
    *,
    data: Annotated[
        Path | None, typer.Option(exists=True, help="MovieLens folder or CSV, not synthetic.")
    ] = None,
    events: Annotated[int, typer.Option(min=100, help="Events, of the data the oldest.")] = 20_000,
    kills: Annotated[int, typer.Option(min=0, help="How often a shard is killed.")] = 3,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Events per request.")] = 20,
    connections: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 4,
    seed: SeedOption = 1,
    json_file: JsonOption = None,
) -> None:
    """Kill shards during a stream of events, and do the accounts."""
    check_writable(json_file)
    try:
        items, stream = synthetic(events, seed) if data is None else recorded(data, events)
    except InvalidDataset as error:
        raise typer.BadParameter(str(error)) from None
    with own_server({}) as server:
        with Client(server.url) as client:
            fill(client, items)
        seen = asyncio.run(
            _watch(server, stream, connections=connections, batch=batch, kills=kills)
        )
        status = server.stop()
        result = _result(seen, server)
    show(f"{kills} times kill -9 of a shard", rows(result))
    parameters = {
        "data": "synthetic" if data is None else data.name,
        "events": events, "kills": kills, "batch": batch, "connections": connections, "seed": seed,
    }  # fmt: skip
    write(json_file, "recovery", parameters, result)
    if status or not result.books.clean:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
