"""Turns events and state into records whose bytes can be trusted, and back.

A record is ``b"RS"``, a format number (1 byte), the payload's length (4 bytes, little-endian),
the CRC-32 of the payload (4 bytes; it starts at the format number - 1, so that it covers that,
too), and the payload. Nothing below our own length and checksum is
believed: Vowpal Wabbit loads a truncated model silently, SQLite and msgpack a flipped bit.
Golden files under ``tests/golden`` hold every format number ever released; all of them are read,
the newest is written. Format 2 has ``Decision.features``, format 3 ``Feedback.survival``.
"""

import struct
import zlib
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.errors import CorruptRecord
from recsys.events import Event

__all__ = [
    "FORMAT",
    "HEADER_BYTES",
    "Recorded",
    "bytes_head",
    "decode_event",
    "encode_event",
    "list_head",
    "map_head",
    "open_record",
    "pack",
    "row_from",
    "seal_pieces",
    "seal_record",
    "unpack",
]

FORMAT: Final = 3
_MAGIC: Final = b"RS"
_HEADER: Final = struct.Struct("<2sBII")
HEADER_BYTES: Final = _HEADER.size
"""What a record begins with; it holds the checksum of the rest."""

T = TypeVar("T")
_Number = TypeVar("_Number", np.int32, np.int64)

_ROWS: Final[Mapping[object, Any]] = {
    NDArray[np.int32]: np.int32,
    NDArray[np.int64]: np.int64,
}
"""What a record holds as lists of numbers."""


class Recorded(ABC):
    """What has another form in a record than in memory."""

    __slots__ = ()

    @abstractmethod
    def to_record(self) -> object:
        """Return plain state for ``pack``."""

    @classmethod
    @abstractmethod
    def from_record(cls, record: object) -> Self:
        """Return what ``to_record`` was asked of, from dicts, lists, numbers, strings and bytes.

        Raises
        ------
        ValueError
            When it is something else; ``unpack`` makes ``CorruptRecord`` of it.
        """


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray) and value.dtype in _ROWS.values():
        return value.tolist()
    if isinstance(value, Recorded):
        return value.to_record()
    message = f"nothing says how to write a {type(value).__name__}"
    raise TypeError(message)


def _made(kind: type[Any], value: object) -> object:
    dtype = _ROWS.get(kind)
    if dtype is not None:
        if not isinstance(value, list):
            message = f"a list of integers was expected, got {type(value).__name__}"
            raise ValueError(message)
        return row_from(value, dtype)
    # msgspec looks itself whether what comes out is of the kind.
    return kind.from_record(value) if issubclass(kind, Recorded) else value


def row_from(numbers: Iterable[Any], dtype: type[_Number]) -> NDArray[_Number]:
    """Return an array from the numbers of a record, shape ``(n,)``.

    Raises
    ------
    ValueError
        When something else is among them, or what ``dtype`` has no room for.
    """
    # numpy would make integers of fractions, and to look at each in Python takes far longer.
    code: Any = np.dtype(dtype).char
    try:
        return np.array(array(code, numbers), dtype)
    except (TypeError, OverflowError) as error:
        message = f"no row of {np.dtype(dtype)}: {error}"
        raise ValueError(message) from error


_event_decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)
_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)


def seal_record(payload: bytes) -> bytes:
    """Wrap ``payload`` into a record."""
    return seal_pieces((payload,))


def _checksum(version: int, payload: bytes) -> int:
    return zlib.crc32(payload, version - 1)


def open_record(record: bytes) -> bytes:
    """Return the payload of a record.

    Raises
    ------
    CorruptRecord
        When magic, format, length or checksum are not what ``seal_record`` wrote.
    """
    if not isinstance(record, bytes):  # a flipped bit in a column's type makes text of it
        detail = f"a record is made of bytes, got {type(record).__name__}"
        raise CorruptRecord(detail)
    if len(record) < _HEADER.size:
        detail = f"a record has at least {_HEADER.size} bytes, got {len(record)}"
        raise CorruptRecord(detail)
    magic, version, length, checksum = _HEADER.unpack_from(record)
    payload = record[_HEADER.size :]
    if magic != _MAGIC:
        detail = f"a record starts with {_MAGIC!r}, got {magic!r}"
        raise CorruptRecord(detail)
    if not 1 <= version <= FORMAT:
        detail = f"this version reads record formats 1 to {FORMAT}, got {version}; upgrade recsys"
        raise CorruptRecord(detail)
    if length != len(payload):
        detail = f"the record says {length} bytes, {len(payload)} are there"
        raise CorruptRecord(detail)
    if _checksum(version, payload) != checksum:
        detail = "the record's checksum does not match its bytes"
        raise CorruptRecord(detail)
    return payload


def encode_event(event: Event) -> bytes:
    """Return the record of an event."""
    return seal_record(_encoder.encode(event))


def decode_event(record: bytes) -> Event:
    """Return the event of a record.

    Raises
    ------
    CorruptRecord
        When the record is damaged or holds no event.
    """
    payload = open_record(record)
    try:
        return _event_decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f"the record holds no event: {error}"
        raise CorruptRecord(detail) from error


def seal_pieces(pieces: Sequence[bytes]) -> bytes:
    """Wrap a payload that comes in pieces; the same record as that of all of them together.

    It is copied once. Meanwhile other threads wait for the interpreter: 33 MB take some 10 ms.
    """
    checksum, size = FORMAT - 1, 0
    for piece in pieces:
        checksum = zlib.crc32(piece, checksum)
        size += len(piece)
    return b"".join((_HEADER.pack(_MAGIC, FORMAT, size, checksum), *pieces))


def list_head(n: int) -> bytes:
    """Return what a list of ``n`` values begins with in a payload; the values follow."""
    if n < 16:
        return bytes((0x90 + n,))
    return b"\xdc" + n.to_bytes(2, "big") if n < 1 << 16 else b"\xdd" + n.to_bytes(4, "big")


def map_head(n: int) -> bytes:
    """Return what a map of ``n`` keys begins with in a payload; keys and values follow.

    Raises
    ------
    ValueError
        For more than 15.
    """
    if n > 15:
        message = f"a map has at most 15 keys here, got {n}"
        raise ValueError(message)
    return bytes((0x80 + n,))


def bytes_head(n: int) -> bytes:
    """Return what ``n`` bytes begin with in a payload; they follow."""
    if n < 1 << 8:
        return b"\xc4" + n.to_bytes(1, "big")
    return b"\xc5" + n.to_bytes(2, "big") if n < 1 << 16 else b"\xc6" + n.to_bytes(4, "big")


def pack(state: object) -> bytes:
    """Return the record of plain state: dicts, lists, numbers, strings, bytes, msgspec structs.

    Anything ``Recorded`` in it is written in its own form, a row of integers as a list of them.
    """
    return seal_record(_encoder.encode(state))


def unpack(record: bytes, kind: type[T]) -> T:
    """Return state written by ``pack`` as an instance of ``kind``.

    Raises
    ------
    CorruptRecord
        When the record is damaged or is not a ``kind``.
    """
    payload = open_record(record)
    try:
        return msgspec.msgpack.decode(payload, type=kind, dec_hook=_made)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f"the record is no {kind.__name__}: {error}"
        raise CorruptRecord(detail) from error
