"""A nemesis on a running server: everything dies but the machine, and the history is checked.

The server is the real one: Ray, Serve, HAProxy. It is used as in ``benchmarks.crash``, and at a
steady pace some people of each shard ask for lists and send events, so that it is known what they
see. Meanwhile ``benchmarks.ordeals`` says what happens next: the gateway, HAProxy, Serve's
controller, all of these at once or the supervisor are killed; a shard is stopped in the middle of
its work for half a minute, while another process tries to get hold of its log; or it may write
nothing any more, as if its quota were reached. Each has its own terms, and a measured outage.

In the end ``benchmarks.books`` does the accounts and ``benchmarks.history`` looks at owners and
propensities. The last line is JSON; the exit status is 1 unless nothing is wrong.
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from time import perf_counter
from typing import Annotated, Final

import httpx2
import msgspec
import typer

from benchmarks.books import close_books
from benchmarks.crowd import fill
from benchmarks.haunted import Haunted, Outcome
from benchmarks.history import History, Sighting, lock_holders
from benchmarks.ordeals import KINDS, Ordeal, plan
from benchmarks.people import shard_of
from benchmarks.probes import Probe
from benchmarks.report import JsonOption, SeedOption, check_writable, run
from benchmarks.report import write as write_document
from benchmarks.sender import Sender
from benchmarks.server import SHARDS, own_server
from benchmarks.streams import synthetic
from benchmarks.torment import Suffered, Target, Tormentor
from benchmarks.usage import use
from recsys.client import AsyncClient, Client
from recsys.events import Decision
from recsys.settings import EngineSettings
from recsys.store.sqlite import SqliteStore

__all__ = ["decisions", "haunt", "main"]

_ENGINE: Final = {"store": {"snapshot_every_s": 2.0}}
_TAG: Final = "haunted-"
_LOOK_EVERY_S: Final = 0.5
_STATS_S: Final = 8.0


async def haunt(
    server: Target,
    ordeals: Iterable[Ordeal],
    items: Sequence[str],
    seed: int,
    history: History,
    *,
    after_s: float = 2.0,
) -> Haunted:
    """Do as planned to a server that people use.

    Parameters
    ----------
    items
        Ids, all in the catalogue.
    history
        Takes what is seen.
    after_s
        As ``benchmarks.torment.Tormentor``.
    """

    async def torment(sender: Sender, somebody: Sequence[str]) -> list[Suffered]:
        probes = [
            Probe(shard, server.url, _pair(shard), items, sender, history.see_list)
            for shard in range(SHARDS)
        ]
        end = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for probe in probes:
                group.create_task(probe.run(end))
            group.create_task(_look(server, history, end))
            tormentor = Tormentor(server, probes, after_s)
            done = [await _one(tormentor, ordeal) for ordeal in ordeals]
            await tormentor.well(probes, perf_counter())
            end.set()
        return done

    return await use(server.url, items, seed, torment, tag=_TAG, seen=history.see_list)


def _pair(shard: int) -> tuple[str, str]:
    """Return two people of a shard whom nobody else plays."""
    names = (f"witness-{number}" for number in count())
    mine = (name for name in names if shard_of(name) == shard)
    return next(mine), next(mine)


async def _one(tormentor: Tormentor, ordeal: Ordeal) -> Suffered:
    suffered = await tormentor.put_through(ordeal)
    print(
        f"{ordeal.name}: {suffered.outage_s:.1f} s without a list, {suffered.silence_s:.1f} s "
        f"without an ack; {suffered.refusals or 'nothing refused'}"
        f"{''.join(f'; BROKEN: {text}' for text in suffered.broken)}",
        file=sys.stderr,
        flush=True,
    )
    return suffered


class _Shard(msgspec.Struct):
    shard: int
    epoch: int
    started_ms: int


class _Stats(msgspec.Struct):
    shards: list[_Shard]


async def _look(server: Target, history: History, end: asyncio.Event) -> None:
    """Note who owns the shards, and who could write their logs, until the end."""
    async with httpx2.AsyncClient(base_url=server.url, timeout=_STATS_S) as http:
        while not end.is_set():
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                answer = await http.get("/v1/stats")
                stats = msgspec.json.decode(answer.content, type=_Stats)
            except (httpx2.TransportError, msgspec.DecodeError):
                continue  # a front that was killed; the probes have noted it
            for one in stats.shards:
                writers = lock_holders(server.shard_folder(one.shard) / "log.sqlite")
                history.sightings.append(Sighting(one.shard, one.epoch, one.started_ms, writers))


def _until(ordeals: Iterator[Ordeal], minutes: float) -> Iterator[Ordeal]:
    """Yield each kind once, and go on until the time is over."""
    started_s = perf_counter()
    for number, ordeal in enumerate(ordeals):
        if number >= len(KINDS) and perf_counter() - started_s > minutes * 60.0:
            return
        yield ordeal


def decisions(folder: Path) -> Iterator[Decision]:
    """Yield the lists in a shard's log."""
    with closing(SqliteStore(folder / "log.sqlite")) as store:
        for _, event in store.read(after=0):
            if isinstance(event, Decision):
                yield event


async def _ready(url: str) -> bool:
    async with AsyncClient(url) as client:
        return await client.ready()


def main(
    *,
    minutes: Annotated[
        float, typer.Option(min=0.0, help="How long, at the least; each kind once.")
    ] = 5.0,
    pause_s: Annotated[float, typer.Option(min=0.1, help="How long a shard is stopped.")] = 30.0,
    quota_s: Annotated[float, typer.Option(min=0.1, help="How long it cannot write.")] = 15.0,
    seed: SeedOption = 1,
    json_file: JsonOption = None,
) -> None:
    """Kill and stop the parts of a server, and check the history."""
    check_writable(json_file)
    items = synthetic(1, seed).items
    history = History()
    with own_server(_ENGINE) as server:
        with Client(server.url) as client:
            fill(client, items)
        ordeals = _until(plan(seed, pause_s, quota_s), minutes)
        names = [item.item_id for item in items]
        try:
            done = asyncio.run(haunt(server, ordeals, names, seed, history))
        except BaseExceptionGroup:
            print(f"the server said:\n{server.output()}", file=sys.stderr)
            raise
        resumed = asyncio.run(_ready(server.url))
        status = server.stop()
        folders = [server.shard_folder(shard) for shard in range(SHARDS)]
        books = close_books(
            done.sender, done.heard, folders, EngineSettings.model_validate(_ENGINE)
        )
        findings = history.check(chain.from_iterable(map(decisions, folders)))
        said = server.output()
    outcome = Outcome.of(done, books, findings, resumed=resumed, status=status)
    write_document(
        json_file, "nemesis",
        {"minutes": minutes, "pause_s": pause_s, "quota_s": quota_s, "seed": seed},
        {"outcome": outcome, "suffered": done.outcome, "books": books},
    )  # fmt: skip
    print(f"the server said:\n{said}", file=sys.stderr)
    print(msgspec.json.encode(outcome).decode(), flush=True)
    if not outcome.passed:
        different = [shard.different[:10] for shard in books.rebuilt]
        print(f"the accounts: {books.audit}, different: {different}", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
