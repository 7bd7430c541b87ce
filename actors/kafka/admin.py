"""Makes the topics that a server needs."""

import asyncio
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from actors.errors import StartupError
from actors.kafka.clients import describe_topics
from actors.kafka.connection import connection, unreachable
from actors.kafka.topics import names
from actors.settings import ServerSettings

__all__ = ["create_topics", "wanted"]

_CATALOGUE_PARTITIONS: Final = 4
"""Every shard reads all of it; a few let producers write at the same time."""


def wanted(settings: ServerSettings) -> dict[str, tuple[int, dict[str, str]]]:
    """Return each topic's number of partitions and what is set on it."""
    topics, users = settings.kafka.topics, settings.shards.partitions
    return {
        # Where something is compacted away, nobody could tell that nothing was lost.
        topics.feedback: (users, {"cleanup.policy": "delete"}),
        topics.catalogue: (_CATALOGUE_PARTITIONS, {"cleanup.policy": "compact"}),
        topics.decisions: (users, {}),
        topics.dead_letters: (1, {}),
    }


async def create_topics(settings: ServerSettings, *, replication: int) -> list[str]:
    """Make the topics that are not there, and return their names.

    Parameters
    ----------
    replication
        Brokers that keep each partition; -1 leaves it to the cluster.

    Raises
    ------
    StartupError
        When a topic cannot be made.
    KafkaUnreachable
        When no broker answers.
    """
    there = await describe_topics(settings.kafka, names(settings))
    missing = {name: how for name, how in wanted(settings).items() if name not in there}
    if not missing:
        return []
    with unreachable():
        admin = AIOKafkaAdminClient(**connection(settings.kafka, "recsys-admin"))
        try:
            async with asyncio.timeout(settings.kafka.answer_timeout_s * 3):
                await admin.start()
                answer = await admin.create_topics(
                    [
                        NewTopic(name, partitions, replication, topic_configs=configs)
                        for name, (partitions, configs) in missing.items()
                    ]
                )
        finally:
            await admin.close()
    for name, code, why in answer.topic_errors:
        if code and for_code(code) is not TopicAlreadyExistsError:
            message = f"topic {name} could not be made: {why or for_code(code).__name__}"
            raise StartupError(message)
    await _until_known(settings)
    return list(missing)


async def _until_known(settings: ServerSettings) -> None:
    """Wait until the brokers have heard of the topics: it takes a moment."""
    with unreachable():
        async with asyncio.timeout(settings.kafka.answer_timeout_s):
            await _ask_until_known(settings)


async def _ask_until_known(settings: ServerSettings) -> None:
    while True:
        known = await describe_topics(settings.kafka, names(settings))
        if len(known) == len(names(settings)):
            return
        await asyncio.sleep(0.1)
