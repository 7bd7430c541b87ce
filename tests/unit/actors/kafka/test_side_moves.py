"""What a shard reads from Kafka while its partitions come and go."""

import asyncio
from collections.abc import Mapping, Sequence

from typing_extensions import override

from actors.kafka.positions import mark_name
from recsys.events import Event
from recsys.store.base import Append
from tests.unit.actors.kafka.fakes import FakeHome, FakeKafka, until
from tests.unit.actors.kafka.test_side import NEIGHBOUR, OTHER, OWN, fill, ids, running


class SlowHome(FakeHome):
    """A shard whose writing waits at a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    @override
    async def append(
        self, events: Sequence[Event], received_ms: int, positions: Mapping[str, int]
    ) -> list[Append]:
        if events:
            self.entered.set()
            await self.gate.wait()
        return await super().append(events, received_ms, positions)


def without(home: FakeHome, partition: int) -> tuple[int, ...]:
    return tuple(one for one in home.mine if one != partition)


async def test_what_left_is_not_read_and_goes_on_when_it_is_back() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    all_of_it = home.mine
    fill(kafka, range(3))
    async with running(home, kafka) as side:
        await until(lambda: side.stats().records == 3)
        home.mine = without(home, OWN.number)
        await side.settled()
        fill(kafka, range(3, 6))
        fill(kafka, range(6, 9), NEIGHBOUR)
        await until(lambda: side.stats().records == 6)
        assert sorted(ids(home)) == ["e0", "e1", "e2", "e6", "e7", "e8"]
        assert OWN.name not in side.stats().lag
        home.mine = all_of_it
        await until(lambda: side.stats().records == 9)
    assert sorted(ids(home)) == [f"e{n}" for n in range(9)]
    assert side.stats().reconnects == 0


async def test_what_came_goes_on_where_the_other_shard_was() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    all_of_it = home.mine
    home.mine = without(home, OWN.number)
    fill(kafka, range(5))
    fill(kafka, range(5, 7), NEIGHBOUR)
    async with running(home, kafka) as side:
        await until(lambda: side.stats().records == 2)
        home.engine.append([], {OWN.name: 3, mark_name(OWN): 11})
        home.mine = all_of_it
        await until(lambda: side.stats().records == 4)
    assert ids(home) == ["e5", "e6", "e3", "e4"]


async def test_a_batch_that_is_being_written_is_waited_for() -> None:
    home, kafka = SlowHome(), FakeKafka.for_settings()
    fill(kafka, range(3))
    home.gate.clear()
    async with running(home, kafka) as side:
        await home.entered.wait()
        home.mine = without(home, OWN.number)
        settled = asyncio.create_task(side.settled())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not settled.done()
        home.gate.set()
        await settled
        assert ids(home) == ["e0", "e1", "e2"], "it was on its way before"
        assert home.store.positions()[OWN.name] == 3
        assert OTHER.number in home.mine
