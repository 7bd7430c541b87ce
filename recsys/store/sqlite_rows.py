"""What binds a stored record to its place: a sound record in the wrong row is damage, too.

A record's own checksum covers its bytes, not the name under which it is filed. An event carries its
id; users are bound by a checksum over id and record header (which has the record's own checksum);
the parts of a snapshot by one over all names and headers, kept in the head.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from recsys.codec import HEADER_BYTES, decode_event, open_record, unpack
from recsys.errors import CorruptRecord
from recsys.events import Event
from recsys.store.dedupe import key_of

__all__ = ["ADVICE", "bind", "digest_parts", "open_event", "open_position", "open_user", "unsealed"]

ADVICE: Final = (
    "keep a copy of the folder, then restore a generation (`recsys restore`) or let "
    "`recsys verify --accept-data-loss` keep what is intact"
)


def bind(name: str, record: bytes) -> int:
    """Return the checksum of a name together with a record's header.

    Raises
    ------
    CorruptRecord
        When damage has made something else of the two.
    """
    if not (isinstance(name, str) and isinstance(record, bytes)):
        detail = f"a name and a record should be there, {name!r} and {record!r:.40} are"
        raise CorruptRecord(detail)
    return zlib.crc32(record[:HEADER_BYTES], zlib.crc32(name.encode()))


def digest_parts(parts: Mapping[str, bytes]) -> int:
    """Return one checksum of all names and headers, in the order of the names."""
    digest = 0
    for name in sorted(parts):
        digest = zlib.crc32(bind(name, parts[name]).to_bytes(4, "little"), digest)
    return digest


def open_event(path: Path, sequence: int, key: bytes, record: bytes) -> Event:
    """Return the event of a row of the log.

    Raises
    ------
    CorruptRecord
        When the record is damaged, or is not that of the row.
    """
    try:
        event = decode_event(record)
        if key_of(event) != key:
            detail = "it is filed under another id"
            raise CorruptRecord(detail)
    except CorruptRecord as error:
        detail = f"{path}: event {sequence} of the log is damaged ({error}); {ADVICE}"
        raise CorruptRecord(detail) from error
    return event


def open_position(path: Path, source: str, record: bytes) -> int:
    """Return where to go on in an outside log.

    Raises
    ------
    CorruptRecord
        When the record is damaged, or is that of another log.
    """
    try:
        named, at = unpack(record, tuple[str, int])
        if named != source:
            detail = f"it is that of {named!r}"
            raise CorruptRecord(detail)
    except CorruptRecord as error:
        detail = f"{path}: the position in {source!r} is damaged ({error}); {ADVICE}"
        raise CorruptRecord(detail) from error
    return at


def open_user(path: Path, user_id: str, record: bytes, binding: int) -> bytes:
    """Return a user's record after checking it.

    Raises
    ------
    CorruptRecord
        When the record is damaged, or is somebody else's.
    """
    unsealed(path, f"user {user_id!r}", record)
    if bind(user_id, record) != binding:
        detail = f"{path}: user {user_id!r} is filed with the record of another; {ADVICE}"
        raise CorruptRecord(detail)
    return record


def unsealed(path: Path, what: str, record: bytes) -> bytes:
    """Return a record of the snapshot after checking it.

    Raises
    ------
    CorruptRecord
        When it is damaged.
    """
    try:
        open_record(record)
    except CorruptRecord as error:
        detail = f"{path}: {what} of the snapshot is damaged ({error}); {ADVICE}"
        raise CorruptRecord(detail) from error
    return record
