"""The real server on Ray with a real broker: events go through Kafka, and shards are killed."""

import asyncio
import os
from collections.abc import Iterator

import httpx2
import pytest

from actors.host.ports import free_port
from actors.settings import HttpSettings, ServerSettings
from recsys.client import Client
from tests.integration.cluster import Cluster, wait_until
from tests.kafka.rig import Rig, click, user_in


@pytest.fixture
def server(settings: ServerSettings) -> Iterator[Cluster]:
    """Start a server whose gateway writes to Kafka; its topics are there."""
    rig = Rig(settings)
    asyncio.run(rig.open_topics())
    ports: dict[int, None] = {}
    while len(ports) < 4:
        ports[free_port()] = None
    port, stats, metrics, dashboard = ports
    http = HttpSettings(
        port=port, haproxy_stats_port=stats, haproxy_metrics_port=metrics, dashboard_port=dashboard
    )
    kafka = settings.kafka.model_copy(update={"gateway_log": True})
    running = Cluster(settings.model_copy(update={"http": http, "kafka": kafka}), os.environ)
    yield running
    running.stop()


def counts(server: Cluster) -> dict[str, int]:
    """Return sums over the shards that answer."""
    shards = httpx2.get(f"{server.url}/v1/stats", timeout=10).json()["shards"]
    return {
        "learned": sum(sum(shard["engine"]["feedback"].values()) for shard in shards),
        "records": sum(shard["kafka"]["records"] for shard in shards),
        "published": sum(shard["kafka"]["decisions_published"] for shard in shards),
        "lag": sum(sum(shard["kafka"]["lag"].values()) for shard in shards),
        "reading": sum(shard["kafka"]["state"] == "reading" for shard in shards),
    }


def test_a_killed_shard_goes_on_where_it_was_and_learns_everything_once(server: Cluster) -> None:
    server.wait_until_ready()
    users = [user_in(number, 4, nth) for number in range(4) for nth in range(5)]
    wait_until("both shards read", lambda: counts(server)["reading"] == 2)
    sent = 0

    def send(events: int) -> None:
        nonlocal sent
        body = [click(n, users[n % len(users)]) for n in range(sent, sent + events)]
        answer = httpx2.post(f"{server.url}/v1/events", json=body, timeout=10)
        assert answer.status_code == 202, answer.text
        sent += events

    for _ in range(10):
        send(40)
    server.kill_process(server.shard_pid(0))
    # Kafka takes events while a shard is away.
    for _ in range(10):
        send(40)
    server.wait_until_ready()
    wait_until("all is learned", lambda: counts(server)["learned"] >= sent)
    assert counts(server)["learned"] == sent == 800
    with Client(server.url) as client:
        decisions = [client.recommend(user, n=3).decision_id for user in users]
    wait_until("decisions are published", lambda: counts(server)["published"] >= len(decisions))

    async def published() -> set[str]:
        records = await Rig(server.settings).read_all(
            server.settings.kafka.topics.decisions, 4, len(decisions)
        )
        return {(dict(record.headers)["event-id"] or b"").decode() for record in records}

    assert asyncio.run(published()) == set(decisions)
    assert not any("data_gap" in notice for notice in server.notices())
