import asyncio

import httpx2
import msgspec
import pytest

from benchmarks.sender import Sender
from benchmarks.streams import synthetic
from recsys.client import AsyncClient, Retry
from tests.unit.simulators.fake_server import FakeServer, Fault

CONNECTIONS = 3


def client_of(server: FakeServer, attempts: int) -> AsyncClient:
    retry = Retry(attempts=attempts, first_s=0.0)
    return AsyncClient("http://test", retry=retry, transport=httpx2.ASGITransport(server))


async def test_every_person_in_order_whatever_gets_lost() -> None:
    server, events = FakeServer(), synthetic(200, 1).events
    # Twice done but not acknowledged, and once refused.
    late = Fault("/v1/events", 503, late=True)
    server.faults = [late, Fault("/v1/events", 429), msgspec.structs.replace(late)]
    async with client_of(server, attempts=5) as client:
        sender = Sender(client, events, batch=10)
        await sender.send(CONNECTIONS)
    assert sender.acknowledged == {event.event_id for event in events}
    assert sorted(sender.sent, key=events.index) == events
    assert sender.repeated == 20
    assert len(server.log) == 200
    for user_id in {event.user_id for event in events}:
        logged = [event.event_id for event in server.log if event.user_id == user_id]
        assert logged == [event.event_id for event in events if event.user_id == user_id]


async def test_who_waits_for_a_count_is_woken() -> None:
    server, events = FakeServer(), synthetic(100, 1).events
    async with client_of(server, attempts=1) as client:
        sender = Sender(client, events, batch=5)
        waiting = asyncio.create_task(sender.reach(40))
        await sender.send(1)
        await asyncio.wait_for(waiting, timeout=10)
    assert len(sender.ack_ms) == 20


async def test_an_event_that_is_never_taken_is_no_silent_loss() -> None:
    server, events = FakeServer(), synthetic(50, 1).events
    server.unavailable = [{events[0].user_id}] * 100
    async with client_of(server, attempts=3) as client:
        with pytest.raises(ExceptionGroup) as raised:
            await Sender(client, events, batch=50).send(1)
    assert "were not taken" in str(raised.value.exceptions[0])
