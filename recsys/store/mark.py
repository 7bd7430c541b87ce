"""The high-water mark in a second place: which events a store has acknowledged.

SQLite cuts its write-ahead log at the first frame that it cannot read and says nothing, be it the
torn tail of a crash or a flipped bit in the middle. The mark tells the two apart. It is a file of
two slots, written in turn after each commit, each sealed by a checksum. Between snapshots it is not
flushed: it survives the end of the process as it is, and after a power failure it may be older than
the store. It is never ahead of what the disk has confirmed.
"""

import logging
import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from recsys.durable import sync_folder
from recsys.errors import StoreError

__all__ = ["Claim", "Mark"]

_log = logging.getLogger(__name__)

_SLOT: Final = struct.Struct("<2sB16sQQI")
_MAGIC: Final = b"RM"
_FORMAT: Final = 1
_APART: Final = 512  # bytes between the slots: a torn sector takes one of them


class Claim(NamedTuple):
    """What a mark says.

    Attributes
    ----------
    store_id
        Of the store beside which it was written.
    high_water
        Sequence of the newest event that was acknowledged.
    """

    store_id: bytes
    high_water: int


class Mark:
    """The mark of one store; only the owner of the store may write it.

    Parameters
    ----------
    path
        Its file, made by ``begin``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1
        self._turn = 0
        self._store_id = b""
        self._failed = False

    def read(self) -> Claim | None:
        """Return the newer of the two claims that are whole, ``None`` when there is none.

        Raises
        ------
        StoreError
            When there is a file that cannot be read: what it says must not be passed over.
        """
        try:
            content = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            detail = f"{self.path} cannot be read: {error.strerror}"
            raise StoreError(detail) from error
        slots = [slot for at in (0, _APART) if (slot := _open(content[at : at + _SLOT.size]))]
        if not slots:
            return None
        self._turn, claim = max(slots)
        return claim

    def begin(self, store_id: bytes, high_water: int) -> None:
        """Take the file for writing, and say durably what is acknowledged now.

        Raises
        ------
        OSError
            When the file cannot be made or written.
        """
        self.read()
        self._store_id = store_id
        is_new = not self.path.exists()
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # Both: the next write must not leave the other slot as the only, and an older, witness.
        self._put(high_water)
        self._put(high_water)
        os.fsync(self._file)
        if is_new:
            sync_folder(self.path.parent)

    def _put(self, high_water: int) -> None:
        self._turn += 1
        slot = _seal(self._turn, Claim(self._store_id, high_water))
        os.pwrite(self._file, slot, self._turn % 2 * _APART)

    def write(self, high_water: int) -> None:
        """Say that the commit up to an event was confirmed; takes a few microseconds.

        The event is durable whether or not this succeeds: a failure is told once, and the mark is
        then older than it could be.
        """
        try:
            self._put(high_water)
        except OSError as error:
            self._complain(error)

    def flush(self) -> None:
        """Have the disk confirm what was written."""
        if self._file < 0:
            return
        try:
            os.fdatasync(self._file)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._failed:
            _log.warning("%s is not written any more: %s", self.path, error)
        self._failed = True

    def close(self) -> None:
        """Flush and give the file back; a second call is fine."""
        if self._file >= 0:
            self.flush()
            os.close(self._file)
            self._file = -1


def _seal(turn: int, claim: Claim) -> bytes:
    head = _SLOT.pack(_MAGIC, _FORMAT, claim.store_id, turn, claim.high_water, 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little")


def _open(slot: bytes) -> tuple[int, Claim] | None:
    if len(slot) < _SLOT.size:
        return None
    magic, version, store_id, turn, high_water, checksum = _SLOT.unpack(slot)
    if (magic, version, checksum) != (_MAGIC, _FORMAT, zlib.crc32(slot[:-4])):
        return None
    return turn, Claim(store_id, high_water)
