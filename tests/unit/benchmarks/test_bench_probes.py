"""Probes of a server in a thread, and of nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from actors.host.ports import free_port
from benchmarks.probes import Probe
from benchmarks.sender import Sender
from recsys.client import AsyncClient, Client, Item, Recommended
from tests.servers import live

ITEMS = [f"i{number}" for number in range(20)]


@asynccontextmanager
async def probing(url: str) -> AsyncIterator[tuple[Probe, Sender, list[Recommended]]]:
    shown: list[Recommended] = []
    sender, end = Sender(AsyncClient(url), [], 1), asyncio.Event()
    probe = Probe(0, url, ("reader", "writer"), ITEMS, sender, shown.append)
    running = asyncio.create_task(probe.run(end))
    yield probe, sender, shown
    end.set()
    await running


async def until_well(probe: Probe) -> None:
    since_s = perf_counter()
    async with asyncio.timeout(10):
        while True:
            if probe.well_since(since_s):
                return
            await asyncio.sleep(0.01)


async def test_what_a_probe_sends_is_acknowledged_and_what_it_is_shown_is_kept() -> None:
    with live() as url:
        with Client(url) as client:
            client.put_items([Item(item, {}) for item in ITEMS])
        async with probing(url) as (probe, sender, shown):
            await until_well(probe)
            assert probe.refusals() == {}
        assert {event.event_id for event in sender.sent} == sender.acknowledged
        assert len(sender.sent) == len(probe.acks) > 0
        assert len(shown) == len(probe.lists) > 0
        with Client(url) as client:
            writer = client.user("writer")
        assert writer is not None
        assert writer.events == len(sender.sent)


async def test_what_nobody_answers_is_sent_again_with_the_same_id() -> None:
    port = free_port()
    sender, end = Sender(AsyncClient("http://nowhere"), [], 1), asyncio.Event()
    url = f"http://127.0.0.1:{port}"
    probe = Probe(0, url, ("reader", "writer"), ITEMS, sender, lambda shown: None)
    running = asyncio.create_task(probe.run(end))
    async with asyncio.timeout(10):
        while True:
            if len(probe.acks) >= 3 and probe.lists:
                break
            await asyncio.sleep(0.01)
    assert not probe.well_since(0.0)
    assert set(probe.refusals()) == {"0 ConnectError"}
    assert [event.event_id for event in sender.sent] == ["writer-act-1"]
    assert sender.acknowledged == set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
