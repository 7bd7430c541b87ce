"""What a record says, or why it says nothing."""

import base64
import json

import msgspec
import pytest

from actors.kafka.base import Partition, Record
from actors.kafka.records import CAUSES, Decoder, Refused
from recsys.clock import now_ms
from recsys.events import Feedback, ItemRemove, ItemUpsert
from tests.unit.actors.kafka.fakes import SETTINGS, user_in

TOPICS = SETTINGS.kafka.topics
USER = user_in(1)
HERE = Partition(TOPICS.feedback, 1)
MADE_MS = 1_700_000_000_000
CLICK = {"type": "click", "user_id": USER, "item_id": "i1"}
ENVELOPE = {"specversion": "1.0", "id": "c1", "source": "/s", "type": "t"}


def record(
    value: object,
    key: str | bytes | None = USER,
    headers: dict[str, bytes] | None = None,
    partition: Partition = HERE,
    offset: int = 7,
    ts_ms: int = MADE_MS,
) -> Record:
    body = value if isinstance(value, bytes) or value is None else msgspec.json.encode(value)
    named = key.encode() if isinstance(key, str) else key
    return Record(partition, offset, ts_ms, named, body, tuple((headers or {}).items()))


def item(value: object, key: str | bytes | None = "i1", **more: object) -> Record:
    return record(value, key, partition=Partition(TOPICS.catalogue, 0), **more)  # type: ignore[arg-type]


def decoded(one: Record, mark: int = 5) -> object:
    return Decoder(SETTINGS).event(one, mark)


def refusal(one: Record) -> Refused:
    with pytest.raises(Refused) as caught:
        decoded(one)
    assert caught.value.cause in CAUSES
    return caught.value


def test_json_is_what_a_record_without_a_content_type_holds() -> None:
    event = decoded(record({**CLICK, "event_id": "e1", "value": 2, "context": {"page": "home"}}))
    assert event == Feedback(
        event_id="e1", user_id=USER, ts_ms=MADE_MS, type="click", item_id="i1", value=2.0,
        context={"page": "home"},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["application/msgpack", "Application/X-MsgPack; v=1"])
def test_msgpack_is_told_by_the_content_type(name: str) -> None:
    body = msgspec.msgpack.encode({**CLICK, "timestamp": MADE_MS + 5, "survival": 0.5})
    event = decoded(record(body, headers={"Content-Type": name.encode()}))
    assert isinstance(event, Feedback)
    assert (event.ts_ms, event.survival) == (MADE_MS + 5, 0.5)


@pytest.mark.parametrize("survival", [0, 0.001, 1.5, True, "1"])
def test_a_survival_that_is_none_is_refused(survival: object) -> None:
    assert "survival" in str(refusal(record({**CLICK, "survival": survival})))


def test_an_id_is_made_of_the_place_and_of_the_topic() -> None:
    first = decoded(record(CLICK))
    assert first == decoded(record(CLICK))
    others = [decoded(record(CLICK, offset=8)), decoded(record(CLICK), mark=6)]
    ids = {event.event_id for event in [first, *others] if isinstance(event, Feedback)}
    assert len(ids) == 3


def test_the_documents_own_id_and_time_win_over_the_envelopes() -> None:
    own = {**CLICK, "event_id": "own", "timestamp": "2026-01-01T00:00:00Z"}
    headers = {"content-type": b"application/cloudevents+json"}
    outer = {**ENVELOPE, "time": "2026-02-02T00:00:00Z", "extension": 1}
    event = decoded(record({**outer, "data": own}, headers=headers))
    assert isinstance(event, Feedback)
    assert (event.event_id, event.ts_ms) == ("own", 1_767_225_600_000)
    bare = decoded(record({**outer, "data": CLICK}, headers=headers))
    assert isinstance(bare, Feedback)
    assert (bare.event_id, bare.ts_ms) == ("c1", 1_769_990_400_000)


def test_a_structured_event_may_carry_bytes() -> None:
    data = base64.b64encode(msgspec.msgpack.encode(CLICK)).decode()
    outer = {**ENVELOPE, "datacontenttype": "application/msgpack", "data_base64": data}
    event = decoded(record(outer, headers={"content-type": b"application/cloudevents+json"}))
    assert isinstance(event, Feedback)
    assert event.event_id == "c1"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"specversion": "0.3"}, "1.0"),
        ({"id": ""}, "id"),
        ({"source": None}, "source"),
        ({"time": "yesterday"}, "time"),
        ({"data": {}, "data_base64": "AA=="}, "exclude"),
        ({"data_base64": "?"}, "data_base64"),
    ],
)
def test_a_broken_envelope_is_refused(change: dict[str, object], says: str) -> None:
    headers = {"content-type": b"application/cloudevents+json"}
    why = refusal(record({**ENVELOPE, **change}, headers=headers))
    assert why.cause == "cloudevents"
    assert says in why.detail


