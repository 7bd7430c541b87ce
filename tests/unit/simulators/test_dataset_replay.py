import asyncio

import httpx2
import pytest

from recsys.client import AsyncClient, Retry
from recsys.datasets import Interaction
from simulators.replay import Replay, ReplayResult, ReplaySettings, feedback_of
from tests.servers import served
from tests.unit.simulators.fake_server import FakeServer, Fault


def history(n: int, n_users: int = 7) -> list[Interaction]:
    return [
        Interaction(f"u{row % n_users}", f"i{row}", 10**12 + row // 3, float(row % 5 + 1), row + 2)
        for row in range(n)
    ]


async def send(
    server: FakeServer,
    interactions: list[Interaction],
    settings: ReplaySettings | None = None,
    *,
    attempts: int = 2,
) -> ReplayResult:
    retry = Retry(attempts=attempts, first_s=0.0)
    transport = httpx2.ASGITransport(server)
    async with AsyncClient("http://test", retry=retry, transport=transport) as client:
        settings = settings or ReplaySettings(batch=10, concurrency=3)
        return await Replay(client, interactions, "file", settings, lambda _: None).run()


def test_ratings_become_feedback() -> None:
    click = feedback_of(Interaction("u", "i", 10**12, 4.0, 9), "abc", 4.0)
    assert (click.type, click.value, click.event_id) == ("click", None, "abc-9")
    assert click.timestamp == 10**12
    rating = feedback_of(Interaction("u", "i", 5, 3.5, 9), "abc", 4.0)
    assert (rating.type, rating.value) == ("rating", 3.5)
    assert feedback_of(Interaction("u", "i", 5, None, 9), "abc", 4.0).type == "click"


@pytest.mark.parametrize("ts_ms", [0, 1, 999, 73_526_400_123, 99_999_999_999, 100_000_000_000])
async def test_a_server_learns_every_time_that_a_file_can_hold(ts_ms: int) -> None:
    async with served() as real:
        transport = httpx2.ASGITransport(real.app)
        async with AsyncClient("http://test", transport=transport) as client:
            rows = [Interaction("u", "i", ts_ms, None, 2)]
            result = await Replay(client, rows, "file", ReplaySettings(), lambda _: None).run()
            assert (result.accepted, result.learned, result.error) == (1, 1, "")
            user = await client.user("u")
            assert user is not None
            assert user.recent[0].ts_ms == ts_ms


async def test_every_person_in_order_and_nothing_far_ahead(server: FakeServer) -> None:
    interactions = history(1000)
    result = await send(server, interactions)
    assert (result.accepted, result.duplicates, result.conflicts) == (1000, 0, 0)
    assert (result.learned, result.was_empty, result.error) == (1000, True, "")
    assert not result.interrupted
    for user in {one.user for one in interactions}:
        expected = [one.item for one in interactions if one.user == user]
        assert [event.item_id for event in server.log if event.user_id == user] == expected
    places = {one.item: place for place, one in enumerate(interactions)}
    stretch = 10 * 3 * 4
    for place, event in enumerate(server.log):
        assert abs(places[event.item_id] - place) < stretch


async def test_the_second_time_adds_nothing(server: FakeServer) -> None:
    await send(server, history(100))
    again = await send(server, history(100), ReplaySettings(batch=33, concurrency=2))
    assert (again.accepted, again.duplicates, again.conflicts) == (0, 100, 0)
    assert (again.learned, again.was_empty) == (0, False)
    assert len(server.log) == 100


async def test_another_threshold_is_a_conflict(server: FakeServer) -> None:
    await send(server, history(100))
    again = await send(server, history(100), ReplaySettings(click_at=4.0))
    assert (again.accepted, again.duplicates, again.conflicts) == (0, 80, 20)
    assert again.error == ""


async def test_a_lost_acknowledgement_keeps_order_and_count(server: FakeServer) -> None:
    server.faults = [Fault("/v1/events", 503, late=True), Fault("/v1/events", 429)]
    result = await send(server, history(200), attempts=4)
    assert result.accepted + result.duplicates == 200
    assert result.learned == len(server.log) == 200
    for user in range(7):
        times = [event.timestamp for event in server.log if event.user_id == f"u{user}"]
        assert times == sorted(times, key=str)


async def test_ends_at_what_cannot_be_delivered(server: FakeServer) -> None:
    server.unavailable = [{"u1"}] * 10**3
    result = await send(server, history(1000))
    assert "were not taken" in result.error
    assert result.unavailable > 0
    assert result.sent < 1000
    assert not [event for event in server.log if event.user_id == "u1"]


async def test_ends_at_a_refusal(server: FakeServer) -> None:
    server.faults = [Fault("/v1/events", 422)]
    result = await send(server, history(1000))
    assert result.error == "HTTP 422: as ordered"
    assert not result.again
    assert result.learned is None
    assert len(server.log) < 1000


@pytest.mark.parametrize("detail", ["/17/user_id: too long", "no (/17/user_id: too long)"])
async def test_a_refused_row_is_named_by_its_line(server: FakeServer, detail: str) -> None:
    server.faults = [Fault("/v1/events", 422, detail=detail)]
    result = await send(server, history(100, n_users=1), ReplaySettings(batch=50, concurrency=1))
    assert result.error == f"line 19 of the file: HTTP 422: {detail}"


@pytest.mark.parametrize("status", [0, 429, 503])
async def test_what_may_end_by_itself_can_be_tried_again(
    server: FakeServer, url: str, status: int
) -> None:
    server.faults = [Fault("/v1/events", status)]
    async with AsyncClient(url, retry=Retry(attempts=1)) as client:
        settings = ReplaySettings(concurrency=1)
        result = await Replay(client, history(100), "file", settings, lambda _: None).run()
    assert result.error
    assert result.again


async def test_stops_between_batches(server: FakeServer) -> None:
    transport = httpx2.ASGITransport(server)
    async with AsyncClient("http://test", transport=transport) as client:
        settings = ReplaySettings(batch=10, concurrency=1)
        replay = Replay(client, history(1000), "file", settings, lambda _: replay.stop())
        result = await asyncio.wait_for(replay.run(), timeout=10.0)
    assert result.interrupted
    assert result.accepted == len(server.log) == result.learned == 10


def test_settings_have_limits() -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        ReplaySettings(batch=1001)
    with pytest.raises(ValueError, match="at least 1"):
        ReplaySettings(concurrency=0)
