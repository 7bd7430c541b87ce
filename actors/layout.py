"""The data directory: who may use it, and for how many shards and partitions it was made.

::

    data/
    ├── layout.json       how users are divided, and the epoch of the shard map
    ├── lock              held by the supervisor of the running server
    └── shard-0/          what Engine.open keeps for shard 0
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from actors.errors import StartupError
from actors.settings import ShardSettings

__all__ = ["DataFolder", "Layout", "existing", "shard_folder"]

_FORMAT: Final = 1


class Layout(msgspec.Struct, forbid_unknown_fields=True):
    """How the users of a directory are divided, and the epoch of its shard map."""

    format: int
    shards: int
    partitions: int
    epoch: int


def shard_folder(data_dir: Path, index: int) -> Path:
    """Return where one shard keeps its store."""
    return data_dir / f"shard-{index}"


class DataFolder:
    """A data directory that this process owns until ``release`` or its end.

    Parameters
    ----------
    settings
        The layout must be the one that the directory was made for.

    Raises
    ------
    StartupError
        When another server uses the directory, when it cannot be written, or when it was made for
        another number of shards or partitions.
    """

    def __init__(self, settings: ShardSettings) -> None:
        self._path = settings.data_dir
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            why = "it is a file" if isinstance(error, FileExistsError) else error.strerror
            raise _unusable(self._path, why) from error
        try:
            self._take_lock()
            self._layout = self._read(settings)
        except BaseException:
            self.release()
            raise

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            message = (
                f"the data directory {self._path} is in use by another recsys (process {owner}); "
                "stop it or choose another with --data-dir"
            )
            raise StartupError(message) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _read(self, settings: ShardSettings) -> Layout:
        path = self._path / "layout.json"
        wanted = Layout(_FORMAT, settings.count, settings.partitions, epoch=0)
        try:
            if not path.exists():
                _write(path, msgspec.json.encode(wanted))
                return wanted
            layout = _layout_of(self._path)
        except OSError as error:
            raise _unusable(self._path, f"{path.name}: {error.strerror}") from error
        if (layout.shards, layout.partitions) != (wanted.shards, wanted.partitions):
            message = (
                f"the data directory {self._path} was made for {layout.shards} shards and "
                f"{layout.partitions} partitions, the settings say {wanted.shards} and "
                f"{wanted.partitions}; set shards.count and shards.partitions back or choose "
                "another directory with --data-dir"
            )
            raise StartupError(message)
        return layout

    @property
    def epoch(self) -> int:
        """The epoch of the shard map; it never goes back."""
        return self._layout.epoch

    def advance(self) -> None:
        """Begin a new epoch of the shard map.

        Raises
        ------
        StartupError
            When it cannot be written; the epoch is then the old one.
        """
        path = self._path / "layout.json"
        layout = msgspec.structs.replace(self._layout, epoch=self._layout.epoch + 1)
        try:
            _write(path, msgspec.json.encode(layout))
        except OSError as error:
            raise _unusable(self._path, f"{path.name}: {error.strerror}") from error
        self._layout = layout

    def release(self) -> None:
        """Let another process use the directory. A second call is fine."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


@contextmanager
def existing(data_dir: Path) -> Iterator[Layout]:
    """Hold a directory that has been made, whatever it was made for.

    Raises
    ------
    StartupError
        When there is none, or when a server uses it.
    """
    try:
        layout = _layout_of(data_dir)
    except FileNotFoundError:
        message = f"{data_dir} holds no shards; `recsys serve` and `recsys train` make some"
        raise StartupError(message) from None
    except OSError as error:
        raise _unusable(data_dir, f"layout.json: {error.strerror}") from error
    folder = DataFolder(
        ShardSettings(count=layout.shards, partitions=layout.partitions, data_dir=data_dir)
    )
    try:
        yield layout
    finally:
        folder.release()


def _layout_of(data_dir: Path) -> Layout:
    path = data_dir / "layout.json"
    try:
        layout = msgspec.json.decode(path.read_bytes(), type=Layout)
    except msgspec.DecodeError as error:
        message = f"{path} is damaged ({error}); restore it from a copy of the directory"
        raise StartupError(message) from error
    if layout.format != _FORMAT:
        message = f"{data_dir} has layout format {layout.format}, this version reads {_FORMAT}"
        raise StartupError(message)
    return layout


def _unusable(path: Path, why: str | None) -> StartupError:
    """Return a complaint about the directory, to be raised."""
    message = f"the data directory {path} cannot be used: {why}; choose another with --data-dir"
    return StartupError(message)


def _write(path: Path, content: bytes) -> None:
    """Replace a small file so that a crash leaves the old or the new one."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
