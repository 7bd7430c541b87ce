"""``kill -9`` of shards, hundreds of times, in the narrowest places as well as at random.

The server is the real one: Ray, Serve, HAProxy. Some people send what they do without a pause, each
event with an id and again until it is acknowledged; others ask for lists and click on them.
Partitions move to and fro between the shards all the time.
Meanwhile ``benchmarks.strikes`` says which shard dies next, at which point of a commit, a snapshot
or a recovery or when, whether both die at once, and whether the next process dies, too. Measured is
the time from a shard's last death to the first list for one of its people. In the end
``benchmarks.books`` does the accounts.

The last line is JSON; the exit status is 1 unless everything that was acknowledged is there once,
and the state is, byte by byte, the one without a kill.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Self

import msgspec
import typer

from benchmarks.books import Books, Heard, close_books
from benchmarks.crowd import fill
from benchmarks.figures import quantile
from benchmarks.mover import Moves, movable, moving
from benchmarks.report import JsonOption, SeedOption, check_writable, run
from benchmarks.report import write as write_document
from benchmarks.sender import Sender
from benchmarks.server import SHARDS, own_server
from benchmarks.streams import synthetic
from benchmarks.striker import Blow, Striker, Victims
from benchmarks.strikes import Strike, plan
from benchmarks.usage import use
from recsys.client import Client
from recsys.killpoints import VARIABLE
from recsys.settings import EngineSettings

__all__ = ["Hurt", "Outcome", "hurt", "main"]

_ENGINE: Final = {"store": {"snapshot_every_s": 2.0}}
"""Twice as many snapshots as usual, so that fewer seconds are spent on waiting for one."""
_BETWEEN: Final = 40
"""Events that are acknowledged between two strikes."""
_NAMED: Final = 10
"""Parts and people of a shard that are named when they differ."""


@dataclass(frozen=True)
class Hurt:
    """What was done to a server while it was used, until all was acknowledged."""

    moves: Moves
    blows: list[Blow]
    sender: Sender
    heard: Heard
    seconds: float


class Outcome(msgspec.Struct, frozen=True):
    """The last line.

    Attributes
    ----------
    acked
        Events whose senders were told that they are safe.
    lost, doubled, bytes_equal
        As ``benchmarks.books.Books``.
    recovery_p50_s, recovery_max_s
        From a shard's last death to the first list for one of its people.
    outage_max_s
        The longest that a shard's people were without lists, from the first of its deaths.
    points
        Deaths by place.
    moved
        Partitions that came to the other shard meanwhile.
    held_max_s
        The longest that a partition's people were served by nobody for a move without a fault.
    repeated
        Acknowledgements that said ``duplicate``: the first one was lost with its process.
    clean
        Whether nothing at all is wrong, the order of each person's events included.
    status
        The server's, at its end.
    minutes
        From the first kill to the last recovery.
    """

    kills: int
    acked: int
    lost: int
    doubled: int
    bytes_equal: bool
    recovery_p50_s: float | None
    recovery_max_s: float | None
    outage_max_s: float | None
    points: dict[str, int]
    moved: int
    held_max_s: float | None
    repeated: int
    clean: bool
    status: int
    minutes: float

    @property
    def passed(self) -> bool:
        """Whether the proof holds."""
        return self.clean and self.status == 0

    @classmethod
    def of(cls, done: Hurt, books: Books, status: int) -> Self:
        """Sum up."""
        points = Counter(point for blow in done.blows for point in blow.points)
        times = [blow.recovery_s for blow in done.blows]
        return cls(
            kills=points.total(),
            acked=books.audit.acknowledged,
            lost=books.lost,
            doubled=books.doubled,
            bytes_equal=books.bytes_equal,
            recovery_p50_s=quantile(times, 0.5) if times else None,
            recovery_max_s=max(times, default=None),
            outage_max_s=max((blow.outage_s for blow in done.blows), default=None),
            points=dict(sorted(points.items())),
            moved=done.moves.moved,
            held_max_s=done.moves.held_max_s,
            repeated=done.sender.repeated,
            clean=books.clean,
            status=status,
            minutes=round(done.seconds / 60.0, 1),
        )


async def _strike_all(
    server: Victims, sender: Sender, strikes: Sequence[Strike], somebody: Sequence[str]
) -> list[Blow]:
    """Do as planned; what did not come to its point is done again in the end."""
    striker = Striker(server, somebody)
    blows: list[Blow] = []
    todo = list(strikes)
    while todo:
        strike = todo.pop(0)
        await sender.reach(len(sender.acknowledged) + _BETWEEN)
        struck = await striker.strike(strike)
        blows += struck
        if strike.point is not None and strike.point not in struck[0].points:
            todo.append(strike)
        _tell(blows, strike, struck)
    return blows


def _tell(blows: Sequence[Blow], strike: Strike, struck: Sequence[Blow]) -> None:
    dead = sum(len(blow.points) for blow in blows)
    where = ", ".join(f"shard {one.shard} back after {one.recovery_s:.1f} s" for one in struck)
    print(f"kill {dead}, {strike.name}: {where}", file=sys.stderr, flush=True)


async def hurt(server: Victims, strikes: Sequence[Strike], items: Sequence[str], seed: int) -> Hurt:
    """Do as planned to a server that people use.

    Parameters
    ----------
    items
        Ids, all in the catalogue.
    """
    data_dir = server.shard_folder(0).parent
    came = list[Moves]()

    async def strike_all(sender: Sender, somebody: Sequence[str]) -> list[Blow]:
        # Those by whom a recovery is seen stay with their shard.
        with moving(data_dir, movable(data_dir, somebody), seed) as moves:
            blows = await _strike_all(server, sender, strikes, somebody)
        came.extend(moves)
        return blows

    used = await use(server.url, items, seed, strike_all)
    return Hurt(came[0], used.outcome, used.sender, used.heard, used.seconds)


def main(
    *,
    kills: Annotated[int, typer.Option(min=1, help="How many processes die, at the least.")] = 200,
    seed: SeedOption = 1,
    json_file: JsonOption = None,
) -> None:
    """Kill shards at named points and at random, and do the accounts."""
    check_writable(json_file)
    items = synthetic(1, seed).items
    with own_server(_ENGINE, {VARIABLE: "1"}) as server:
        with Client(server.url) as client:
            fill(client, items)
        strikes, names = plan(kills, seed), [item.item_id for item in items]
        try:
            done = asyncio.run(hurt(server, strikes, names, seed))
        except BaseExceptionGroup:
            print(f"the server said:\n{server.output()}", file=sys.stderr)
            raise
        status = server.stop()
        folders = [server.shard_folder(shard) for shard in range(SHARDS)]
        settings = EngineSettings.model_validate(_ENGINE)
        books = close_books(done.sender, done.heard, folders, settings)
    outcome = Outcome.of(done, books, status)
    write_document(
        json_file, "crash", {"kills": kills, "seed": seed},
        {"outcome": outcome, "blows": done.blows, "books": books},
    )  # fmt: skip
    print(msgspec.json.encode(outcome).decode(), flush=True)
    if not outcome.passed:
        different = [shard.different[:_NAMED] for shard in books.rebuilt]
        print(f"the accounts: {books.audit}, different: {different}", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
