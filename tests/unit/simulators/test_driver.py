import asyncio
from collections import Counter
from time import perf_counter

import httpx2
import pytest
from typing_extensions import override

from recsys.client import AsyncClient, Retry
from recsys.errors import Unreachable
from simulators.driver import Driver, Pace, until_ready
from simulators.report import Report
from simulators.worlds import World, WorldSettings
from tests.unit.simulators.fake_server import Event, FakeServer, Fault

SETTINGS = WorldSettings(seed=3, n_people=20, n_items=60)


def connect(server: FakeServer) -> AsyncClient:
    transport = httpx2.ASGITransport(server)
    return AsyncClient("http://test", retry=Retry(attempts=2, first_s=0.0), transport=transport)


async def drive(
    server: FakeServer, pace: Pace, *, lists: int, world: World | None = None
) -> Report:
    """Run until the server has decided on so many lists."""
    report = Report()
    async with connect(server) as client:
        driver = Driver(world or World(SETTINGS), client, pace, report)
        await driver.put_items()
        server.decided = lambda n: driver.stop() if n >= lists else None
        await driver.run(30.0)
    return report


async def test_people_look_click_and_dwell(server: FakeServer) -> None:
    report = await drive(server, Pace(people_at_once=4), lists=150)
    assert len(server.items) == SETTINGS.n_items
    clicks = server.clicks()
    assert report.total.clicks == len(clicks) > 0
    assert report.total.decisions == len(server.decisions)
    assert report.total.shown == 10 * report.total.decisions
    assert report.accepted == len(server.log) == 2 * len(clicks)
    assert set(report.arms) == {"learner", "random"}
    for click, dwell in zip(clicks, server.log[1::2], strict=True):
        assert (dwell.type, dwell.item_id) == ("dwell", click.item_id)
        assert dwell.value is not None
        decision = server.decisions[click.decision_id or ""]
        assert decision["user_id"] == click.user_id
        slots = decision["slots"]
        assert isinstance(slots, list)
        assert click.item_id in [slot[0] for slot in slots]
    assert report.recommend.count == report.total.decisions
    assert not report.errors
    assert report.total.best > report.total.clicks / 2 > report.total.uniform / 4


async def test_the_same_answers_get_the_same_clicks() -> None:
    logs: list[list[Event]] = []
    for _ in range(2):
        server = FakeServer()
        await drive(server, Pace(people_at_once=1), lists=80)
        logs.append(server.log)
    length = min(len(log) for log in logs)
    assert logs[0][:length] == logs[1][:length]
    assert length > 20


async def test_nobody_is_in_two_places(server: FakeServer) -> None:
    world = World(WorldSettings(seed=3, n_people=3, n_items=60))
    await drive(server, Pace(people_at_once=50), lists=100, world=world)
    users = Counter(decision["user_id"] for decision in server.decisions.values())
    assert len(users) > 1
    assert server.clicks()
    assert not server.stale


async def test_errors_are_counted_and_the_run_goes_on(server: FakeServer) -> None:
    server.faults = [Fault("/v1/recommend", 500), Fault("/v1/events", 422)]
    report = await drive(server, Pace(people_at_once=2), lists=60)
    assert report.errors == {"recommend: HTTP 500": 1, "events: HTTP 422": 1}
    assert "as ordered" in report.last_error
    assert report.total.decisions >= 60


async def test_a_dead_server_does_not_end_the_run() -> None:
    class Dead(httpx2.AsyncBaseTransport):
        @override
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            await asyncio.sleep(0)
            message = "nobody there"
            raise httpx2.ConnectError(message)

    report = Report()
    retry = Retry(attempts=1)
    async with AsyncClient("http://test", retry=retry, transport=Dead()) as client:
        driver = Driver(World(SETTINGS), client, Pace(people_at_once=2), report)
        with pytest.raises(Unreachable):
            await driver.put_items()
        await driver.run(0.05)
    assert report.errors["recommend: no answer"] > 1
    assert report.total.decisions == 0


async def test_a_fault_of_our_own_is_raised(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(SETTINGS)
    monkeypatch.setattr(world, "shares", world.shares[:0])
    with pytest.raises(ValueError, match="must have same size"):
        await drive(server, Pace(people_at_once=2), lists=10, world=world)


async def test_the_rate_is_held(server: FakeServer) -> None:
    start_s = perf_counter()
    await drive(server, Pace(people_at_once=8, rate=400.0), lists=60)
    requests = server.requests["/v1/recommend"] + server.requests["/v1/events"]
    assert requests <= 400.0 * (perf_counter() - start_s) + 8


async def test_people_think_at_the_given_speed(server: FakeServer) -> None:
    settings = WorldSettings(seed=3, n_people=20, n_items=60, visits_per_hour=60.0)
    report = Report()
    async with connect(server) as client:
        # 20 people, 60 visits an hour each, 4 lists a visit, 900 seconds in 0.3: 1200 lists.
        pace = Pace(people_at_once=20, speed=3000.0)
        driver = Driver(World(settings), client, pace, report)
        await driver.put_items()
        await driver.run(0.3)
    assert 20 < len(server.decisions) < 1500
    assert report.elapsed_s < 2.0


async def test_all_tastes_switch_once(server: FakeServer) -> None:
    settings = WorldSettings(seed=3, n_people=20, n_items=60, shift_probability=0.0)
    world = World(settings)
    pace = Pace(people_at_once=2, switch_at_s=0.01)
    report = Report()
    async with connect(server) as client:
        driver = Driver(world, client, pace, report)
        await driver.put_items()
        await driver.run(0.2)
    assert report.switched_at_s is not None
    assert 0.01 <= report.switched_at_s < 0.2
    assert {person.shifts for person in world.people if person.generation == 0} == {1}


async def test_stop_does_not_wait_for_a_hanging_server() -> None:
    class Hanging(httpx2.AsyncBaseTransport):
        @override
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            await asyncio.Event().wait()
            raise AssertionError

    async with AsyncClient("http://test", transport=Hanging()) as client:
        driver = Driver(World(SETTINGS), client, Pace(people_at_once=2, grace_s=0.01), Report())
        await asyncio.wait_for(driver.run(0.01), timeout=5.0)


async def test_waits_for_shards_but_not_for_ever(server: FakeServer) -> None:
    async with connect(server) as client:
        assert await until_ready(client, 0.0)
        server.not_ready = 2
        assert await until_ready(client, 30.0)
        server.not_ready = 10**6
        assert not await until_ready(client, 0.0)
