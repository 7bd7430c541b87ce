"""Which topics there must be, and whether those that there are fit the shards."""

from collections.abc import Mapping

from actors.kafka.base import Topic
from actors.settings import ServerSettings

__all__ = ["TopicsMissing", "TopicsUnfit", "check_topics", "names"]


class TopicsMissing(Exception):
    """A topic is not there yet; the message says how to make it."""


class TopicsUnfit(Exception):
    """A topic cannot be used with these settings; the message says what to do."""


def names(settings: ServerSettings) -> list[str]:
    """Return the names of all topics."""
    topics = settings.kafka.topics
    return [topics.feedback, topics.catalogue, topics.decisions, topics.dead_letters]


def check_topics(settings: ServerSettings, found: Mapping[str, Topic]) -> None:
    """Hold what a cluster has against the settings.

    Raises
    ------
    TopicsMissing
        When one is not there.
    TopicsUnfit
        When the feedback topic is divided otherwise than the users are.
    """
    missing = [name for name in names(settings) if name not in found]
    if missing:
        message = f"no topic {', '.join(missing)}; make it with `recsys kafka topics --create`"
        raise TopicsMissing(message)
    feedback, wanted = settings.kafka.topics.feedback, settings.shards.partitions
    has = found[feedback].partitions
    if has != wanted:
        message = (
            f"topic {feedback} has {has} partitions and shards.partitions is {wanted}: users would "
            "be looked for in other partitions than their events are in. Set shards.partitions to "
            f"{has} (for a new data directory), or use a topic with {wanted} partitions"
        )
        raise TopicsUnfit(message)
