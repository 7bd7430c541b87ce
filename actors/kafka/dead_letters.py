"""Records that are no events go to a topic of their own, with all that is needed to mend them."""

from collections.abc import Sequence
from typing import Final

from actors.kafka.base import MAX_MESSAGE_BYTES, Message, Record
from actors.kafka.publisher import Publisher
from actors.kafka.records import Refused

__all__ = ["DeadLetters", "letter"]

_ROOM: Final = 1 << 14
"""Bytes of a letter that are kept for our own headers and Kafka's framing."""
_DETAIL: Final = 500
_HEADERS: Final = 64


def letter(topic: str, record: Record, refused: Refused, shard: int) -> Message:
    """Return the letter: the record as it was, and why and where from in headers ``dl-...``.

    What does not fit is cut, and ``dl-cut`` says so; the record itself is still where it was.
    """
    added = {
        "dl-cause": refused.cause,
        "dl-detail": refused.detail[:_DETAIL],
        "dl-topic": record.partition.topic,
        "dl-partition": str(record.partition.number),
        "dl-offset": str(record.offset),
        "dl-timestamp": str(record.ts_ms),
        "dl-shard": str(shard),
    }
    room = MAX_MESSAGE_BYTES - _ROOM
    key = record.key[:room] if record.key is not None else None
    room -= len(key or b"")
    kept = list[tuple[str, bytes]]()
    for name, content in record.headers[:_HEADERS]:
        size = len(name.encode(errors="replace")) + len(content)
        if size <= room and not name.startswith("dl-"):
            kept.append((name, content))
            room -= size
    value = record.value[:room] if record.value is not None else None
    if (key, value, len(kept)) != (record.key, record.value, len(record.headers)):
        added["dl-cut"] = "true"
    return Message(
        topic=topic,
        key=key,
        value=value,
        headers=(
            *kept,
            *((name, text.encode(errors="replace")) for name, text in added.items()),
        ),
    )


class DeadLetters:
    """The topic of one shard's dead letters."""

    def __init__(self, publisher: Publisher, topic: str, shard: int) -> None:
        self._publisher = publisher
        self._topic = topic
        self._shard = shard

    async def put(self, refused: Sequence[tuple[Record, Refused]]) -> None:
        """Return when all replicas have the letters.

        Raises
        ------
        KafkaUnreachable
            When they may not have them; the records must not be passed over then.
        """
        if refused:
            await self._publisher.send(
                [letter(self._topic, record, why, self._shard) for record, why in refused]
            )
