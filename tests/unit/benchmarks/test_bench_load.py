from collections.abc import Iterator

import pytest

from benchmarks.load import Load
from benchmarks.wire import Wire
from recsys.client import Client, Item, NewFeedback, Recommended
from recsys.client.calls import STATS, Call, recommend, send_events
from recsys.errors import ApiError, Unreachable
from tests.servers import live


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with live() as url:
        with Client(url) as client:
            client.put_items([Item(f"film-{number}", {}) for number in range(30)])
        yield url


def question(user_id: str, n: int = 5) -> Call[Recommended]:
    return recommend(user_id, n=n, context={}, candidates=None, exclude=(), arm=None)


async def test_a_wire_carries_one_call_after_the_other(address: str) -> None:
    async with Wire(address) as wire:
        shown = await wire.do(question("ann"))
        assert len(shown.items) == 5
        click = NewFeedback(type="click", user_id="ann", item_id=shown.items[0].item_id)
        assert (await wire.do(send_events([click]))).accepted == 1
        assert (await wire.do(send_events([click]))).duplicates == 1
        learned = [shard.engine.feedback for shard in (await wire.do(STATS)).shards]
        assert sorted(learned, key=len) == [{}, {"click": 1}]


async def test_a_refusal_is_an_error_and_the_wire_goes_on(address: str) -> None:
    async with Wire(address) as wire:
        with pytest.raises(ApiError) as refused:
            await wire.do(question("ann", n=0))
        assert refused.value.status == 422
        assert (await wire.do(question("ann"))).items


async def test_nobody_there_is_unreachable(address: str) -> None:
    async with Wire("http://127.0.0.1:1") as wire:
        with pytest.raises(Unreachable):
            await wire.do(STATS)


async def test_a_load_counts_answers_and_acknowledgements(address: str) -> None:
    load = Load(address, ["ann", "bob"], ["film-1"], seed=1)
    measured = await load.run(clients=2, events_per_s=100.0, warming_s=0.05, counted_s=0.3)
    assert not measured.errors
    assert measured.answers_ms
    assert min(measured.answers_ms) > 0
    assert 1 <= len(measured.acks_ms) <= 32
    idle = await load.run(clients=0, events_per_s=50.0, warming_s=0.0, counted_s=0.2)
    assert (idle.answers_ms, dict(idle.errors)) == ([], {})
    assert idle.acks_ms


async def test_a_load_counts_what_fails() -> None:
    load = Load("http://127.0.0.1:1", ["ann"], ["film-1"], seed=1)
    measured = await load.run(clients=1, events_per_s=20.0, warming_s=0.0, counted_s=0.1)
    assert set(measured.errors) == {"recommend: no answer", "events: no answer"}
    assert measured.answers_ms == measured.acks_ms == []
