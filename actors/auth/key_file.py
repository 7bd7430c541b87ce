"""The file of the keys: JSON, one process changes it at a time, a crash leaves the old or the new.

Gateways read it again when it changes, so that a new key works and one that was taken away stops
working within a second, without a restart.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from actors.auth.keys import Key
from actors.errors import StartupError
from recsys.durable import replace_file

__all__ = ["ADMIN_KEY", "KEY_FILES", "changing_keys", "keys_path", "read_keys", "write_private"]

_KEYS: Final = "keys.json"
_LOCK: Final = ".lock"
ADMIN_KEY: Final = "admin.key"
"""The text of the first key, beside the file of all."""
KEY_FILES: Final = frozenset((_KEYS, _KEYS + _LOCK, ADMIN_KEY))
"""What may lie in a data directory before there is a shard in it."""
_FORMAT: Final = 1


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    keys: tuple[Key, ...]


def keys_path(chosen: Path | None, data_dir: Path) -> Path:
    """Return where the keys are: where the settings say, or else in the data directory."""
    return (data_dir / _KEYS if chosen is None else chosen).absolute()


def read_keys(path: Path) -> tuple[Key, ...]:
    """Return the keys of a file.

    Raises
    ------
    FileNotFoundError
        When there is none.
    StartupError
        When it cannot be read, is damaged, or of another version.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        raise
    except OSError as error:
        message = f"the API keys in {path} cannot be read: {error.strerror}"
        raise StartupError(message) from error
    except msgspec.DecodeError as error:
        message = f"the API keys in {path} are damaged ({error}); restore the file from a copy"
        raise StartupError(message) from error
    if found.format != _FORMAT:
        message = f"{path} has format {found.format}, this version reads {_FORMAT}"
        raise StartupError(message)
    if len({key.name for key in found.keys}) != len(found.keys):
        message = f"the API keys in {path} are damaged (a name is there twice)"
        raise StartupError(message)
    return found.keys


@contextmanager
def changing_keys(path: Path) -> Iterator[dict[str, Key]]:
    """Give the keys by name, none when there is no file, and write what was made of them.

    Nothing is written when the body raises. Other processes wait meanwhile.

    Raises
    ------
    StartupError
        As ``read_keys``, and when the file cannot be written.
    """
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(path.name + _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
        _give(lock, path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            keys = {key.name: key for key in read_keys(path)}
        except FileNotFoundError:
            keys = {}
        yield keys
        content = msgspec.json.encode(_File(_FORMAT, tuple(keys.values())))
        msgspec.json.decode(content, type=_File)  # what could not be read must not be written
        try:
            write_private(path, msgspec.json.format(content, indent=2) + b"\n")
        except OSError as error:
            raise _unwritable(path, error) from error
    finally:
        os.close(lock)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file by one that only its owner can read, whole or not at all, and for good.

    The owner stays who it was, or is the folder's: a server that runs as somebody else than who
    types the command must be able to read it.

    Raises
    ------
    OSError
        When it cannot be written, or not be given to its owner.
    """
    path = path.resolve()
    if path.exists() and os.geteuid() not in {0, path.stat().st_uid}:
        raise PermissionError(errno.EPERM, "it belongs to another user, who must do this")
    like = path if path.exists() else path.parent
    replace_file(path, content, mode=0o600, before=lambda file: _give(file, like))


def _give(file: int, like: Path) -> None:
    """Let root's file belong to whom another one belongs to; others can give nothing away."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.fchown(file, owner.st_uid, owner.st_gid)


def _unwritable(path: Path, error: OSError) -> StartupError:
    return StartupError(f"the API keys in {path} cannot be written: {error.strerror}")
