"""Frames: msgpack arrays of integers, short texts and bytes, one after the other."""

from collections.abc import Iterator
from typing import Final

import msgpack
import msgspec

__all__ = ["BadFrame", "Frame", "FrameReader", "Value", "frame_of"]

Value = int | str | bytes
Frame = tuple[Value, ...]

_PLAIN: Final = frozenset((int, str, bytes))
"""Exactly these: a bool is an int, too."""
_MOST_VALUES: Final = 8
_LONGEST_TEXT: Final = 64
_ROOM: Final = 1 << 20
"""A chunk of the stream that may follow what is not complete yet, and the head of that."""
_FIRST_ROOM: Final = 1 << 16

_encoder = msgspec.msgpack.Encoder()


class BadFrame(Exception):
    """What came is no frame, or too large a one: nothing that follows can be trusted."""


def frame_of(*values: Value) -> bytes:
    """Return the bytes of a frame."""
    return _encoder.encode(values)


class FrameReader:
    """Finds the frames in a stream that comes in chunks.

    Parameters
    ----------
    limit_bytes
        Of the bytes in one frame.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._unpacker = msgpack.Unpacker(
            use_list=False,
            read_size=_FIRST_ROOM,
            max_buffer_size=limit_bytes + _ROOM,
            max_bin_len=limit_bytes,
            max_str_len=_LONGEST_TEXT,
            max_array_len=_MOST_VALUES,
            max_map_len=0,
            max_ext_len=0,
        )

    def feed(self, chunk: bytes = b"") -> Iterator[Frame]:
        """Take a chunk and yield the frames that are complete.

        Whoever takes fewer finds the others at the next call.

        Raises
        ------
        BadFrame
            Where the stream stops to be frames; the reader is of no use then.
        """
        try:
            self._unpacker.feed(chunk)
            for frame in self._unpacker:
                # In place: a function of its own costs as much as all that it does.
                if type(frame) is not tuple or not _PLAIN.issuperset(map(type, frame)):
                    message = f"a frame is an array of plain values, not {type(frame).__name__}"
                    raise BadFrame(message)
                yield frame
        except (msgpack.UnpackException, ValueError) as error:
            # What the unpacker raises is one or the other; some say nothing.
            raise BadFrame(str(error) or type(error).__name__) from error
