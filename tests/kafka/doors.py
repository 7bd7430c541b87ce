"""Other ways into the broker of the tests, and what is seen of a server that is not let in."""

import httpx2
import pytest

from actors.kafka.settings import SecuritySettings
from actors.settings import ServerSettings

__all__ = ["reader_check", "said_of_kafka", "through"]


def through(settings: ServerSettings, address: str, security: SecuritySettings) -> ServerSettings:
    """Return settings that reach the broker by another of its addresses."""
    update = {"security": security, "bootstrap_servers": [address]}
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=update)})


async def reader_check(client: httpx2.AsyncClient, shard: int) -> tuple[bool, str]:
    """Return what ``/readyz`` says of a shard's reading; the server itself must be ready."""
    answer = await client.get("/readyz")
    assert answer.status_code == 200, "lists are served"
    checks = {check["name"]: check for check in answer.json()["checks"]}
    mine = checks[f"kafka of shard {shard}"]
    return mine["ok"], mine["detail"]


def said_of_kafka(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what shards wrote into the log of not reading, sorted."""
    lines = [record.getMessage() for record in caplog.records]
    return sorted(line for line in lines if "not reading from Kafka" in line)
