"""Whatever a record holds, it is an event that keeps all limits, or a refusal with a cause."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.kafka.base import Partition, Record
from actors.kafka.dead_letters import letter
from actors.kafka.records import CAUSES, Decoder, Refused
from recsys.events import Event, Feedback, validate
from recsys.partition import partition_of
from tests.unit.actors.kafka.fakes import SETTINGS

TOPICS = SETTINGS.kafka.topics
DECODER = Decoder(SETTINGS)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["click", "rating", "stare"]),
        "user_id": st.text(max_size=6) | values,
        "item_id": st.text(max_size=6) | values,
        "event_id": st.text(max_size=6),
        "value": values,
        "timestamp": values,
        "context": values,
        "attributes": values,
        "specversion": st.just("1.0"),
        "id": st.text(max_size=4),
        "source": st.text(max_size=4),
        "data": values,
    },
)


@st.composite
def encoded(draw: st.DrawFn) -> bytes:
    document = draw(documents | values)
    as_json = draw(st.booleans())
    try:
        return msgspec.json.encode(document) if as_json else msgspec.msgpack.encode(document)
    except (msgspec.MsgspecError, OverflowError, UnicodeEncodeError):
        return b"{}"


headers = st.lists(
    st.tuples(
        st.sampled_from(
            ["content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"]
        )
        | st.text(max_size=5),
        st.sampled_from(
            [b"application/json", b"application/msgpack", b"application/cloudevents+json", b"1.0"]
        )
        | st.binary(max_size=12),
    ),
    max_size=6,
).map(tuple)
records = st.builds(
    Record,
    partition=st.builds(
        Partition, st.sampled_from([TOPICS.feedback, TOPICS.catalogue]), st.integers(0, 3)
    ),
    offset=st.integers(0, 2**62),
    ts_ms=st.integers(-1, 2**42),
    key=st.none() | st.binary(max_size=8),
    value=st.none() | st.binary(max_size=40) | encoded(),
    headers=headers,
)


def decoded(record: Record) -> Event | Refused | None:
    try:
        return DECODER.event(record, 1)
    except Refused as why:
        return why


@given(records)
def test_any_record_is_an_event_or_a_refusal(record: Record) -> None:
    found = decoded(record)
    match found:
        case Refused():
            assert found.cause in CAUSES
            message = letter("dead", record, found, 0)
            assert message.value == record.value
            assert dict(message.headers)["dl-cause"] == found.cause.encode()
        case None:
            assert record.value is None
        case _:
            validate(found)
            assert decoded(record) == found or record.ts_ms < 0
            if isinstance(found, Feedback):
                assert partition_of(found.user_id, 4) == record.partition.number


@given(st.binary(max_size=20), st.integers(0, 2_000_000), st.integers(0, 2_000_000))
def test_a_letter_is_never_too_large_to_be_written(text: bytes, value: int, header: int) -> None:
    record = Record(
        Partition(TOPICS.feedback, 0), 0, 0, text, b"v" * value, (("a", b"h" * header), ("b", text))
    )
    message = letter("dead", record, Refused("too_large", "x" * 10_000), 0)
    size = len(message.key or b"") + len(message.value or b"")
    size += sum(len(name) + len(content) for name, content in message.headers)
    assert size < 1_000_000
    whole = value + header < 900_000
    assert ("dl-cut" not in dict(message.headers)) or not whole
