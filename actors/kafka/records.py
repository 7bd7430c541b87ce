"""From a record to an event, or to the cause for which it is none.

A record on the feedback topic is keyed by the user's id and holds the document that ``POST
/v1/events`` takes, in JSON or msgpack as its ``content-type`` header says, or a CloudEvent with
that document as its data. A record on the catalogue topic is keyed by the item's id and holds the
document that ``PUT /v1/items/{id}`` takes; without a value it removes the item.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta
from typing_extensions import override

from actors.http.feedback import feedback_of, time_of
from actors.http.schema import EventBody, Id
from actors.kafka.base import Record
from actors.kafka.cloudevents import STRUCTURED, Envelope, open_binary, open_structured
from actors.settings import ServerSettings
from recsys.clock import now_ms
from recsys.errors import InvalidEvent
from recsys.events import Attributes, Feedback, ItemRemove, ItemUpsert, validate
from recsys.partition import partition_of

__all__ = ["CAUSES", "Cause", "Decoder", "Refused"]

Cause = Literal[
    "too_large", "content_type", "unreadable", "cloudevents", "invalid", "key", "partition", "room"
]
"""Why a record was not taken; also the label of its metric."""
CAUSES: Final = (
    "too_large", "content_type", "unreadable", "cloudevents", "invalid", "key", "partition", "room",
)  # fmt: skip
_JSON: Final = "application/json"
_TYPES: Final = {
    _JSON: "json",
    "text/json": "json",
    "application/msgpack": "msgpack",
    "application/vnd.msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
}

T = TypeVar("T")


class Refused(Exception):
    """A record that is no event.

    Parameters
    ----------
    detail
        What was expected and what was got.
    """

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(cause, detail)
        self.cause: Cause = cause
        self.detail = detail

    @override
    def __str__(self) -> str:
        return f"{self.cause}: {self.detail}"


class _ItemBody(msgspec.Struct, forbid_unknown_fields=True):
    """All attributes of an item; the id may be left to the key."""

    item_id: Id | None = None
    attributes: Attributes = {}
    event_id: Id | None = None
    timestamp: Annotated[datetime, Meta(tz=True)] | int | None = None


class Decoder:
    """Reads records of the two topics that come in."""

    def __init__(self, settings: ServerSettings) -> None:
        self._catalogue = settings.kafka.topics.catalogue
        self._partitions = settings.shards.partitions
        self._limit = settings.kafka.max_record_bytes
        self._skew_s = settings.http.future_skew_s
        self._feedback: dict[str, Callable[[bytes], EventBody]] = {
            "json": msgspec.json.Decoder(EventBody).decode,
            "msgpack": msgspec.msgpack.Decoder(EventBody).decode,
        }
        self._items: dict[str, Callable[[bytes], _ItemBody]] = {
            "json": msgspec.json.Decoder(_ItemBody).decode,
            "msgpack": msgspec.msgpack.Decoder(_ItemBody).decode,
        }

    def event(self, record: Record, mark: int) -> Feedback | ItemUpsert | ItemRemove | None:
        """Return the event of a record, ``None`` for one that says nothing.

        Parameters
        ----------
        mark
            Of the record's topic, so that its ids differ from those of a topic of the same name.

        Raises
        ------
        Refused
            When it is none.
        """
        if record.value is not None and len(record.value) > self._limit:
            detail = f"a value has at most {self._limit} bytes, got {len(record.value)}"
            raise Refused("too_large", detail)
        try:
            if record.partition.topic == self._catalogue:
                return self._item(record, mark)
            return self._act(record, mark)
        except InvalidEvent as error:
            raise Refused("invalid", str(error)) from None

    def _act(self, record: Record, mark: int) -> Feedback | None:
        if record.value is None:
            return None
        kind, value, envelope = _unwrap(record, record.value)
        body = _decode(self._feedback[kind], value)
        if record.key is not None and record.key != body.user_id.encode():
            raise Refused("key", "the key must be the user_id, or absent")
        owner = partition_of(body.user_id, self._partitions)
        if owner != record.partition.number:
            detail = (
                f"this user belongs to partition {owner}, the record came in "
                f"{record.partition.number}: key it by the user_id and use Kafka's own "
                "partitioner (murmur2)"
            )
            raise Refused("partition", detail)
        if body.event_id is None:
            body.event_id = _id_of(record, mark) if envelope is None else envelope.id
        if body.timestamp is None:
            body.timestamp = _time_of(record, envelope)
        return feedback_of(body, "", now_ms(), self._skew_s)

    def _item(self, record: Record, mark: int) -> ItemUpsert | ItemRemove:
        key = None if record.key is None else _text(record.key)
        if record.value is None:
            if key is None:
                raise Refused("key", "a record without a value needs the item_id as its key")
            removed = ItemRemove(
                event_id=_id_of(record, mark),
                ts_ms=time_of(_time_of(record, None), "", now_ms(), self._skew_s),
                item_id=key,
            )
            validate(removed)
            return removed
        kind, value, envelope = _unwrap(record, record.value)
        body = _decode(self._items[kind], value)
        item_id = body.item_id if key is None else key
        if item_id is None:
            raise Refused("key", "there is neither a key nor an item_id")
        if body.item_id not in {None, item_id}:
            raise Refused("key", "the key must be the item_id, or absent")
        own_id = _id_of(record, mark) if envelope is None else envelope.id
        timestamp = _time_of(record, envelope) if body.timestamp is None else body.timestamp
        item = ItemUpsert(
            event_id=own_id if body.event_id is None else body.event_id,
            ts_ms=time_of(timestamp, "", now_ms(), self._skew_s),
            item_id=item_id,
            attributes=body.attributes,
        )
        validate(item)
        return item


def _unwrap(record: Record, value: bytes) -> tuple[str, bytes, Envelope | None]:
    """Return in what the document is written, the document, and the envelope that it was in."""
    try:
        headers = {name.lower(): content.decode() for name, content in record.headers}
    except UnicodeDecodeError:
        raise Refused("unreadable", "a header is not UTF-8") from None
    content_type = headers.get("content-type", _JSON)
    name = content_type.partition(";")[0].strip().lower()
    try:
        if name == STRUCTURED:
            envelope: Envelope | None = open_structured(value)
        else:
            envelope = open_binary(headers, content_type, value)
    except (ValueError, RecursionError) as error:
        raise Refused("cloudevents", str(error)) from None
    if envelope is not None:
        name, value = envelope.content_type.partition(";")[0].strip().lower(), envelope.data
    kind = _TYPES.get(name)
    if kind is None:
        allowed = f"{_JSON}, application/msgpack, {STRUCTURED}"
        raise Refused("content_type", f"must be one of {allowed}; got {name[:80]!r}")
    return kind, value, envelope


def _decode(decode: Callable[[bytes], T], value: bytes) -> T:
    try:
        return decode(value)
    except msgspec.ValidationError as error:
        raise Refused("invalid", str(error)) from None
    except msgspec.DecodeError as error:
        raise Refused("unreadable", str(error)) from None
    except UnicodeDecodeError as error:
        raise Refused("unreadable", f"not UTF-8: {error.reason}") from None
    except RecursionError:
        raise Refused("unreadable", "nested too deeply") from None


def _text(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise Refused("key", "the key is not UTF-8") from None


def _time_of(record: Record, envelope: Envelope | None) -> datetime | int:
    """Return when it happened according to what is around a document that does not say it."""
    if envelope is not None and envelope.time is not None:
        return envelope.time
    return record.ts_ms if record.ts_ms >= 0 else now_ms()


def _id_of(record: Record, mark: int) -> str:
    """Make the id of a record that has none: the same whenever and wherever it is read."""
    place = f"{mark}/{record.partition.number}/{record.offset}".encode()
    return f"kafka-{hashlib.blake2b(place, digest_size=16).hexdigest()}"
