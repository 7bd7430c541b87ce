"""A gateway for which Kafka is the log: what comes over HTTP is written there and read by shards.

An answer "accepted" then says that all replicas of a broker have it, not that a shard has learned
it: no sequence is known yet, and a duplicate is noticed only when it is read.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from typing_extensions import override

from actors.errors import Overloaded, ShardUnavailable, StartupError
from actors.http.schema import EventBody
from actors.http.shards import Shards
from actors.http.whereabouts import Whereabouts
from actors.kafka.base import KafkaUnreachable, Message
from actors.kafka.clients import describe_topics
from actors.kafka.publisher import Publisher
from actors.kafka.side import Clients, real_clients
from actors.kafka.topics import TopicsMissing, TopicsUnfit, check_topics, names
from actors.ports import ShardPort
from actors.settings import ServerSettings
from recsys.events import Event, Feedback, ItemRemove, ItemUpsert
from recsys.store.base import Append, Outcome

__all__ = ["BufferFull", "LogShards", "LogUnavailable", "message_of"]

_RETRY_AFTER_S: Final = 1.0
_TYPE: Final = (("content-type", b"application/msgpack"),)
_encoder = msgspec.msgpack.Encoder()


class LogUnavailable(ShardUnavailable):
    """Kafka did not confirm it in time; it may have happened. The shard is who would read it."""

    @override
    def __str__(self) -> str:
        return f"Kafka did not take it: {self.reason}"


class BufferFull(Overloaded):
    """Too much waits for Kafka in this gateway; nothing was done."""

    @override
    def __str__(self) -> str:
        return f"too many events wait for Kafka; retry after {self.retry_after_s:g} s"


def message_of(event: Event, settings: ServerSettings) -> Message:
    """Return an event as the record that ``actors.kafka.records`` makes the same event of."""
    topics = settings.kafka.topics
    match event:
        case Feedback():
            body = EventBody(
                type=event.type,
                user_id=event.user_id,
                item_id=event.item_id,
                event_id=event.event_id,
                decision_id=event.decision_id,
                value=event.value,
                timestamp=event.ts_ms,
                context=event.context,
                # A server of before there was such a thing reads what does without it.
                survival=None if event.survival == 1.0 else event.survival,
            )
            return Message(topics.feedback, event.user_id.encode(), _encoder.encode(body), _TYPE)
        case ItemUpsert():
            item = {
                "event_id": event.event_id,
                "timestamp": event.ts_ms,
                "attributes": event.attributes,
            }
            return Message(topics.catalogue, event.item_id.encode(), _encoder.encode(item), _TYPE)
        case ItemRemove():
            # Without a value, so that compaction forgets the item.
            return Message(topics.catalogue, event.item_id.encode(), None)
        case _:
            message = f"{type(event).__name__} does not come over HTTP"
            raise TypeError(message)


class LogShards(Shards):
    """Writes what others append; asks the shards as others do."""

    def __init__(
        self,
        port: ShardPort,
        settings: ServerSettings,
        whereabouts: Whereabouts,
        clients: Clients | None = None,
    ) -> None:
        super().__init__(port, settings, whereabouts)
        self._settings = settings
        clients = real_clients(settings, "recsys-gateway") if clients is None else clients
        self._publisher = Publisher(
            clients.writer, settings.http.shard_timeout_s, clients.greet or self._look
        )

    @property
    @override
    def learns_later(self) -> bool:
        return True

    async def _look(self) -> None:
        """Write nothing to topics that do not fit: users would be looked for elsewhere."""
        try:
            check_topics(
                self._settings, await describe_topics(self._settings.kafka, names(self._settings))
            )
        except (StartupError, TopicsMissing, TopicsUnfit) as error:
            raise KafkaUnreachable(str(error)) from error

    @override
    async def append(
        self, shard: int, events: Sequence[Event], received_ms: int
    ) -> tuple[Append, ...]:
        await self._write(shard, events)
        return tuple(Append(Outcome.ACCEPTED, 0) for _ in events)

    @override
    async def append_everywhere(self, events: Sequence[Event], received_ms: int) -> None:
        await self._write(0, events)

    async def _write(self, shard: int, events: Sequence[Event]) -> None:
        waiting = self._publisher.queued
        if waiting and waiting + len(events) > self._settings.kafka.buffer_events:
            raise BufferFull(shard, _RETRY_AFTER_S)
        try:
            await self._publisher.send([message_of(event, self._settings) for event in events])
        except KafkaUnreachable as error:
            raise LogUnavailable(shard, str(error)) from error

    @override
    async def close(self) -> None:
        await self._publisher.stop()
