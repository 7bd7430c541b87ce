"""What is looked at before a server with Kafka starts, so that a mistake is told at once."""

from actors.errors import StartupError
from actors.kafka.base import KafkaUnreachable
from actors.kafka.clients import describe_topics
from actors.kafka.topics import TopicsMissing, TopicsUnfit, check_topics, names
from actors.settings import ServerSettings

__all__ = ["refuse_unfit_topics"]


async def refuse_unfit_topics(settings: ServerSettings) -> str:
    """Refuse topics that are not there or do not fit; a cluster that is away may come back.

    One that does not let us in may be told to: lists are made without it, and credentials that have
    expired must not keep a server from coming up.

    Returns
    -------
    str
        What the operator should know, empty when all is well.

    Raises
    ------
    StartupError
        Saying what to do: so, too, when the settings lack what a connection needs.
    """
    try:
        check_topics(settings, await describe_topics(settings.kafka, names(settings)))
    except (TopicsMissing, TopicsUnfit) as error:
        raise StartupError(str(error)) from error
    except KafkaUnreachable as error:
        return f"starting without Kafka, and trying again all the while: {error}"
    return ""
