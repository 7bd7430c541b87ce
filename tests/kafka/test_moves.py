"""Partitions that move between shards which read them from a real broker."""

import asyncio

from actors.shard_map import Moving
from tests.kafka.rig import Rig, user_in


async def test_a_partition_moves_with_its_place(rig: Rig) -> None:
    partitions = rig.settings.shards.partitions
    users = [user_in(number, partitions) for number in range(4)]
    await rig.start()
    await rig.feed(0, 40, users)
    await rig.caught_up(40)
    feeding = asyncio.create_task(rig.feed(40, 200, users))
    old, new = rig.shards[0].mover, rig.shards[1].mover
    given = await old.give(Moving(partition=0, old=0, new=1, epoch=1), new)
    assert given.parts >= 2
    assert 0 in rig.shards[1].territory.owned
    assert 0 not in rig.shards[0].territory.owned
    await feeding
    await rig.feed(240, 20, users)
    await rig.caught_up(260)
    assert rig.ids() == sorted(f"e{n}" for n in range(260)), "each once, in one log or the other"
    mine = [f"e{n}" for n in range(0, 260, 4)]
    assert set(mine) - set(rig.ids(1)), "some came before the move"
    assert set(mine[-5:]) <= set(rig.ids(1))
    assert f"{rig.topics.feedback}-0" in rig.kafka(1).lag
    assert f"{rig.topics.feedback}-0" not in rig.kafka(0).lag
    person = rig.engines[1].user(users[0])
    assert person is not None
    assert person.events == 65
    assert rig.engines[0].user(users[0]) is None