@pytest.mark.parametrize("missing", ["ce_id", "ce_source", "ce_type"])
def test_a_binary_event_needs_its_headers(missing: str) -> None:
    headers = {f"ce_{name}": value.encode() for name, value in ENVELOPE.items()}
    del headers[missing]
    why = refusal(record(CLICK, headers=headers))
    assert (why.cause, missing in why.detail) == ("cloudevents", True)
    headers[missing] = b"x"
    assert isinstance(decoded(record(CLICK, headers=headers)), Feedback)
    assert refusal(record(CLICK, headers={**headers, "ce_time": b"soon"})).cause == "cloudevents"


@pytest.mark.parametrize(
    ("one", "cause"),
    [
        (record(b""), "unreadable"),
        (record(b"\xff"), "unreadable"),
        (record(b"[" * 100_000), "invalid"),
        (record(CLICK, headers={"x": b"\xff"}), "unreadable"),
        (record(b"\x81", headers={"content-type": b"application/msgpack"}), "unreadable"),
        (record([CLICK]), "invalid"),
        (record({**CLICK, "more": 1}), "invalid"),
        (record({**CLICK, "value": 1e300}), "invalid"),
        (record(b'{"type":"click","user_id":"u","item_id":"i","value":NaN}'), "unreadable"),
        (record({**CLICK, "item_id": "a\nb"}), "invalid"),
        (record({**CLICK, "timestamp": 1_700_000_000}), "invalid"),
        (record({**CLICK, "timestamp": now_ms() + 3_600_000}), "invalid"),
        (record(CLICK, ts_ms=now_ms() + 3_600_000), "invalid"),
        (record(CLICK, key="somebody"), "key"),
        (record(CLICK, key=b""), "key"),
        (record(CLICK, partition=Partition(TOPICS.feedback, 2)), "partition"),
        (record(CLICK, headers={"content-type": b"text/csv"}), "content_type"),
        (record(b" " * (SETTINGS.kafka.max_record_bytes + 1)), "too_large"),
        (item({"item_id": "i2"}), "key"),
        (item({}, None), "key"),
        (item(None, None), "key"),
        (item({}, b"\xff"), "key"),
        (item({"attributes": {"a": {}}}), "invalid"),
        (item(None, "a\tb"), "invalid"),
    ],
)
def test_what_is_no_event_is_refused_with_its_cause(one: Record, cause: str) -> None:
    assert refusal(one).cause == cause


def test_a_record_without_a_key_is_taken_from_the_right_partition() -> None:
    assert isinstance(decoded(record(CLICK, key=None)), Feedback)
    why = refusal(record(CLICK, key=None, partition=Partition(TOPICS.feedback, 0)))
    assert "belongs to partition 1" in why.detail


def test_items_come_by_their_key_and_go_without_a_value() -> None:
    put = decoded(item({"attributes": {"genre": ["a", "b"], "year": 1999}}))
    assert isinstance(put, ItemUpsert)
    assert (put.item_id, put.ts_ms) == ("i1", MADE_MS)
    assert put.attributes == {"genre": ["a", "b"], "year": 1999.0}
    own = decoded(item({"item_id": "i9", "event_id": "e9", "timestamp": MADE_MS + 1}, None))
    assert own == ItemUpsert(event_id="e9", ts_ms=MADE_MS + 1, item_id="i9")
    gone = decoded(item(None))
    assert isinstance(gone, ItemRemove)
    assert (gone.item_id, gone.ts_ms) == ("i1", MADE_MS)


def test_feedback_without_a_value_says_nothing() -> None:
    assert decoded(record(None)) is None


def test_a_record_without_a_time_happens_now() -> None:
    before = now_ms()
    event = decoded(record(CLICK, ts_ms=-1))
    assert isinstance(event, Feedback)
    assert before <= event.ts_ms <= now_ms()


def test_a_refusal_says_both() -> None:
    assert json.dumps(str(refusal(record(b"")))).startswith('"unreadable: ')
