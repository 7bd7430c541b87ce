"""The record: its layout, each refusal with its reason, and every single flip of a small one."""

import struct
import zlib
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from recsys.arrays import Packed, pack_array, pack_state
from recsys.codec import (
    FORMAT,
    bytes_head,
    decode_event,
    encode_event,
    list_head,
    map_head,
    open_record,
    pack,
    seal_pieces,
    seal_record,
    unpack,
)
from recsys.errors import CorruptRecord
from recsys.events import ItemRemove

EVENT = ItemRemove(event_id="e", ts_ms=1, item_id="i")


def test_layout() -> None:
    header = struct.pack("<2sBII", b"RS", FORMAT, 3, zlib.crc32(b"abc", FORMAT - 1))
    assert seal_record(b"abc") == header + b"abc"


@pytest.mark.parametrize("cuts", [(), (0,), (3,), (1, 1, 7)])
def test_a_record_in_pieces_is_the_same(cuts: tuple[int, ...]) -> None:
    payload = bytes(range(10))
    edges = [0, *cuts, len(payload)]
    pieces = [payload[start:end] for start, end in pairwise(edges)]
    assert seal_pieces(pieces) == seal_record(payload)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 255, 256, 65_535, 65_536, 70_000])
def test_heads_are_those_of_the_format(n: int) -> None:
    encode = msgspec.msgpack.encode
    assert list_head(n) + n * b"\x00" == encode([0] * n)
    assert bytes_head(n) + n * b"\x00" == encode(bytes(n))
    if n < 16:
        keys = {f"{key:x}": 0 for key in range(n)}
        pairs = b"".join(encode(key) + b"\x00" for key in keys)
        assert map_head(n) + pairs == encode(keys)


def test_a_map_of_more_keys_than_a_head_has_room_for_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 15 keys here, got 16"):
        map_head(16)


class Grown(msgspec.Struct):
    """Arrays of several lengths, and what is none."""

    names: list[str]
    short: Packed
    long: Packed
    origin_ms: int


@pytest.mark.parametrize("n", [0, 60, 300, 70_000])
def test_a_state_with_arrays_is_packed_as_any_other(n: int) -> None:
    long = np.arange(n, dtype=np.float32).reshape(-1, 5)
    state = Grown(["a", "b"], pack_array(np.zeros(3)), pack_array(long), -(2**40))
    assert pack_state(state) == pack(state)
    assert unpack(pack_state(state), Grown) == state


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
