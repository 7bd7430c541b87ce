"""Puts simulated disks under the real SQLite: a virtual file system, by ctypes.

It is registered once, under ``NAME``, with the very library that Python's ``sqlite3`` uses. A disk
that is mounted appears as a folder of its own. Without shared memory a file can only be opened in
WAL mode under an exclusive lock, which is how the store opens it.
"""

import _sqlite3
import ctypes
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_double, c_int, c_int64, c_void_p
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, ClassVar, Final

from tests.simulation.disk import CANTOPEN, IOERR, Disk, DiskFault, File

__all__ = ["NAME", "NoVfs", "mounted", "register", "seed_salts"]

NAME: Final = "simulated"
_ROOT: Final = PurePath("/simulated")

_OK: Final = 0
_NOTFOUND: Final = 12
_SHORT_READ: Final = IOERR | 2 << 8
_OPEN_CREATE: Final = 0x4
_OPEN_JOURNALS: Final = 0x800 | 0x4000 | 0x80000  # main journal, super-journal, WAL
_SECTOR_BYTES: Final = 4096  # what SQLite's own file system says of any disk, as of the next
_POWERSAFE_OVERWRITE: Final = 0x1000
_PRNG_SEED: Final = 28  # SQLITE_TESTCTRL_PRNG_SEED


class NoVfs(Exception):
    """SQLite's own functions cannot be reached in this installation of Python."""


class _SqliteFile(ctypes.Structure):
    _fields_: ClassVar = [("methods", c_void_p), ("number", c_int64)]


_FilePointer = POINTER(_SqliteFile)
_OF_FILES: Final[dict[str, type[Any]]] = {
    "close": CFUNCTYPE(c_int, _FilePointer),
    "read": CFUNCTYPE(c_int, _FilePointer, c_void_p, c_int, c_int64),
    "write": CFUNCTYPE(c_int, _FilePointer, c_void_p, c_int, c_int64),
    "truncate": CFUNCTYPE(c_int, _FilePointer, c_int64),
    "sync": CFUNCTYPE(c_int, _FilePointer, c_int),
    "file_size": CFUNCTYPE(c_int, _FilePointer, POINTER(c_int64)),
    "lock": CFUNCTYPE(c_int, _FilePointer, c_int),
    "unlock": CFUNCTYPE(c_int, _FilePointer, c_int),
    "check_reserved_lock": CFUNCTYPE(c_int, _FilePointer, POINTER(c_int)),
    "file_control": CFUNCTYPE(c_int, _FilePointer, c_int, c_void_p),
    "sector_size": CFUNCTYPE(c_int, _FilePointer),
    "device_characteristics": CFUNCTYPE(c_int, _FilePointer),
}
_OF_VFS: Final[dict[str, type[Any]]] = {
    "open": CFUNCTYPE(c_int, c_void_p, c_char_p, _FilePointer, c_int, POINTER(c_int)),
    "delete": CFUNCTYPE(c_int, c_void_p, c_char_p, c_int),
    "access": CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, POINTER(c_int)),
    "full_pathname": CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, c_void_p),
    "dl_open": c_void_p,
    "dl_error": c_void_p,
    "dl_sym": c_void_p,
    "dl_close": c_void_p,
    "randomness": CFUNCTYPE(c_int, c_void_p, c_int, c_void_p),
    "sleep": CFUNCTYPE(c_int, c_void_p, c_int),
    "current_time": CFUNCTYPE(c_int, c_void_p, POINTER(c_double)),
    "get_last_error": CFUNCTYPE(c_int, c_void_p, c_int, c_void_p),
}


class _IoMethods(ctypes.Structure):
    _fields_: ClassVar = [("version", c_int), *_OF_FILES.items()]


