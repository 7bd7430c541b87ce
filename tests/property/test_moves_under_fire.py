"""Partitions move and shards die while people use them: nothing is lost, doubled or left behind."""

import asyncio
import os
import random
from pathlib import Path
from typing import Final

import pytest

from actors.errors import MoveFailed, RuntimeFault, ShardUnavailable
from actors.http.shards import Shards
from actors.http.whereabouts import Whereabouts
from actors.layout import DataFolder
from actors.moves import Moves
from actors.settings import HttpSettings, ServerSettings, ShardSettings
from actors.shard_map import ShardMap
from recsys.clock import now_ms
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, Feedback, ItemUpsert
from recsys.store.base import Append, Outcome
from recsys.store.memory import MemoryStore
from tests.fleets import KEYS, LocalFleet

SHARDS: Final = 3
PARTITIONS: Final = 6
PEOPLE: Final = tuple(f"u{number}" for number in range(30))
ROUNDS: Final = 25
MOVES: Final = 8
SEEDS: Final = int(os.environ.get("RECSYS_SEEDS", "2"))


class Siege:
    """One server, people who use it, and somebody who moves, kills and mends."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.settings = ServerSettings(
            shards=ShardSettings(count=SHARDS, partitions=PARTITIONS, data_dir=folder / "data"),
            http=HttpSettings(shard_timeout_s=0.5),
        )
        self.folder = DataFolder(self.settings.shards, serving=True)
        self.fleet = LocalFleet(self.settings)
        self.ended = asyncio.Event()
        self.shards = Shards(
            self.fleet, self.settings, Whereabouts(self.folder.shard_map, self.fetch)
        )
        self.acked = set[str]()
        self.moved = 0
        self.killed = 0

    async def fetch(self) -> ShardMap:
        return self.folder.shard_map

    async def run(self) -> None:
        await self.fleet.start()
        items = [ItemUpsert(event_id=f"item-{n}", item_id=f"i{n}", ts_ms=1) for n in range(10)]
        await self.shards.append_everywhere(items, now_ms())
        self.fleet.step = self.step
        async with asyncio.TaskGroup() as group:
            mending = group.create_task(self.mend())
            people = [group.create_task(self.live(seat)) for seat in range(4)]
            while self.moved < MOVES:
                await self.supervise()
            self.fleet.step = _pass
            caring = group.create_task(self.care())
            await asyncio.wait(people)
            await self.settled()
            caring.cancel()
            mending.cancel()

    async def step(self, _: str) -> None:
        """Kill whoever it hits, once in a while, or be a supervisor who was restarted."""
        dice = self.random.random()
        if dice < 0.04:
            self.fleet.kill(self.random.randrange(SHARDS))
            self.killed += 1
        elif dice < 0.06:
            self.ended.set()
        elif dice < 0.3:
            await asyncio.sleep(self.random.random() / 500)

    async def supervise(self) -> None:
        """Be a supervisor, who knows nothing but the layout, until it is killed or all is done."""
        self.ended.clear()
        self.moves = Moves(self.fleet, self.folder, lambda _: None)
        tasks = [asyncio.create_task(work()) for work in (self.move, self.care, self.ended.wait)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def move(self) -> None:
        while self.moved < MOVES:
            partition, new = self.random.randrange(PARTITIONS), self.random.randrange(SHARDS)
            try:
                await self.moves.move(partition, new)
            except MoveFailed:
                await asyncio.sleep(0.005)
            else:
                self.moved += 1

    async def care(self) -> None:
        while True:
            await asyncio.sleep(0.002)
            try:
                answers = {shard: await self.fleet.ready(shard, None) for shard in range(SHARDS)}
            except ShardUnavailable:
                continue
            await self.moves.tend(answers)

    async def mend(self) -> None:
        while True:
            for shard in range(SHARDS):
                if shard not in self.fleet.shards:
                    await self.fleet.revive(shard)
            await asyncio.sleep(0.002)

    async def settled(self) -> None:
        """Wait until all live, nothing moves, and nobody holds anything."""
        while True:
            await asyncio.sleep(0.002)
            living = self.fleet.shards.values()
            still = self.folder.shard_map.moving is None
            if len(living) == SHARDS and still and not any(s.territory.held for s in living):
                return

    async def live(self, seat: int) -> None:
        """Send what some people do, each event again until it is acknowledged."""
        dice = random.Random(seat)
        round_ = 0
        while round_ < ROUNDS or self.moved < MOVES:
            round_ += 1
            names = dice.sample(PEOPLE[seat::4], 4)
            waiting = [
                Feedback(
                    event_id=f"{name}-{round_}-{place}",
                    user_id=name,
                    ts_ms=1000 * round_ + place,
                    type="click",
                    item_id=f"i{dice.randrange(10)}",
                )
                for place, name in enumerate(names)
            ]
            while waiting:
                answers = await self.shards.append_all(waiting, now_ms())
                again = list[Feedback]()
                for event, (_, answer) in zip(waiting, answers, strict=True):
                    if isinstance(answer, Append):
                        assert answer.outcome is not Outcome.CONFLICT
                        self.acked.add(event.event_id)
                    else:
                        again.append(event)
                waiting = again
            request = Request(
                user_id=names[0], ts_ms=1000 * round_, decision_id=f"d-{seat}-{round_}", n=3
            )
            try:
                await self.shards.recommend(request)
            except RuntimeFault:
                await asyncio.sleep(0.002)


async def _pass(_: str) -> None:
    """Let everything pass."""


def folded(engine: Engine, key: bytes, settings: ServerSettings) -> str:
    """Return the fingerprint of an engine that has learned a log without a pause."""
    events: list[Event] = [event for _, event in engine.store.read(after=0)]
    fresh = Engine(MemoryStore(), settings.engine, key)
    fresh.fold(events, fresh.append(events))
    return fresh.fingerprint()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_nothing_is_lost_or_doubled(tmp_path: Path, seed: int) -> None:
    siege = Siege(tmp_path, seed)
    try:
        await siege.run()
        engines = [siege.fleet.engine(shard) for shard in range(SHARDS)]
        taken = [
            event
            for engine in engines
            for _, event in engine.store.read(after=0)
            if isinstance(event, Feedback)
        ]
        ids = [event.event_id for event in taken]
        assert len(ids) == len(set(ids)), "no event is in two logs"
        assert set(ids) == siege.acked
        for shard, engine in enumerate(engines):
            assert engine.fingerprint() == folded(engine, KEYS[shard], siege.settings)
            owned = siege.fleet.shards[shard].territory.owned
            assert owned == siege.folder.shard_map.owned_by(shard)
        by_person = {name: sum(e.user_id == name for e in taken) for name in PEOPLE}
        owners = siege.folder.shard_map
        for name, events in by_person.items():
            view = engines[owners.owner(name)].user(name)
            assert (0 if view is None else view.events) == events
            others = [engine for shard, engine in enumerate(engines) if shard != owners.owner(name)]
            assert [other.user(name) for other in others] == [None] * (SHARDS - 1)
        assert siege.moved == MOVES
    finally:
        await siege.fleet.stop()
        siege.folder.release()
