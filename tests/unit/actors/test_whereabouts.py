"""How a gateway finds out that people have moved."""

import asyncio

import pytest

from actors.errors import NotOwned, RuntimeFault, ShardUnavailable
from actors.http.whereabouts import Whereabouts
from actors.shard_map import ShardMap

BEFORE, AFTER = ShardMap(1, (0, 0)), ShardMap(3, (0, 1))


class Teller:
    """Who says who owns what.

    Attributes
    ----------
    told
        What is said.
    asked
        How often.
    """

    def __init__(self) -> None:
        self.told: list[ShardMap | RuntimeFault] = [BEFORE, AFTER]
        self.asked = 0

    async def __call__(self) -> ShardMap:
        self.asked += 1
        await asyncio.sleep(0)
        said = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        if isinstance(said, RuntimeFault):
            raise said
        return said


async def test_who_is_refused_looks_at_the_map_and_asks_again() -> None:
    teller = Teller()
    where = Whereabouts(BEFORE, teller)
    asked = list[int]()

    async def ask(what: str) -> str:
        asked.append(where.map.owners[1])
        if where.map.owners[1] == 0:
            raise NotOwned(0, 1)
        return f"{what} found"

    assert await where.find(5.0, ask, "ann") == "ann found"
    assert asked == [0, 0, 1], "the move had not ended at the first look"
    assert teller.asked == 2


async def test_an_older_map_and_a_teller_who_is_away_change_nothing() -> None:
    teller = Teller()
    teller.told = [RuntimeFault("restarting"), BEFORE]
    where = Whereabouts(AFTER, teller)
    await where.renew()
    await where.renew()
    assert teller.asked == 2
    assert where.map == AFTER


async def test_who_comes_meanwhile_shares_the_look() -> None:
    teller = Teller()
    where = Whereabouts(BEFORE, teller)
    await asyncio.gather(*(where.renew() for _ in range(10)))
    assert teller.asked == 1


async def test_without_an_end_it_is_unavailable() -> None:
    where = Whereabouts(BEFORE)

    async def ask() -> None:
        raise NotOwned(0, 1)

    with pytest.raises(ShardUnavailable, match="partition 1 is on its way to another shard"):
        await where.find(0.05, ask)


async def test_a_silent_shard_makes_it_look_but_not_all_the_time() -> None:
    teller = Teller()
    teller.told = [AFTER]
    where = Whereabouts(BEFORE, teller)

    async def ask() -> None:
        raise ShardUnavailable(0, "no answer")

    for _ in range(5):
        with pytest.raises(ShardUnavailable, match="no answer"):
            await where.find(5.0, ask)
        await asyncio.sleep(0)
    await where.renew()
    assert where.map == AFTER
    assert teller.asked <= 2
