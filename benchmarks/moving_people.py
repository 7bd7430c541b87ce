"""How long the people of a partition wait while it moves, and what the others notice.

Two shards on the disk, in one process and without Ray, so that what is measured is packing, writing
and learning. All but a few people belong to one partition; each clicks some times, and a snapshot
lets most of them leave memory. Then the partition moves while the others ask for lists. Afterwards
some of those who moved are held against what they did.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Annotated, Final

import msgspec
import typer

from actors.messages import encode
from actors.settings import ServerSettings, ShardSettings
from actors.shard import Shard
from actors.shard_map import Moving
from benchmarks.figures import Quantiles
from benchmarks.report import JsonOption, SeedOption, check_writable, run, show, write
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Feedback, ItemUpsert
from recsys.partition import partition_of

__all__ = ["Moved", "main", "measure"]

_PARTITIONS: Final = 64
_MOVING: Final = 0
_STAYING: Final = 2
_ITEMS: Final = 1000
_BATCH: Final = 1000
_LOOKED_UP: Final = 1000
_ASK_EVERY_S: Final = 0.005
_START_MS: Final = 1_700_000_000_000


class Moved(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes
    ----------
    total_s
        From the order to the end.
    held_s, paused_s
        So long, of that, nobody of the partition was served, and the old owner learned nothing.
    mib
        That were sent, the remembered ids aside.
    before_ms, meanwhile_ms
        Lists for people of another partition of the old owner.
    wrong
        Of those who were looked up, how many were not as they had left.
    """

    people: int
    events: int
    total_s: float
    held_s: float
    paused_s: float
    parts: int
    mib: float
    before_ms: Quantiles
    meanwhile_ms: Quantiles
    wrong: int


def _people(partition: int) -> Iterator[str]:
    names = (f"p{number}" for number in count())
    return (name for name in names if partition_of(name, _PARTITIONS) == partition)


async def measure(folder: Path, people: int, clicks: int, seed: int) -> Moved:
    """Fill one shard in an empty folder, and move most of it to another."""
    settings = ServerSettings(
        shards=ShardSettings(count=2, partitions=_PARTITIONS, data_dir=folder)
    )
    names = list(islice(_people(_MOVING), people))
    engines = [Engine.open(folder / f"shard-{shard}", settings.engine) for shard in range(2)]
    for engine in engines:
        engine.apply([_item(number) for number in range(_ITEMS)])
    _fill(engines[0], names, clicks, seed)
    old, new = (Shard(shard, settings, engine) for shard, engine in enumerate(engines))
    await old.start()
    await new.start()
    others = list(islice(_people(_STAYING), 100))
    before = await _ask(old, others, asyncio.create_task(asyncio.sleep(1.0)))
    started_s = perf_counter()
    giving = asyncio.create_task(old.mover.give(Moving(_MOVING, old=0, new=1, epoch=1), new.mover))
    meanwhile = await _ask(old, others, giving)
    given = await giving
    total_s = perf_counter() - started_s
    looked_up = Random(seed).sample(names, min(_LOOKED_UP, people))
    views = [engines[1].user(name) for name in looked_up]
    wrong = sum(view is None or view.events != clicks for view in views)
    wrong += sum(engines[0].user(name) is not None for name in looked_up)
    await old.stop()
    await new.stop()
    return Moved(
        people, people * clicks, total_s, given.held_s, given.paused_s, given.parts,
        given.bytes / 2**20, Quantiles.of(before), Quantiles.of(meanwhile), wrong,
    )  # fmt: skip


def _fill(engine: Engine, names: list[str], clicks: int, seed: int) -> None:
    rng = Random(seed)
    waiting = list[Feedback]()
    for place, name in enumerate(name for name in names for _ in range(clicks)):
        waiting.append(
            Feedback(
                event_id=f"click-{place}",
                user_id=name,
                ts_ms=_START_MS + place,
                type="click",
                item_id=f"i{int(_ITEMS * rng.random() ** 3)}",
            )
        )
        if len(waiting) == _BATCH:
            engine.apply(waiting)
            waiting = []
            if place % (10 * _BATCH) < _BATCH:
                engine.snapshot()
    engine.apply(waiting)
    engine.snapshot()


async def _ask(shard: Shard, names: list[str], end: "asyncio.Task[object]") -> list[float]:
    """Ask for lists until a task is done; return the milliseconds of each."""
    spent = list[float]()
    for number in count():
        if end.done():
            return spent
        request = Request(
            user_id=names[number % len(names)],
            ts_ms=_START_MS,
            decision_id=f"d{id(spent)}-{number}",
            n=10,
        )
        due_s = perf_counter() + _ASK_EVERY_S
        await asyncio.sleep(_ASK_EVERY_S)
        await shard.call("recommend", encode(request))
        # Counted from when it was to be sent: what keeps the loop busy keeps people waiting.
        spent.append(1000 * (perf_counter() - due_s))
    raise AssertionError


def _item(number: int) -> ItemUpsert:
    return ItemUpsert(
        event_id=f"put-{number}",
        ts_ms=_START_MS,
        item_id=f"i{number}",
        attributes={"genre": [f"g{number % 20}"]},
    )


def main(
    *,
    people: Annotated[int, typer.Option(min=10, help="Who move.")] = 15_000,
    clicks: Annotated[int, typer.Option(min=1, max=100, help="Of each.")] = 20,
    seed: SeedOption = 1,
    json_file: JsonOption = None,
) -> None:
    """Move a partition and look who waits."""
    check_writable(json_file)
    Engine.warm_up()
    with tempfile.TemporaryDirectory() as name:
        moved = asyncio.run(measure(Path(name), people, clicks, seed))
    show(
        f"{people:,} people with {clicks} clicks each move to another shard",
        {
            "all in all": f"{moved.total_s:.2f} s",
            "people of the partition wait": f"{moved.held_s:.2f} s",
            "the old owner learns nothing": f"{moved.paused_s:.2f} s",
            "sent": f"{moved.parts} parts, {moved.mib:.1f} MiB beside the remembered ids",
            "lists of others before": moved.before_ms.text("ms"),
            "lists of others meanwhile": moved.meanwhile_ms.text("ms"),
            "not as they left": str(moved.wrong),
        },
    )
    write(json_file, "moving_people", {"people": people, "clicks": clicks, "seed": seed}, moved)


if __name__ == "__main__":
    run(main)
