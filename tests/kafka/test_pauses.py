"""Learning that stands still for longer than anybody between here and the broker waits."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.conn import AIOKafkaConnection, CloseReason
from typing_extensions import override

from actors.kafka.base import Partition, Record
from actors.kafka.settler import Settler
from tests.kafka.broker import eventually
from tests.kafka.rig import Rig, user_in


async def test_a_pause_beyond_all_intervals_costs_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a group, a reader that is busy for 10 ms would lose its partitions to another."""
    made = list[AIOKafkaConsumer]()

    class Impatient(AIOKafkaConsumer):
        @override
        def __init__(self, **how: Any) -> None:
            super().__init__(**how, max_poll_interval_ms=10, connections_max_idle_ms=200)
            made.append(self)

    dropped = list[AIOKafkaConnection]()
    close = AIOKafkaConnection.close

    def closed(
        self: AIOKafkaConnection, reason: object = None, exc: Exception | None = None
    ) -> object:
        if reason is CloseReason.IDLE_DROP:
            dropped.append(self)
        return close(self, reason, exc)

    resumed, paused = asyncio.Event(), asyncio.Event()
    settle = Settler.settle

    async def at_leisure(
        self: Settler, records: list[Record], marks: Mapping[str, int]
    ) -> dict[Partition, int]:
        paused.set()
        await resumed.wait()
        return await settle(self, records, marks)

    monkeypatch.setattr("actors.kafka.clients.AIOKafkaConsumer", Impatient)
    monkeypatch.setattr(AIOKafkaConnection, "close", closed)
    monkeypatch.setattr(Settler, "settle", at_leisure)
    await rig.start(0)
    await rig.until("it reads", lambda s: s.state == "reading")
    people = [user_in(0, 4), user_in(2, 4)]
    await rig.feed(0, 1, people)
    await asyncio.wait_for(paused.wait(), 30)
    # Of each partition something waits here, so that there is nothing to ask the broker for.
    await rig.feed(1, 9, people)
    for number in range(4):
        await rig.send(rig.topics.catalogue, {"attributes": {}}, f"i{number}", partition=number)

    async def all_dropped() -> bool:
        return len(dropped) >= 2

    await eventually("both connections of the reader are closed", all_dropped)
    assert rig.kafka(0).records == 0
    resumed.set()
    stats = await rig.until("all is read", lambda s: s.records == 14)
    assert rig.ids(0) == [f"e{n}" for n in range(10)]
    assert (stats.state, stats.detail, stats.reconnects, len(made)) == ("reading", "", 0, 1)
    await rig.feed(10, 5, people)
    await rig.until("it reads on", lambda s: s.records == 19)
    (group,) = await rig.admin.describe_consumer_groups([rig.settings.kafka.group])
    ((_, _, state, _, _, members, *_),) = group.groups
    assert (state, members) == ("Empty", []), "nobody has joined, so nobody can be thrown out"
