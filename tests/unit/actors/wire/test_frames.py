"""Frames out of a stream, however it is cut; and what is none."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.wire.frames import BadFrame, Frame, FrameReader, frame_of

LIMIT = 4096

values = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.text(max_size=16), st.binary(max_size=LIMIT)
)
frames = st.lists(values, max_size=8).map(tuple)


def read_all(reader: FrameReader, chunks: list[bytes]) -> list[Frame]:
    return [frame for chunk in chunks for frame in reader.feed(chunk)]


@given(st.lists(frames, max_size=6), st.data())
def test_frames_survive_any_cut_of_the_stream(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(frame_of(*frame) for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    edges = [0, *cuts, len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(edges)]
    assert read_all(FrameReader(LIMIT), chunks) == sent


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_garbage_is_refused_or_is_frames_and_nothing_else(chunks: list[bytes]) -> None:
    reader = FrameReader(LIMIT)
    try:
        found = read_all(reader, chunks)
    except BadFrame:
        return
    for frame in found:
        assert all(type(value) in {int, str, bytes} for value in frame)


@pytest.mark.parametrize(
    "stream",
    [
        b"\xc1",  # no value at all
        msgspec.msgpack.encode(7),
        msgspec.msgpack.encode({"a": 1}),
        msgspec.msgpack.encode((1, 2.5)),
        msgspec.msgpack.encode((True, "x")),
        msgspec.msgpack.encode((None,)),
        msgspec.msgpack.encode((1, (2, 3))),
        msgspec.msgpack.encode(tuple(range(9))),
        msgspec.msgpack.encode(("x" * 65,)),
        msgspec.msgpack.encode((msgspec.msgpack.Ext(5, b"code"),)),
        b"\x92" * 2000,  # nested without end
        b"\x91\xa2\xff\xfe",  # a text that is no UTF-8
    ],
    ids=lambda stream: stream[:6].hex(),
)
def test_what_is_no_frame_is_refused(stream: bytes) -> None:
    with pytest.raises(BadFrame):
        read_all(FrameReader(LIMIT), [stream])


def test_a_frame_of_the_largest_size_passes_and_a_larger_one_does_not() -> None:
    largest = frame_of(1, b"x" * LIMIT)
    assert read_all(FrameReader(LIMIT), [largest[:100], largest[100:]]) == [(1, b"x" * LIMIT)]
    with pytest.raises(BadFrame):
        read_all(FrameReader(LIMIT), [frame_of(1, b"x" * (LIMIT + 1))])


def test_no_more_is_kept_of_what_is_too_large_than_one_chunk() -> None:
    reader = FrameReader(LIMIT)
    list(reader.feed(b"\x91\xc6\xff\xff\xff\xff"))
    chunk = b"y" * 65_536
    fitting = ((1 << 20) + LIMIT) // len(chunk)
    for _ in range(fitting):
        assert list(reader.feed(chunk)) == []
    with pytest.raises(BadFrame):
        list(reader.feed(chunk))