class _SqliteVfs(ctypes.Structure):
    _fields_: ClassVar = [
        ("version", c_int),
        ("file_bytes", c_int),
        ("path_bytes", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        *_OF_VFS.items(),
    ]


def _answering(work: Callable[..., int | None]) -> Callable[..., int]:
    """Turn faults of a disk into SQLite's codes: no exception crosses the border to C."""

    def answer(*arguments: Any) -> int:
        try:
            return work(*arguments) or _OK
        except DiskFault as fault:
            return fault.code

    return answer


def _fine(*_: object) -> None:
    """Succeed: locks in one process, sleeping, and other things nobody needs here."""


class _Vfs:
    """The callbacks, and who they are for. Lives as long as the process: C keeps its addresses."""

    def __init__(self) -> None:
        self.disks: dict[str, Disk] = {}
        self._scratch = Disk(random.Random(0))  # of temporary files, which no crash needs to know
        self._files: dict[int, tuple[Disk, File]] = {}
        self._numbers = itertools.count(1)
        self.methods = _IoMethods(version=1)
        self.vfs = _SqliteVfs(
            version=1,
            file_bytes=ctypes.sizeof(_SqliteFile),
            path_bytes=512,
            name=NAME.encode(),
        )
        for table, kinds in ((self.methods, _OF_FILES), (self.vfs, _OF_VFS)):
            for name, kind in kinds.items():
                if kind is not c_void_p:
                    setattr(table, name, kind(_answering(getattr(self, f"_{name}", _fine))))

    def _of(self, pointer: Any) -> tuple[Disk, File]:
        return self._files[pointer.contents.number]

    def _disk(self, path: bytes) -> tuple[Disk, str]:
        place = PurePath(path.decode())
        disk = self.disks.get(place.parent.name)
        if disk is None:
            raise DiskFault(CANTOPEN)
        return disk, place.name

    def _open(self, _: object, path: bytes | None, pointer: Any, flags: int, out: Any) -> None:
        pointer.contents.methods = None  # so that SQLite does not close what failed to open
        if path is None:
            disk, file = self._scratch, File()
        else:
            disk, name = self._disk(path)
            journal = bool(flags & _OPEN_JOURNALS)
            file = disk.open(name, create=bool(flags & _OPEN_CREATE), journal=journal)
        number = next(self._numbers)
        self._files[number] = (disk, file)
        pointer.contents.number = number
        pointer.contents.methods = ctypes.addressof(self.methods)
        if out:
            out[0] = flags

    def _delete(self, _: object, path: bytes, sync_folder: int) -> None:
        disk, name = self._disk(path)
        disk.delete(name, flush_folder=bool(sync_folder))

    def _access(self, _: object, path: bytes, __: int, out: Any) -> None:
        disk, name = self._disk(path)
        out[0] = disk.exists(name)

    def _full_pathname(self, _: object, path: bytes, size: int, out: int) -> int:
        if len(path) >= size:
            return CANTOPEN
        ctypes.memmove(out, path + b"\0", len(path) + 1)
        return _OK

    def _randomness(self, _: object, size: int, out: int) -> int:
        ctypes.memset(out, 7, size)
        return size

    def _current_time(self, _: object, out: Any) -> None:
        out[0] = 2_460_000.5  # a Julian day in 2023

    def _close(self, pointer: Any) -> None:
        del self._files[pointer.contents.number]

    def _read(self, pointer: Any, out: int, size: int, offset: int) -> int:
        disk, file = self._of(pointer)
        found = disk.read(file, size, offset)
        ctypes.memmove(out, found + bytes(size - len(found)), size)
        return _OK if len(found) == size else _SHORT_READ

    def _write(self, pointer: Any, source: int, size: int, offset: int) -> None:
        disk, file = self._of(pointer)
        disk.write(file, ctypes.string_at(source, size), offset)

    def _truncate(self, pointer: Any, size: int) -> None:
        disk, file = self._of(pointer)
        disk.truncate(file, size)

    def _sync(self, pointer: Any, _: int) -> None:
        disk, file = self._of(pointer)
        disk.flush(file)

    def _file_size(self, pointer: Any, out: Any) -> None:
        out[0] = len(self._of(pointer)[1].content)

    def _check_reserved_lock(self, _: object, out: Any) -> None:
        out[0] = 0

    def _file_control(self, *_: object) -> int:
        return _NOTFOUND

    def _sector_size(self, _: object) -> int:
        return _SECTOR_BYTES

    def _device_characteristics(self, _: object) -> int:
        return _POWERSAFE_OVERWRITE


@lru_cache(maxsize=1)
def register() -> _Vfs:
    """Return the file system, made known to SQLite at the first call.

    Raises
    ------
    NoVfs
        When Python's ``sqlite3`` keeps SQLite's functions to itself, as where it is linked in.
    """
    try:
        library = ctypes.CDLL(_sqlite3.__file__)
        enter = library.sqlite3_vfs_register
    except (AttributeError, OSError) as error:
        raise NoVfs(str(error)) from error
    made = _Vfs()
    enter.argtypes = [POINTER(_SqliteVfs), c_int]
    if enter(ctypes.byref(made.vfs), 0) != _OK:
        message = "SQLite refused another file system"
        raise NoVfs(message)
    return made


def seed_salts(seed: int) -> None:
    """Have SQLite draw its random numbers, such as the salts of logs, from a seed; 0 ends that."""
    control = ctypes.CDLL(_sqlite3.__file__).sqlite3_test_control
    control(c_int(_PRNG_SEED), c_int(seed), c_void_p(None))


_mounts = itertools.count(1)


@contextmanager
def mounted(disk: Disk) -> Iterator[Path]:
    """Show a disk as a folder for the length of the block. Close what was opened there before."""
    name = str(next(_mounts))
    register().disks[name] = disk
    try:
        yield Path(_ROOT / name)
    finally:
        del register().disks[name]
