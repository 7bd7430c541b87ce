"""``kill -9`` of a shard in the middle of a stream of events, again and again; then the accounts.

Several connections send events, each with an id, those of one person always over the same one and
one batch after the other; what is not acknowledged is sent again with the same ids. Meanwhile a
shard's process is killed, now of one shard and now of another, evenly over the stream and not
before the last one is back. Measured is the time from the kill to the first list for one of that
shard's people, asked for every few hundredths of a second. All the time some other people ask for
lists and click on them, so that the models learn which everybody shares.

In the end all events are acknowledged. They are held against what ``/v1/stats`` and ``/v1/users``
say was learned, before the server ends; against the logs on the disk, once it has ended; and the
logs, folded anew without a crash, must give the very bytes that the shards had learned. The kills
need a server of the benchmark's own.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Annotated, Final

import typer

from actors.settings import ServerSettings, ShardSettings
from benchmarks.audit import Sent, audit
from benchmarks.crowd import fill
from benchmarks.figures import Quantiles, quantile
from benchmarks.rebuild import rebuild
from benchmarks.recovered import Kill, RecoveryResult, rows
from benchmarks.report import JsonOption, SeedOption, check_writable, run, show, write
from benchmarks.sender import Sender
from benchmarks.server import SHARDS, Server, own_server
from benchmarks.streams import recorded, synthetic
from recsys.client import AsyncClient, Client, NewFeedback, Recommended, Retry
from recsys.errors import ApiError, InvalidDataset, Unreachable
from recsys.partition import partition_of
from simulators.replay import learned

__all__ = ["main"]

_ASK_EVERY_S: Final = 0.02
_VISIT_EVERY_S: Final = 0.02
_VISITORS: Final = 50
_ASK_TIMEOUT_S: Final = 2.0
_BACK_S: Final = 60.0
"""A shard that is not back by then never will be."""
_PATIENCE: Final = Retry(attempts=200, first_s=0.05, longest_s=1.0)


async def _kill(server: Server, sender: Sender, shard: int, user_id: str) -> Kill:
    """Kill a shard and wait until it answers."""
    victim = server.shard(shard)
    async with AsyncClient(server.url, retry=Retry(attempts=1), timeout_s=_ASK_TIMEOUT_S) as client:
        await client.recommend(user_id)
        acknowledged = len(sender.acknowledged)
        started_s = perf_counter()
        os.kill(victim.pid, signal.SIGKILL)
        async with asyncio.timeout(_BACK_S):
            await _first_list(client, user_id)
        back_s = perf_counter() - started_s
    if server.shard(shard) == victim:
        message = f"shard {shard} answers from the process that was killed"
        raise RuntimeError(message)
    return Kill(shard, acknowledged, round(back_s, 3))


async def _first_list(client: AsyncClient, user_id: str) -> Recommended:
    while True:
        try:
            return await client.recommend(user_id)
        except (ApiError, Unreachable):
            await asyncio.sleep(_ASK_EVERY_S)


async def _kill_all(
    server: Server, sender: Sender, kills: int, events: Sequence[NewFeedback]
) -> list[Kill]:
    somebody = {_shard_of(event.user_id): event.user_id for event in events}
    done = []
    for number in range(kills):
        await sender.reach((number + 1) * len(events) // (kills + 1))
        shard = number % SHARDS
        done.append(await _kill(server, sender, shard, somebody[shard]))
    return done


async def _visit(url: str, sender: Sender, name: str, end: asyncio.Event) -> None:
    """Ask for lists and click on them until the end, some people in turn."""
    rng = Random(name)
    visits = 0
    async with AsyncClient(url, retry=_PATIENCE) as client:
        while not end.is_set():
            visits += 1
            user_id = f"{name}-{visits % _VISITORS}"
            shown = await client.recommend(user_id)
            click = NewFeedback(
                type="click",
                user_id=user_id,
                item_id=rng.choice(shown.items).item_id,
                event_id=f"{name}-visit-{visits}",
                decision_id=shown.decision_id,
            )
            await sender.deliver([click])
            await asyncio.sleep(_VISIT_EVERY_S)


def _shard_of(user_id: str) -> int:
    return partition_of(user_id, ShardSettings().partitions) % SHARDS


@dataclass
class _Seen:
    """What was seen from outside until the server ended."""

    elapsed_s: float
    kills: list[Kill]
    sender: Sender
    learned: int
    learned_of: dict[str, int]


async def _watch(
    server: Server, events: Sequence[NewFeedback], *, connections: int, batch: int, kills: int
) -> _Seen:
    async with AsyncClient(server.url, retry=_PATIENCE, connections=connections) as client:
        sender, end = Sender(client, events, batch), asyncio.Event()
        started_s = perf_counter()
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(_kill_all(server, sender, kills, events))
            for guest in ("early", "late"):
                group.create_task(_visit(server.url, sender, guest, end))
            await sender.send(connections)
            elapsed_s = perf_counter() - started_s
            await killing
            end.set()
        learned_of = {}
        for user_id in sorted({event.user_id for event in sender.sent}):
            person = await client.user(user_id)
            learned_of[user_id] = 0 if person is None else person.events
        return _Seen(
            elapsed_s=elapsed_s,
            kills=killing.result(),
            sender=sender,
            learned=learned(await client.stats()),
            learned_of=learned_of,
        )


def _result(seen: _Seen, server: Server) -> RecoveryResult:
    """Do the accounts, once the server has ended."""
    sender = seen.sender
    sent = [Sent(event.event_id, event.user_id) for event in sender.sent]
    logs = [
        [Sent(event.event_id, event.user_id) for event in server.feedback(shard)]
        for shard in range(SHARDS)
    ]
    back_s = [kill.back_s for kill in seen.kills]
    return RecoveryResult(
        events=len(sent),
        elapsed_s=round(seen.elapsed_s, 3),
        kills=seen.kills,
        median_s=quantile(back_s, 0.5) if back_s else None,
        worst_s=max(back_s, default=None),
        repeated=sender.repeated,
        ack_ms=Quantiles.of(sender.ack_ms),
        learned=seen.learned,
        notices=[line for line in server.output().splitlines() if " is back" in line],
        audit=audit(sent, sender.acknowledged, logs, seen.learned_of),
        rebuilt=[
            rebuild(server.shard_folder(shard), ServerSettings().engine) for shard in range(SHARDS)
        ],
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
    if status or not result.clean:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
