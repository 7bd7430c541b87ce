"""The record: its layout, each refusal with its reason, and every single flip of a small one."""

import struct
import zlib

import msgspec
import pytest

from recsys.codec import FORMAT, decode_event, encode_event, open_record, pack, seal_record, unpack
from recsys.errors import CorruptRecord
from recsys.events import ItemRemove

EVENT = ItemRemove(event_id="e", ts_ms=1, item_id="i")


def test_layout() -> None:
    header = struct.pack("<2sBII", b"RS", FORMAT, 3, zlib.crc32(b"abc", FORMAT - 1))
    assert seal_record(b"abc") == header + b"abc"


def test_every_flip_of_every_byte_is_refused() -> None:
    record = bytearray(encode_event(EVENT))
    for place in range(len(record)):
        for mask in range(1, 256):
            record[place] ^= mask
            with pytest.raises(CorruptRecord):
                decode_event(bytes(record))
            record[place] ^= mask
    assert decode_event(bytes(record)) == EVENT


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "a record has at least 11 bytes, got 0"),
        (seal_record(b"abc")[:10], "a record has at least 11 bytes, got 10"),
        (b"XX" + seal_record(b"abc")[2:], "a record starts with b'RS', got b'XX'"),
        (b"RS\x00" + seal_record(b"abc")[3:], "reads record formats 1 to 3, got 0"),
        (b"RS\x01" + seal_record(b"abc")[3:], "checksum does not match"),
        (b"RS\x07" + seal_record(b"abc")[3:], "reads record formats 1 to 3, got 7; upgrade recsys"),
        (seal_record(b"abc")[:-1], "the record says 3 bytes, 2 are there"),
        (seal_record(b"abc") + b"d", "the record says 3 bytes, 4 are there"),
        (seal_record(b"abc")[:-1] + b"d", "the record's checksum does not match its bytes"),
    ],
)
def test_each_refusal_says_why(record: bytes, reason: str) -> None:
    with pytest.raises(CorruptRecord, match=reason):
        open_record(record)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"kind": "unheard_of"}),
        msgspec.msgpack.encode({"kind": "item_remove", "event_id": "e"}),
        msgspec.msgpack.encode(
            {"kind": "item_remove", "event_id": "e", "ts_ms": 1, "item_id": "i", "more": 1}
        ),
        msgspec.msgpack.encode({"kind": "item_remove", "event_id": 1, "ts_ms": 1, "item_id": "i"}),
        encode_event(EVENT)[11:].replace(b"\xa1e", b"\xa1\xff"),
        encode_event(EVENT)[11:] + b"\x00",
    ],
)
def test_a_sound_record_without_an_event_is_refused(payload: bytes) -> None:
    with pytest.raises(CorruptRecord, match="the record holds no event"):
        decode_event(seal_record(payload))


def test_another_type_is_refused_by_name() -> None:
    with pytest.raises(CorruptRecord, match="the record is no dict"):
        unpack(pack([1]), dict)
    with pytest.raises(CorruptRecord, match="the record is no str"):
        unpack(seal_record(b"\xa1\xff"), str)
