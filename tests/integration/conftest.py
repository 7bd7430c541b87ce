"""One real server per session: Ray, shards, Serve and HAProxy, as ``recsys serve`` starts them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.host.ports import free_port
from actors.settings import HttpSettings, ServerSettings, ShardSettings
from recsys.client import Client
from recsys.killpoints import VARIABLE
from recsys.settings import EngineSettings, JoinerSettings, StoreSettings
from tests.integration.cluster import Cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def free_http() -> HttpSettings:
    """Return ports that nobody uses, all different."""
    ports: dict[int, None] = {}
    while len(ports) < 4:
        ports[free_port()] = None
    port, stats, metrics, dashboard = ports
    return HttpSettings(
        port=port,
        haproxy_stats_port=stats,
        haproxy_metrics_port=metrics,
        dashboard_port=dashboard,
        header_timeout_s=2,
        stall_timeout_s=4,
    )


@pytest.fixture(scope="session")
def cluster(free_http: HttpSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = ServerSettings(
        http=free_http,
        # Longer than the other tests hold a shard.
        shards=ShardSettings(count=2, data_dir=tmp_path_factory.mktemp("data"), stuck_s=12),
        engine=EngineSettings(
            joiner=JoinerSettings(reward_window_s=2.0),
            store=StoreSettings(snapshot_every_s=0.5),
        ),
    )
    running = Cluster(settings, os.environ | {VARIABLE: "1"})
    yield running
    running.stop()


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Client]:
    with Client(cluster.url) as client:
        yield client
