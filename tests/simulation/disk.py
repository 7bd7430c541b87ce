"""A disk that forgets what was not flushed, and that can be told to fail.

It keeps two truths: what the running system reads back, and what is on the platter. A write changes
the first at once and the second at the next flush of that file. ``after_power_cut`` leaves the
second, and of all that was still on its way a random part, sector by sector, in any order.
"""

import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

__all__ = ["CANTOPEN", "IOERR", "SECTOR", "Disk", "DiskFault", "File", "Troubles"]

SECTOR: Final = 512
"""Bytes that are written as a whole or not at all."""
IOERR: Final = 10
CANTOPEN: Final = 14
_FULL: Final = 13
_IOERR_READ: Final = IOERR | 1 << 8
_IOERR_FSYNC: Final = IOERR | 4 << 8


class DiskFault(Exception):
    """An operation failed; ``code`` is what SQLite is told."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(kw_only=True)
class Troubles:
    """At which operations of a disk something goes wrong; changes are counted, reads apart.

    Attributes
    ----------
    cut_at
        The power goes during this change: it and all that follow fail.
    full
        Writes during these changes find no space.
    flush_fails_at
        The first flush from this change on fails, and what it should have written is forgotten
        although it can still be read: later flushes do not write it either.
    read_fails_at
        This read fails, once.
    """

    cut_at: int | None = None
    full: range = range(0)
    flush_fails_at: int | None = None
    read_fails_at: int | None = None


@dataclass
class _Write:
    offset: int
    content: bytes


@dataclass
class _Truncate:
    size: int


@dataclass(eq=False)
class File:
    """One file: what is read back, what is on the platter, and what lies between the two."""

    content: bytearray = field(default_factory=bytearray)
    platter: bytearray = field(default_factory=bytearray)
    pending: list[_Write | _Truncate] = field(default_factory=list)
    flushes_folder: bool = False
    """Whether its first flush flushes the folder, too, as SQLite does for new journals."""

    def change(self, change: _Write | _Truncate) -> None:
        """Make a change that the platter does not know of yet."""
        _apply(self.content, change)
        self.pending.append(change)

    def flush(self) -> None:
        """Bring all changes to the platter."""
        for change in self.pending:
            _apply(self.platter, change)
        self.pending.clear()

    def settle(self, chance: random.Random, share: float) -> None:
        """Bring a random part of the changes to the platter, and forget the rest."""
        for change in self.pending:
            for part in _sectors(change):
                if chance.random() < share:
                    _apply(self.platter, part)
        self.pending.clear()


class Disk:
    """One folder of files.

    Attributes
    ----------
    troubles
        What will go wrong.
    changes, reads
        Operations since they were armed.
    dead
        Whether the power is gone.
    hurt
        What has failed last, empty when nothing did: ``cut``, ``full``, ``flush`` or ``read``.
    """

    def __init__(self, chance: random.Random) -> None:
        self.troubles = Troubles()
        self.changes = 0
        self.reads = 0
        self.dead = False
        self.hurt = ""
        self._chance = chance
        self._files: dict[str, File] = {}
        self._folder: dict[str, File] = {}  # as it is on the platter
        self._renamed: list[tuple[str, File | None]] = []  # entries that it does not know of yet

    def open(self, name: str, *, create: bool, journal: bool) -> File:
        """Return a file, made if need be and allowed."""
        file = self._files.get(name)
        if file is None:
            if not create:
                raise DiskFault(CANTOPEN)
            file = File(flushes_folder=journal)
            self._enter(name, file)
            self._change()
        elif self.dead:
            raise DiskFault(IOERR)
        return file

    def delete(self, name: str, *, flush_folder: bool) -> None:
        """Remove a file."""
        if name in self._files:
            self._enter(name, None)
        self._change()
        if flush_folder:
            self._flush_folder()

    def exists(self, name: str) -> bool:
        """Say whether there is such a file with something in it."""
        if self.dead:
            raise DiskFault(IOERR)
        return name in self._files

    def read(self, file: File, size: int, offset: int) -> bytes:
        """Return at most ``size`` bytes."""
        self.reads += 1
        if self.dead:
            raise DiskFault(IOERR)
        if self.reads == self.troubles.read_fails_at:
            self.hurt = "read"
            raise DiskFault(_IOERR_READ)
        return bytes(file.content[offset : offset + size])

    def write(self, file: File, content: bytes, offset: int) -> None:
        """Write, as far as the running system can tell."""
        if not self.dead and self.changes + 1 in self.troubles.full:
            self.changes += 1
            self.hurt = "full"
            raise DiskFault(_FULL)
        if not self.dead:
            file.change(_Write(offset, content))
        self._change()

    def truncate(self, file: File, size: int) -> None:
        """Cut a file."""
        if not self.dead:
            file.change(_Truncate(size))
        self._change()

    def flush(self, file: File) -> None:
        """Bring a file to the platter; when this returns it is there."""
        self._change()
        fails_at = self.troubles.flush_fails_at
        if fails_at is not None and self.changes >= fails_at:
            self.troubles.flush_fails_at = None
            self.hurt = "flush"
            file.settle(self._chance, self._chance.random())
            raise DiskFault(_IOERR_FSYNC)
        file.flush()
        if file.flushes_folder:
            file.flushes_folder = False
            self._flush_folder()

    def arm(self, troubles: Troubles) -> None:
        """Replace what will go wrong, and count from here."""
        self.troubles = troubles
        self.changes = self.reads = 0

    def flush_again(self, name: str) -> None:
        """Write a file anew, byte for byte, and flush it."""
        if (file := self._files.get(name)) is not None:
            self.write(file, bytes(file.content), 0)
            self.flush(file)

    def after_kill(self) -> "Disk":
        """Return the disk as the next process finds it; whoever had it open cannot use it."""
        left = Disk(self._chance)
        left._files, left._folder, left._renamed = self._files, self._folder, self._renamed
        self.dead = True
        return left

    def after_power_cut(self, share: float) -> "Disk":
        """Return what is found when the power is back.

        Parameters
        ----------
        share
            How much of what was on its way has arrived, in 0..1.
        """
        left = Disk(self._chance)
        self.dead = True
        entries = dict(self._folder)
        for name, entry in self._renamed:
            if self._chance.random() < share:
                _enter(entries, name, entry)
        for name, file in entries.items():
            file.settle(self._chance, share)
            left._files[name] = File(bytearray(file.platter), bytearray(file.platter))
        left._folder = dict(left._files)
        return left

    def _change(self) -> None:
        """Count a change; whoever made it may find that the power went while it was made."""
        if not self.dead:
            self.changes += 1
            if self.changes == self.troubles.cut_at:
                self.dead = True
                self.hurt = "cut"
        if self.dead:
            raise DiskFault(IOERR)

    def _enter(self, name: str, file: File | None) -> None:
        if not self.dead:
            _enter(self._files, name, file)
            self._renamed.append((name, file))

    def _flush_folder(self) -> None:
        self._folder = dict(self._files)
        self._renamed.clear()


def _enter(entries: dict[str, File], name: str, file: File | None) -> None:
    if file is None:
        entries.pop(name, None)
    else:
        entries[name] = file


def _apply(content: bytearray, change: _Write | _Truncate) -> None:
    match change:
        case _Truncate(size):
            del content[size:]
            content.extend(bytes(size - len(content)))
        case _Write(offset, new):
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(new)] = new


def _sectors(change: _Write | _Truncate) -> list[_Write | _Truncate]:
    """Split a change into what a power cut can part."""
    if isinstance(change, _Truncate):
        return [change]
    start, end = change.offset, change.offset + len(change.content)
    edges = [start, *range((start // SECTOR + 1) * SECTOR, end, SECTOR), end]
    return [
        _Write(first, change.content[first - start : last - start])
        for first, last in pairwise(edges)
    ]
