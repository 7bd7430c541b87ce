"""A shard that is stuck takes its part of a gateway's places, and leaves the rest to the others."""

import asyncio
from collections import Counter

import httpx2
import pytest
from typing_extensions import override

from actors.errors import Overloaded
from actors.gateway import build_app
from actors.http.shares import Shares, share_of
from actors.messages import Method
from actors.ports import ShardPort
from actors.settings import HttpSettings, ServerSettings
from recsys.partition import partition_of
from tests.wires import until

PLACES = 8
SHARE = 6
SETTINGS = ServerSettings(http=HttpSettings(max_ongoing_requests=PLACES))
STUCK, WELL = (
    next(f"p{k}" for k in range(99) if partition_of(f"p{k}", 64) % 2 == shard) for shard in (0, 1)
)


class HalfStuck(ShardPort):
    """Two shards, of which the first answers when it is told to.

    Attributes
    ----------
    waiting
        Calls that wait for it.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.waiting = 0

    @property
    @override
    def n_shards(self) -> int:
        return 2

    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        if shard == 0:
            self.waiting += 1
            try:
                await self.gate.wait()
            finally:
                self.waiting -= 1
        return b'{"decision_id":"1-2","items":[]}'


class Gateway:
    """As Serve calls it: so many requests at a time, and the others wait for a place."""

    def __init__(self, port: ShardPort) -> None:
        transport = httpx2.ASGITransport(app=build_app(port, SETTINGS))
        self._client = httpx2.AsyncClient(transport=transport, base_url="http://recsys")
        self._places = asyncio.Semaphore(PLACES)

    async def ask(self, user_id: str) -> httpx2.Response:
        async with self._places:
            return await self._client.post("/v1/recommend", json={"user_id": user_id})


async def test_lists_of_the_other_shard_still_come() -> None:
    port = HalfStuck()
    gateway = Gateway(port)
    asked = [asyncio.create_task(gateway.ask(STUCK)) for _ in range(5 * PLACES)]
    async with asyncio.timeout(10):
        await until(lambda: sum(one.done() for one in asked) == 5 * PLACES - SHARE)
        assert port.waiting == SHARE
        for _ in range(2 * PLACES):
            assert (await gateway.ask(WELL)).status_code == 200
        refused = next(one.result() for one in asked if one.done())
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["type"] == "urn:recsys:problem:overloaded"
        assert refused.json()["detail"] == "too many requests wait for shard 0; retry after 1 s"
        port.gate.set()
        answers = await asyncio.gather(*asked)
    assert Counter(one.status_code for one in answers) == {200: SHARE, 429: 5 * PLACES - SHARE}


async def test_places_come_back_however_calls_end() -> None:
    port = HalfStuck()
    gateway = Gateway(port)
    for _ in range(2):
        asked = [asyncio.create_task(gateway.ask(STUCK)) for _ in range(SHARE)]
        async with asyncio.timeout(10):
            await until(lambda: port.waiting == SHARE)
            for one in asked:
                one.cancel()
            await asyncio.wait(asked)
    port.gate.set()
    assert (await gateway.ask(STUCK)).status_code == 200


@pytest.mark.parametrize(
    ("places", "shards", "share"), [(256, 1, 256), (256, 2, 192), (256, 4, 160), (1, 2, 1)]
)
def test_a_share_is_more_than_an_even_one_and_less_than_all(
    places: int, shards: int, share: int
) -> None:
    assert share_of(places, shards) == share


def test_one_shard_takes_nothing_from_another() -> None:
    shares = Shares(2, 4)
    for _ in range(3):
        shares.take(0)
    with pytest.raises(Overloaded):
        shares.take(0)
    shares.take(1)
    shares.give_back(0)
    shares.take(0)
