"""Partitions that move between shards that serve, whatever ends in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from actors.errors import MoveFailed, NotOwned, ShardUnavailable, StartupError
from actors.http.shards import Shards
from actors.http.whereabouts import Whereabouts
from actors.layout import DataFolder, read_shard_map
from actors.moves import Moves
from actors.settings import ServerSettings, ShardSettings
from actors.shard_map import ShardMap
from recsys.clock import now_ms
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Feedback, ItemUpsert
from recsys.store.base import Append, Outcome
from recsys.views import UserView
from tests.fleets import LocalFleet
from tests.shards import shown

PARTITIONS = 4
PEOPLE = tuple(f"u{number}" for number in range(40))
PARTITION, OLD, NEW = 1, 1, 0
MAP = ShardMap.dealt_out(2, PARTITIONS)
MINE = [name for name in PEOPLE if MAP.partition_of(name) == PARTITION]
POINTS = (
    "before give", "before key", "after key", "before part 0", "after part 0", "before last",
    "after last", "after give", "before give_up", "after give_up", "before forget",
    "after forget", "before adopt",
)  # fmt: skip

Fault = Literal["old dies", "new dies", "no answer", "other supervisor"]


@dataclass
class World:
    settings: ServerSettings
    fleet: LocalFleet
    folder: DataFolder
    notices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.moves = Moves(self.fleet, self.folder, self.notices.append)
        self.shards = Shards(
            self.fleet, self.settings, Whereabouts(self.folder.shard_map, self.fetch)
        )

    async def fetch(self) -> ShardMap:
        return self.folder.shard_map

    async def act(self, names: tuple[str, ...] | list[str], round_: int) -> list[Feedback]:
        """Have people click; all of it is taken."""
        events = [
            Feedback(
                event_id=f"{name}-{round_}",
                user_id=name,
                ts_ms=1_000_000 * round_ + place,
                type="click",
                item_id=f"i{(place + round_) % 10}",
            )
            for place, name in enumerate(names)
        ]
        assert await self.outcomes(events) == {Outcome.ACCEPTED}
        return events

    async def outcomes(self, events: list[Feedback]) -> set[object]:
        answers = await self.shards.append_all(events, now_ms())
        return {
            answer.outcome if isinstance(answer, Append) else str(answer) for _, answer in answers
        }

    async def views(self) -> dict[str, UserView]:
        """Return what is known of everybody, but for what shards know of people at large."""
        found = {name: await self.shards.user(name) for name in PEOPLE}
        return {
            name: msgspec.structs.replace(
                view,
                tastes=tuple(
                    msgspec.structs.replace(taste, deviation=0.0) for taste in view.tastes
                ),
            )
            for name, view in found.items()
            if view is not None
        }

    async def mended(self) -> None:
        """Bring the dead back, and care for moves until none is open."""
        moves = Moves(self.fleet, self.folder, self.notices.append)
        async with asyncio.timeout(20):
            while True:
                for shard in {0, 1} - self.fleet.shards.keys():
                    await self.fleet.revive(shard)
                answers = {shard: await self.fleet.ready(shard, None) for shard in (0, 1)}
                moving = self.folder.shard_map.moving
                if moving is None and not any(answer.held for answer in answers.values()):
                    return
                await moves.tend(answers)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    settings = ServerSettings(
        shards=ShardSettings(count=2, partitions=PARTITIONS, data_dir=folder / "data")
    )
    data = DataFolder(settings.shards, serving=True)
    fleet = LocalFleet(settings)
    await fleet.start()
    try:
        made = World(settings, fleet, data)
        items = [
            ItemUpsert(
                event_id=f"item-{n}", item_id=f"i{n}", ts_ms=1, attributes={"kind": [f"k{n % 3}"]}
            )
            for n in range(10)
        ]
        await made.shards.append_everywhere(items, now_ms())
        await made.act(PEOPLE, 1)
        yield made
    finally:
        fleet.step = _nothing
        await fleet.stop()
        data.release()


def clicks_of(engine: Engine) -> set[str]:
    return {
        event.event_id for _, event in engine.store.read(after=0) if isinstance(event, Feedback)
    }


async def _nothing(_: str) -> None:
    return


async def test_people_move_with_all_that_is_known_of_them(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        request = Request(user_id=MINE[0], ts_ms=2_000_000, decision_id="1-" + "0" * 32, n=3)
        made = shown(await here.shards.recommend(request))
        await here.act(PEOPLE, 2)  # after the decision in the same queue
        before = await here.views()
        moved = await here.moves.move(PARTITION, NEW)
        assert (moved.old, moved.new) == (OLD, NEW)
        assert moved.given is not None
        assert moved.given.parts >= 2
        assert await here.views() == before
        assert here.folder.shard_map.owners == (0, 0, 0, 1)
        assert read_shard_map(here.settings.shards) == here.folder.shard_map
        assert list(here.fleet.shards[NEW].territory.owned) == [0, 1, 2]
        assert list(here.fleet.shards[OLD].territory.owned) == [3]
        # The list that waited for its click has come along, too.
        click = Feedback(
            event_id="late", user_id=MINE[0], ts_ms=2_000_001, type="click",
            item_id=made.items[0].item_id, decision_id=made.decision_id,
        )  # fmt: skip
        assert await here.outcomes([click]) == {Outcome.ACCEPTED}
        assert here.fleet.engine(NEW).stats().arms["learner"].clicks == 1
        # Nothing is taken twice, and nobody is known in two places.
        again = [
            Feedback(
                event_id=f"{name}-1", user_id=name, ts_ms=5, type="click",
                item_id=f"i{(PEOPLE.index(name) + 1) % 10}",
            )
            for name in PEOPLE
        ]  # fmt: skip
        assert await here.outcomes(again) == {Outcome.DUPLICATE}
        assert all(here.fleet.engine(OLD).user(name) is None for name in MINE)
        assert here.notices == ["partition 1 has moved from shard 1 to shard 0"]


async def test_there_and_back_and_there(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for round_, new in enumerate((NEW, OLD, NEW, OLD), start=2):
            await here.moves.move(PARTITION, new)
            await here.act(PEOPLE, round_)
        views = await here.views()
        assert [view.events for view in views.values()] == [5] * len(PEOPLE)
        for shard in (0, 1):
            here.fleet.kill(shard)
        await here.mended()
        assert await here.views() == views


@pytest.mark.parametrize("fault", ["old dies", "new dies", "no answer", "other supervisor"])
@pytest.mark.parametrize("point", POINTS)
async def test_whatever_ends_in_between(tmp_path: Path, point: str, fault: Fault) -> None:
    async with world(tmp_path) as here:
        before = await here.views()
        hit = asyncio.Event()
        others = list[asyncio.Task[None]]()

        async def step(name: str) -> None:
            if name != point or hit.is_set():
                return
            hit.set()
            match fault:
                case "old dies":
                    here.fleet.kill(OLD)
                case "new dies":
                    here.fleet.kill(NEW)
                case "no answer":
                    raise ShardUnavailable(OLD, "the network is gone")
                case "other supervisor":
                    # As after a restart: it knows nothing of what still goes on.
                    other = Moves(here.fleet, here.folder, here.notices.append)
                    others.append(asyncio.create_task(other.tend({})))
                    for _ in range(50):
                        await asyncio.sleep(0)

        here.fleet.step = step
        with suppress(MoveFailed, RuntimeError):
            await here.moves.move(PARTITION, NEW)
        assert hit.is_set()
        await asyncio.gather(*others)
        await here.mended()
        assert await here.views() == before
        owner = here.folder.shard_map.owners[PARTITION]
        for shard in (0, 1):
            assert (PARTITION in here.fleet.shards[shard].territory.owned) == (shard == owner)
        stranger = here.fleet.engine(1 - owner)
        if owner == NEW:
            assert all(stranger.user(name) is None for name in MINE)
        await here.act(PEOPLE, 2)
        here.fleet.step = _nothing
        await here.moves.move(PARTITION, 1 - owner)
        await here.act(PEOPLE, 3)
        assert [view.events for view in (await here.views()).values()] == [3] * len(PEOPLE)
        logs = [clicks_of(here.fleet.engine(shard)) for shard in (0, 1)]
        assert not logs[0] & logs[1], "no event is in two logs"
        assert len(logs[0] | logs[1]) == 3 * len(PEOPLE)


async def test_nobody_is_served_while_it_is_not_known_where_they_are(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        refused = list[str]()

        async def step(name: str) -> None:
            if name == "before last":
                for shard in (OLD, NEW):
                    try:
                        here.fleet.shards[shard].territory.check(MINE[0])
                    except NotOwned:
                        refused.append(name)

        here.fleet.step = step
        await here.moves.move(PARTITION, NEW)
        assert len(refused) == 2


async def test_people_wait_for_the_end_of_a_move(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        asked = list[asyncio.Task[object]]()

        async def step(name: str) -> None:
            if name == "before last":
                event = Feedback(
                    event_id="waits", user_id=MINE[0], ts_ms=9_000_000, type="click", item_id="i1"
                )
                request = Request(user_id=MINE[0], ts_ms=9_000_000, decision_id="d", n=3)
                asked.append(asyncio.create_task(here.outcomes([event])))
                asked.append(asyncio.create_task(here.shards.recommend(request)))
                asked.append(asyncio.create_task(here.shards.erase(MINE[1], now_ms())))
                for _ in range(20):
                    await asyncio.sleep(0)
                assert not any(task.done() for task in asked)

        here.fleet.step = step
        await here.moves.move(PARTITION, NEW)
        outcome, _, receipt = await asyncio.gather(*asked)
        assert outcome == {Outcome.ACCEPTED}
        assert (await here.shards.user(MINE[0])) is not None
        assert (await here.shards.user(MINE[1])) is None, "erased, not brought back by the move"
        assert receipt is not None


async def test_what_cannot_move_is_said(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for partition, new, reason in (
            (4, 0, "there are partitions 0 to 3"),
            (1, 2, "there are shards 0 to 1"),
            (1, 1, "shard 1 owns it"),
        ):
            with pytest.raises(MoveFailed, match=reason):
                await here.moves.move(partition, new)
        assert here.folder.shard_map.epoch == 0


async def test_a_move_that_was_broken_off_keeps_others_out(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.folder.begin_move(PARTITION, NEW)
        here.folder.release()
        with pytest.raises(StartupError, match="from shard 1 to shard 0 was broken off"):
            DataFolder(here.settings.shards)
