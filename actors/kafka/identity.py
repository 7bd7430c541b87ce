"""Asks a cluster what its topics are, ids included.

A topic that was deleted and made again has the name, but not the id of the one before, and its
offsets mean something else. aiokafka's own metadata request is of a version without ids, so this
is version 12 of the same request (KIP-516), in aiokafka's own words.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Final, cast

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)
from typing_extensions import override

from actors.kafka.base import Topic

__all__ = ["describe"]

_METADATA: Final = 3
_VERSION: Final = 12
_NO_ID: Final = bytes(16)
_UNKNOWN_TOPIC: Final = 3
_LEADER_MISSING: Final = 5


class _Uuid(AbstractType[bytes]):
    @classmethod
    @override
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    @override
    def decode(cls, data: BytesIO) -> bytes:
        value = data.read(16)
        if len(value) != 16:
            message = "the answer ends inside of a topic's id"
            raise ValueError(message)
        return value


class _Response(Response):
    API_KEY = _METADATA
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )
    topics: "Sequence[tuple[int, str, bytes, bool, Sequence[object], int, dict[int, bytes]]]"


class _Struct(RequestStruct):
    API_KEY = _METADATA
    API_VERSION = _VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Request(Request[_Struct]):
    API_KEY = _METADATA

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    @override
    def build(self, request_struct_class: type[_Struct]) -> _Struct:
        wanted: list[object] = [(_NO_ID, name, {}) for name in self._names]
        return request_struct_class(wanted, False, False, {})


async def describe(client: AIOKafkaClient, names: Sequence[str]) -> dict[str, Topic]:
    """Return those of the topics that there are.

    Raises
    ------
    aiokafka.errors.KafkaError
        When no broker answers, or it may not say.
    """
    node = client.get_random_node()
    if node is None:
        message = "no broker is known"
        raise KafkaConnectionError(message)
    response = cast(_Response, await client.send(node, _Request(names)))
    topics = dict[str, Topic]()
    for code, name, topic_id, _, partitions, *_ in response.topics:
        if code == _UNKNOWN_TOPIC:
            continue
        if code not in {0, _LEADER_MISSING}:
            raise for_code(code)(name)
        # Half of the id tells topics apart well enough, and fits where offsets are kept.
        mark = int.from_bytes(topic_id[:8], "big") >> 1
        topics[name] = Topic(partitions=len(partitions), mark=mark or 1)
    return topics
