"""No damage to a record goes unnoticed, and every valid event survives being written."""

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys.codec import (
    decode_event,
    encode_event,
    open_record,
    pack,
    seal_record,
    unpack,
)
from recsys.errors import CorruptRecord
from recsys.events import Event, validate
from recsys.store.dedupe import fingerprint
from tests.property.strategies import events

STATES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Holder(msgspec.Struct, frozen=True):
    """Owner of bytes and counts, as a part of a snapshot is."""

    blob: bytes
    counts: dict[str, int]


@given(events())
def test_a_valid_event_is_valid_and_survives(event: Event) -> None:
    validate(event)
    record = encode_event(event)
    assert decode_event(record) == event
    assert encode_event(decode_event(record)) == record


@given(st.binary(max_size=200))
@example(b"")
def test_any_payload_survives(payload: bytes) -> None:
    assert open_record(seal_record(payload)) == payload


@given(st.binary(max_size=100), st.dictionaries(st.text(), st.integers(0, 2**63), max_size=4))
def test_state_survives(blob: bytes, counts: dict[str, int]) -> None:
    state = Holder(blob, counts)
    assert unpack(pack(state), Holder) == state


@settings(max_examples=50)
@given(events())
def test_a_truncated_record_is_refused_at_every_length(event: Event) -> None:
    record = encode_event(event)
    for length in range(len(record)):
        with pytest.raises(CorruptRecord):
            decode_event(record[:length])


@settings(max_examples=50)
@given(events(), st.integers(1, 255))
def test_a_changed_byte_is_refused_at_every_place(event: Event, mask: int) -> None:
    record = bytearray(encode_event(event))
    for place in range(len(record)):
        record[place] ^= mask
        with pytest.raises(CorruptRecord):
            decode_event(bytes(record))
        record[place] ^= mask


@given(events(), st.binary(min_size=1, max_size=20))
def test_trailing_bytes_are_refused(event: Event, tail: bytes) -> None:
    with pytest.raises(CorruptRecord, match="are there"):
        decode_event(encode_event(event) + tail)


@given(st.binary(max_size=100))
def test_no_bytes_of_a_stranger_are_a_record(garbage: bytes) -> None:
    with pytest.raises(CorruptRecord):
        open_record(garbage)


@given(STATES)
def test_sound_bytes_that_are_no_event_are_refused(state: object) -> None:
    with pytest.raises(CorruptRecord, match="the record holds no event"):
        decode_event(pack(state))


@given(STATES)
def test_sound_bytes_of_another_type_are_refused(state: object) -> None:
    with pytest.raises(CorruptRecord, match="the record is no Holder"):
        unpack(pack(state), Holder)


@given(events(), st.integers(0, 10**12))
def test_content_is_everything_but_the_time(event: Event, ts_ms: int) -> None:
    later = msgspec.structs.replace(event, ts_ms=ts_ms)
    assert fingerprint(later) == fingerprint(event)
    moved = msgspec.structs.replace(event, event_id=event.event_id + "2")
    assert fingerprint(moved).content != fingerprint(event).content


@given(events())
def test_content_survives_the_log(event: Event) -> None:
    assert fingerprint(decode_event(encode_event(event))) == fingerprint(event)
