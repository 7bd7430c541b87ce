"""One real broker per session: our own, or the one that KAFKA_BOOTSTRAP_SERVERS names."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from actors.kafka.settings import KafkaSettings, TopicSettings
from actors.settings import ServerSettings, ShardSettings
from recsys.settings import EngineSettings, JoinerSettings, StoreSettings
from tests.kafka.broker import Broker
from tests.kafka.jars import Missing
from tests.kafka.rig import Rig


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Give a broker that the tests may end and start; skips where there is only a foreign one."""
    if "KAFKA_BOOTSTRAP_SERVERS" in os.environ:
        pytest.skip("KAFKA_BOOTSTRAP_SERVERS names a broker that is not ours to stop")
    try:
        broker = Broker(tmp_path_factory.mktemp("kafka"))
    except Missing as error:
        pytest.skip(f"no broker: {error}, and KAFKA_BOOTSTRAP_SERVERS is not set")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def bootstrap(request: pytest.FixtureRequest) -> str:
    """Return the address of a broker."""
    foreign = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if foreign:
        return foreign
    broker: Broker = request.getfixturevalue("own_broker")
    return broker.bootstrap


@pytest.fixture
def settings(bootstrap: str, tmp_path: Path) -> ServerSettings:
    """Return settings with topics of the test's own: two shards, four partitions."""
    mine = uuid.uuid4().hex[:12]
    return ServerSettings(
        shards=ShardSettings(count=2, partitions=4, data_dir=tmp_path / "data"),
        engine=EngineSettings(
            joiner=JoinerSettings(reward_window_s=2.0), store=StoreSettings(snapshot_every_s=0.5)
        ),
        kafka=KafkaSettings(
            enabled=True,
            bootstrap_servers=bootstrap.split(","),
            group=f"group-{mine}",
            topics=TopicSettings(
                feedback=f"{mine}.feedback",
                catalogue=f"{mine}.catalogue",
                decisions=f"{mine}.decisions",
                dead_letters=f"{mine}.dead-letters",
            ),
            probe_every_s=0.3,
            answer_timeout_s=10.0,
            longest_pause_s=1.0,
        ),
    )


@pytest_asyncio.fixture
async def rig(settings: ServerSettings) -> AsyncIterator[Rig]:
    """Give a rig whose topics are there and whose shards are not started."""
    rig = Rig(settings)
    await rig.open()
    yield rig
    await rig.close()
