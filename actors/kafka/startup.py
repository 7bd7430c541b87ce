"""What is looked at before a server with Kafka starts, so that a mistake is told at once."""

import logging

from actors.errors import StartupError
from actors.kafka.base import KafkaUnreachable
from actors.kafka.clients import describe_topics
from actors.kafka.topics import TopicsMissing, TopicsUnfit, check_topics, names
from actors.settings import ServerSettings

__all__ = ["refuse_unfit_topics"]

_log = logging.getLogger(__name__)


async def refuse_unfit_topics(settings: ServerSettings) -> None:
    """Refuse topics that are not there or do not fit; a cluster that is away may come back.

    Raises
    ------
    StartupError
        Saying what to do.
    """
    try:
        check_topics(settings, await describe_topics(settings.kafka, names(settings)))
    except (TopicsMissing, TopicsUnfit) as error:
        raise StartupError(str(error)) from error
    except KafkaUnreachable as error:
        _log.warning("starting without Kafka, which does not answer: %s", error)
